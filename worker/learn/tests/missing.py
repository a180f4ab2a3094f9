"""Writes missing.json, what tests/missing.rs holds this crate to: `python missing.py > missing.json`.

Needs numpy and scikit-learn (made with 1.9.1). The data sets are those of classifiers.json, with values taken away, or with two
columns made categories: see `with_gaps` and `with_categories`. Learned from four rows of five and scored on every fifth, five
times: each time others, with the columns in another order (which decides between equal cuts), and another seed. A column of one
value is no target.
"""

import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics
from sklearn.ensemble import (
    ExtraTreesRegressor, HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier,
    RandomForestRegressor,
)


def with_gaps(x, y):
    """Every seventh value is missing; and every other one of the second column where the target is above its mean."""
    row, column = np.indices(x.shape)
    chance = (row * 31 + column * 17) % 7 == 0
    tells = (column == 1) & (row % 2 == 0) & (y > y.mean())[:, None]
    return np.where(chance | tells, np.nan, x)


def with_categories(x):
    """The first two columns become the numbers of their deciles, shuffled."""
    x = x.copy()
    for column in (0, 1):
        rank = np.empty(len(x), int)
        rank[np.argsort(x[:, column], kind="stable")] = np.arange(len(x))
        x[:, column] = (rank * 10 // len(x) * 7 + 3) % 10
    return x


def figures(case):
    data, classes = np.array(case["columns"]).T, np.array(case["target"])
    own = {"name": case["name"]}

    def mean(name, x, y, make, score):
        scores = []
        for k in range(5):
            test = np.arange(len(x)) % 5 == k
            turned = np.roll(np.arange(x.shape[1]), -(k * x.shape[1] // 5))
            fit = make(k, turned).fit(x[~test][:, turned], y[~test])
            scores.append(score(fit, x[test][:, turned], y[test]))
        own[name] = float(np.mean(scores))

    def rmse(name, x, y, make):
        if y.std() > 0:
            mean(name, x, y, make, lambda fit, x, y: metrics.root_mean_squared_error(y, fit.predict(x)))

    def log_loss(name, x, y, make):
        mean(name, x, y, make, lambda fit, x, y: metrics.log_loss(y, fit.predict_proba(x)))

    def categories(turned):
        return [int(place) for place in np.flatnonzero(turned < 2)]

    y = data[:, 0]
    x = with_gaps(data[:, 1:], y)
    rmse("missing_boosting", x, y, lambda *_: HistGradientBoostingRegressor(early_stopping=False))
    rmse("missing_forest", x, y, lambda k, _: RandomForestRegressor(random_state=k))
    rmse("missing_extra_trees", x, y, lambda k, _: ExtraTreesRegressor(random_state=k))
    x = with_gaps(data, classes)
    log_loss("missing_classes_boosting", x, classes, lambda *_: HistGradientBoostingClassifier(early_stopping=False))
    log_loss("missing_classes_forest", x, classes, lambda k, _: RandomForestClassifier(random_state=k))
    boosting = lambda fit: lambda _, turned: fit(early_stopping=False, categorical_features=categories(turned))
    rmse("categories_boosting", with_categories(data[:, 1:]), y, boosting(HistGradientBoostingRegressor))
    log_loss("categories_classes_boosting", with_categories(data), classes, boosting(HistGradientBoostingClassifier))
    return own


def main():
    cases = json.loads(Path(__file__).with_name("classifiers.json").read_text())["cases"]
    print(json.dumps({"scikit-learn": sklearn.__version__, "cases": [figures(case) for case in cases]}, indent=1))


main()
