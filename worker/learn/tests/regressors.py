"""Writes regressors.json, what tests/regressors.rs holds this crate to: `python regressors.py > regressors.json`.

Needs numpy and scikit-learn (made with 1.9.1). The data sets are those of reference.json and classifiers.json. Five times four
rows of five are learned from and every fifth is foretold: each time others, with the columns in another order (which decides
between equal cuts). Each RMSE is the mean of five seeds; `spread` is their standard deviation, in the mean of the five times.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics
from sklearn.ensemble import ExtraTreesRegressor, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

SEEDS = range(5)


def data():
    read = lambda name: {case["name"]: case for case in json.loads(Path(__file__).with_name(name).read_text())["cases"]}
    own, classes = read("reference.json"), read("classifiers.json")
    columns = lambda case: np.array(case["columns"], float).T
    yield "diabetes", columns(own["diabetes"]), np.array(own["diabetes"]["target"])
    # The last column of the cancers, their fractal dimension, and the alcohol of the wines.
    yield "breast_cancer", columns(classes["breast_cancer"])[:, :-1], columns(classes["breast_cancer"])[:, -1]
    yield "wine", columns(classes["wine"])[:, 1:], columns(classes["wine"])[:, 0]
    yield "digits", columns(classes["digits"]), np.array(classes["digits"]["target"], float)


def estimators():
    yield {"algorithm": "tree"}, lambda seed: DecisionTreeRegressor(random_state=seed)
    yield {"algorithm": "tree", "min_leaf": 5}, lambda seed: DecisionTreeRegressor(min_samples_leaf=5, random_state=seed)
    yield {"algorithm": "forest"}, lambda seed: RandomForestRegressor(random_state=seed)
    yield {"algorithm": "extra_trees"}, lambda seed: ExtraTreesRegressor(random_state=seed)
    yield {"algorithm": "boosting"}, lambda seed: HistGradientBoostingRegressor(early_stopping=False, random_state=seed)
    yield {"algorithm": "svr"}, lambda _: make_pipeline(StandardScaler(), SVR())
    yield {"algorithm": "knn"}, lambda _: make_pipeline(StandardScaler(), KNeighborsRegressor(algorithm="brute"))


def figures(name, x, y):
    for params, make in estimators():
        # A tube of 0.1 holds all fractal dimensions: any constant in it is as good. Forests of them take the test seconds.
        if name == "breast_cancer" and params["algorithm"] in ("svr", "forest", "extra_trees"):
            continue
        found = []
        for k in SEEDS:
            test = np.arange(len(y)) % len(SEEDS) == k
            turned = np.roll(x, -(k * x.shape[1] // len(SEEDS)), axis=1)
            fits = [make(seed).fit(turned[~test], y[~test]) for seed in SEEDS]
            found.append([metrics.root_mean_squared_error(y[test], fit.predict(turned[test])) for fit in fits])
        rmse, spread = np.mean(found, axis=1), np.std(found, axis=1, ddof=1).mean()
        yield {"data": name, **params, "rmse": rmse.tolist(), "spread": float(spread)}


def main():
    found = [own for case in data() for own in figures(*case)]
    print(json.dumps({"scikit-learn": sklearn.__version__, "figures": found}, indent=1))


main()
