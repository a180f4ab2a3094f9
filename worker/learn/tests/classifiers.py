"""Writes classifiers.json, what tests/classifiers.rs holds this crate to: `python classifiers.py > classifiers.json`.

Needs numpy and scikit-learn (made with 1.9.1). Data sets come with scikit-learn, in a seeded order. `exact` is learned from the
first `train` rows; `losses` has one for each of five seeds, each of which leaves out another fifth of the rows, is
scored on it, and turns the order of columns: where cuts are equally good, the first is taken.
"""

import json
import warnings

import numpy as np
import sklearn
from sklearn import datasets, metrics
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier

warnings.filterwarnings("ignore")
SEEDS = range(5)


def scaled(estimator):
    return make_pipeline(StandardScaler(), estimator)


def unscaled(model):
    scaler, linear = model[0], model[-1]
    coefficients = linear.coef_ / scaler.scale_
    intercepts = linear.intercept_ - coefficients @ scaler.mean_
    return {"intercepts": intercepts.tolist(), "coefficients": coefficients.tolist()}


def scores(truth, p):
    binary = p.shape[1] == 2
    return {
        "log_loss": metrics.log_loss(truth, p),
        "accuracy": metrics.accuracy_score(truth, p.argmax(1)),
        "f1": metrics.f1_score(truth, p.argmax(1), average="macro"),
        "brier": metrics.brier_score_loss(truth, p[:, 1] if binary else p),
        "auc": metrics.roc_auc_score(truth, p[:, 1]) if binary else metrics.roc_auc_score(truth, p, multi_class="ovr"),
    }


def exact(x, y, test):
    for c in (0.01, 1.0, 100.0):
        model = scaled(LogisticRegression(C=c, solver="newton-cholesky", tol=1e-13, max_iter=1000)).fit(x, y)
        yield {"algorithm": "logistic", "c": c, **unscaled(model)}
    for c in (0.01, 1.0):
        model = scaled(LinearSVC(C=c, dual=False, tol=1e-12, max_iter=100_000)).fit(x, y)
        yield {"algorithm": "linear_svm", "c": c, **unscaled(model)}
    for smoothing in (1e-9, 1e-2):
        model = scaled(GaussianNB(var_smoothing=smoothing)).fit(x, y)
        yield {"algorithm": "naive_bayes", "smoothing": smoothing, "probabilities": model.predict_proba(test).tolist()}
    for k in (1, 7):
        model = scaled(KNeighborsClassifier(k, algorithm="brute")).fit(x, y)
        numbers = scaled(KNeighborsRegressor(k, algorithm="brute")).fit(x, x[:, 0])
        yield {"algorithm": "knn", "k": k, "probabilities": model.predict_proba(test).tolist(),
               "numbers": numbers.predict(test).tolist()}
    for c, epsilon, gamma in ((1.0, 0.1, 0.0), (10.0, 0.01, 0.05)):
        model = scaled(SVR(C=c, epsilon=epsilon, gamma=gamma or "scale", tol=1e-6)).fit(x, x[:, 0])
        yield {"algorithm": "svr", "c": c, "epsilon": epsilon, "gamma": gamma, "numbers": model.predict(test).tolist()}
    if y.max() == 1:
        for c, gamma in ((1.0, 0.0), (10.0, 0.01)):
            model = scaled(SVC(C=c, gamma=gamma or "scale", tol=1e-6)).fit(x, y)
            yield {"algorithm": "kernel_svm", "c": c, "gamma": gamma, "margins": model.decision_function(test).tolist()}


def stochastic():
    trees = {"n_estimators": 300, "min_samples_leaf": 3}
    yield {"algorithm": "tree", "min_leaf": 5}, lambda seed: DecisionTreeClassifier(min_samples_leaf=5, random_state=seed)
    # Whole trees: otherwise rows that a bootstrap sample holds twice count once for scikit-learn, for us as often as drawn.
    yield {"algorithm": "forest", "trees": 300, "min_leaf": 1}, lambda seed: RandomForestClassifier(300, random_state=seed)
    yield {"algorithm": "extra_trees", "trees": 300, "min_leaf": 3}, lambda seed: ExtraTreesClassifier(**trees, random_state=seed)
    yield {"algorithm": "boosting", "iterations": 30}, lambda seed: HistGradientBoostingClassifier(
        max_iter=30, early_stopping=False, random_state=seed)
    yield {"algorithm": "linear_svm", "c": 0.1}, lambda seed: scaled(CalibratedClassifierCV(
        LinearSVC(C=0.1, dual=False), cv=3, ensemble=False))
    yield {"algorithm": "kernel_svm", "c": 1.0}, lambda seed: scaled(CalibratedClassifierCV(SVC(), cv=3, ensemble=False))


def case(name, load, rows=None):
    x, y = load(return_X_y=True)
    order = np.random.default_rng(7).permutation(len(y))[:rows]
    x, y = x[order].round(6), y[order]
    train = len(y) * 7 // 10
    learned, test = (x[:train], y[:train]), (x[train:], y[train:])
    logistic = scaled(LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-13, max_iter=1000)).fit(*learned)

    def loss(make, seed):
        out = np.arange(len(y)) % len(SEEDS) == seed
        turned = np.roll(x, -seed * x.shape[1] // len(SEEDS), axis=1)
        return metrics.log_loss(y[out], make(seed).fit(turned[~out], y[~out]).predict_proba(turned[out]))

    losses = [{**params, "log_loss": [loss(make, seed) for seed in SEEDS]} for params, make in stochastic()]
    return {"name": name, "train": train, "columns": x.T.tolist(), "target": y.tolist(),
            "exact": list(exact(*learned, test[0][:20])), "scores": scores(test[1], logistic.predict_proba(test[0])),
            "losses": losses}


cases = [case("iris", datasets.load_iris), case("wine", datasets.load_wine),
         case("breast_cancer", datasets.load_breast_cancer), case("digits", datasets.load_digits, 1000)]
written = ",\n".join(json.dumps(case) for case in cases).replace(".0,", ",").replace(".0]", "]")
print(f'{{"scikit-learn": "{sklearn.__version__}", "cases": [{written}]}}')
