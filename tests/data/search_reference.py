"""Prints flights_search.json: what scikit-learn's TimeSeriesSplit says of each carrier's candidates.

Needs pandas, pyarrow and scikit-learn (made with 1.9): `python search_reference.py > flights_search.json`, in this folder.
"""

import json

import numpy as np
import pandas
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Lasso, Ridge
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

FEATURES = ["dep_delay", "distance", "hour", "month", "day", "weekday"]
CANDIDATES = [("mean", None), ("ridge", 0.1), ("ridge", 1.0), ("ridge", 300.0), ("lasso", 0.1), ("lasso", 1.0), ("lasso", 300.0)]
MAKE = {"mean": lambda _: DummyRegressor(), "ridge": lambda alpha: Ridge(alpha=alpha), "lasso": lambda alpha: Lasso(alpha=alpha, tol=1e-10)}


def error(x, y, name, alpha, splits):
    squares = []
    for train, test in splits:
        model = make_pipeline(StandardScaler(), MAKE[name](alpha))
        squares.append((model.fit(x[train], y[train]).predict(x[test]) - y[test]) ** 2)
    return float(np.sqrt(np.concatenate(squares).mean()))


flights = pandas.read_parquet("flights.parquet")
flights["weekday"] = flights.time_hour.dt.day_of_week
flights = flights.sort_values("time_hour", kind="stable").dropna(subset=[*FEATURES, "arr_delay", "time_hour"])
found = {}
for carrier in ["AA", "HA", "UA"]:
    rows = flights[flights.carrier == carrier]
    rows = rows[: len(rows) * 4 // 5]
    x, y = rows[FEATURES].to_numpy(float), rows.arr_delay.to_numpy(float)
    for folds, window in [(5, "expanding"), (3, "sliding")]:
        first = len(y) - folds * (len(y) // (folds + 1))
        splitter = TimeSeriesSplit(folds, max_train_size=first if window == "sliding" else None)
        splits = list(splitter.split(x))
        found[f"{carrier} {folds} {window}"] = [error(x, y, *candidate, splits) for candidate in CANDIDATES]
print(json.dumps(found, indent=1))
