"""Writes weights.json, what tests/weights.rs holds this crate to: `python weights.py > weights.json`.

Needs numpy and scikit-learn (made with 1.9.1). The data sets are those of classifiers.json; row i counts i·7 mod 5. The first
column is learned from the others: from four rows of five, scored with weights on every fifth. Figures of forests are the
mean of five seeds.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge, TweedieRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.preprocessing import StandardScaler


def ridge(x, y, w):
    scaler = StandardScaler().fit(x, sample_weight=w)
    fit = Ridge(1.0).fit(scaler.transform(x), y, sample_weight=w)
    scale = np.where(scaler.var_ > 0, scaler.scale_, np.inf)
    coefficients = fit.coef_ / scale
    return {"intercept": float(fit.intercept_ - coefficients @ scaler.mean_), "coefficients": coefficients.tolist()}


def own_units(scaler, intercept, coefficients):
    coefficients = np.atleast_2d(coefficients) / np.where(scaler.var_ > 0, scaler.scale_, np.inf)
    return {"intercepts": (intercept - coefficients @ scaler.mean_).ravel().tolist(), "coefficients": coefficients.ravel().tolist()}


def log_linear(x, y, w, power):
    scaler = StandardScaler().fit(x, sample_weight=w)
    fit = TweedieRegressor(power=power, alpha=0.1, link="log", solver="newton-cholesky", tol=1e-12, max_iter=1_000)
    fit.fit(scaler.transform(x), y, sample_weight=w)
    return own_units(scaler, fit.intercept_, fit.coef_)


def logistic(x, y, w):
    scaler = StandardScaler().fit(x, sample_weight=w)
    fit = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-14, max_iter=1_000).fit(scaler.transform(x), y, sample_weight=w)
    return own_units(scaler, fit.intercept_, fit.coef_)


def bayes(x, y, w, test):
    scaler = StandardScaler().fit(x, sample_weight=w)
    fit = GaussianNB(var_smoothing=1e-9).fit(scaler.transform(x), y, sample_weight=w)
    return fit.predict_proba(scaler.transform(test)).ravel().tolist()


def numbers(y, p, w):
    return {
        "rmse": metrics.root_mean_squared_error(y, p, sample_weight=w),
        "mae": metrics.mean_absolute_error(y, p, sample_weight=w),
        "r2": metrics.r2_score(y, p, sample_weight=w),
    }


def classes(truth, p, w):
    binary = p.shape[1] == 2
    return {
        "log_loss": metrics.log_loss(truth, p, sample_weight=w),
        "accuracy": metrics.accuracy_score(truth, p.argmax(1), sample_weight=w),
        "f1": metrics.f1_score(truth, p.argmax(1), average="macro", sample_weight=w),
        "brier": metrics.brier_score_loss(truth, p[:, 1] if binary else p, sample_weight=w),
        "auc": metrics.roc_auc_score(truth, p[:, 1], sample_weight=w) if binary
        else metrics.roc_auc_score(truth, p, multi_class="ovr", sample_weight=w),
    }


def figures(case):
    data, target = np.array(case["columns"]).T, np.array(case["target"])
    rows = np.arange(len(data))
    w, test = (rows * 7 % 5).astype(float), rows % 5 == 1
    x, y = data[:, 1:], data[:, 0]
    own = ridge(x[~test], y[~test], w[~test])
    predicted = x[test] @ np.array(own["coefficients"]) + own["intercept"]
    boosted = HistGradientBoostingRegressor(early_stopping=False).fit(x[~test], y[~test], sample_weight=w[~test])
    forests = [RandomForestRegressor(random_state=seed).fit(x[~test], y[~test], sample_weight=w[~test]) for seed in range(5)]
    rmse = lambda fit: metrics.root_mean_squared_error(y[test], fit.predict(x[test]), sample_weight=w[test])
    # Any probabilities do to score.
    p = LogisticRegression(C=1e-3, max_iter=10_000).fit(StandardScaler().fit_transform(data), target)
    p = p.predict_proba(StandardScaler().fit_transform(data))
    classifier = HistGradientBoostingClassifier(early_stopping=False).fit(data[~test], target[~test], sample_weight=w[~test])
    return {
        "name": case["name"],
        "ridge": own,
        "poisson": log_linear(x[~test], y[~test], w[~test], 1),
        "gamma": log_linear(x[~test], y[~test], w[~test], 2),
        "logistic": logistic(data[~test], target[~test], w[~test]),
        "naive_bayes": bayes(data[~test], target[~test], w[~test], data[test]),
        "scores": numbers(y[test], predicted, w[test]),
        "probabilities": p.round(9).ravel().tolist(),
        "class_scores": classes(target, p.round(9), w),
        "boosting_rmse": rmse(boosted),
        "forest_rmse": float(np.mean([rmse(fit) for fit in forests])),
        "boosting_log_loss": metrics.log_loss(target[test], classifier.predict_proba(data[test]), sample_weight=w[test]),
    }


def main():
    cases = json.loads(Path(__file__).with_name("classifiers.json").read_text())["cases"]
    cases = [case for case in cases if case["name"] in ("iris", "wine", "breast_cancer")]
    print(json.dumps({"scikit-learn": sklearn.__version__, "cases": [figures(case) for case in cases]}))


main()
