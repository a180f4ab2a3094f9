"""The work that every peer is given: slices of the flights, a scikit-learn model for each, its scores, its file."""

import os
import pickle
from contextlib import nullcontext
from pathlib import Path

import pandas
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

DIMENSIONS = ["carrier", "origin", "dest"]
TARGET = "arr_delay"
FEATURES = ["dep_delay", "distance", "hour", "month", "day", "weekday"]
MIN_ROWS = 30


def model(algorithm, threads=1):
    """An untrained model, with the parameters that `enqueue train` is given."""
    if algorithm == "ridge":
        return make_pipeline(StandardScaler(), Ridge(alpha=1.0))
    if algorithm == "forest":
        return RandomForestRegressor(n_estimators=50, max_depth=10, random_state=0, n_jobs=threads)
    # Without a word it would hold rows out and stop early on large slices.
    return HistGradientBoostingRegressor(early_stopping=False, random_state=0)


def flights(data):
    """The complete rows in time order."""
    columns = [*DIMENSIONS, "time_hour", TARGET, *FEATURES[:-1]]
    rows = pandas.read_parquet(data, columns=columns)
    rows["weekday"] = rows["time_hour"].dt.day_of_week  # Monday is 0
    return rows.dropna(subset=[TARGET, *FEATURES]).sort_values("time_hour", kind="stable")


def read(order):
    """Features and target of each scope of an order, the largest first."""
    rows = flights(order["data"])
    if order["scopes"] == [""]:
        return {"": arrays(rows)}
    wanted = set(order["scopes"])
    groups = [(scope(values), arrays(rows)) for values, rows in rows.groupby(DIMENSIONS) if len(rows) >= MIN_ROWS]
    groups.sort(key=lambda group: -len(group[1][1]))
    return {name: arrays for name, arrays in groups if not wanted or name in wanted}


KEPT = {}


def kept(order):
    """As `read`; a process does it once for each content of the file, and keeps the newest."""
    state = os.stat(order["data"])
    key = (order["data"], tuple(order["scopes"]), state.st_mtime_ns, state.st_size)
    if key not in KEPT:
        KEPT.clear()
        KEPT[key] = read(order)
    return KEPT[key]


def scope(values):
    return ",".join(f"{name}={value}" for name, value in zip(DIMENSIONS, values))


def arrays(rows):
    return rows[FEATURES].to_numpy(float), rows[TARGET].to_numpy(float)


def fit(order, scope, features, target):
    """Trains on the oldest four fifths, scores on the rest, writes the model, and returns the scores."""
    split = len(target) * 4 // 5
    with limits(order):
        made = model(order["algorithm"], order["threads"]).fit(features[:split], target[:split])
    truth, predicted = target[split:], made.predict(features[split:])
    Path(order["folder"], f"{scope or 'all'}.pickle").write_bytes(pickle.dumps(made))
    return {
        "rmse": root_mean_squared_error(truth, predicted),
        "mae": mean_absolute_error(truth, predicted),
        "r2": r2_score(truth, predicted),
    }


def limits(order):
    """Boosting takes as many threads as OpenMP gives; to say how many takes a millisecond."""
    return threadpool_limits(order["threads"], "openmp") if order["algorithm"] == "boosting" else nullcontext()


def fit_kept(order, scopes):
    """`fit` of some scopes by name, in a process that keeps the rows."""
    rows = kept(order)
    return [(scope, fit(order, scope, *rows[scope])) for scope in scopes]


def chunks(order):
    """The scopes of each task: one, or as many as make `order["tasks"]` tasks of about the same size."""
    scopes = list(kept(order))
    tasks = order["tasks"] or len(scopes)
    return [scopes[first::tasks] for first in range(min(tasks, len(scopes)))]
