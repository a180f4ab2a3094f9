"""The work of one campaign as a scikit-learn loop: from parquet to one landed ridge model per carrier, origin and dest.

    sklearn_loop.py DATA FOLDER [--jobs N]

Does the work once for each line of its input. Answers each with a line of JSON: the seconds it took, the scores of
every model, and versions.
"""

import argparse
import json
import pickle
import sys
import tempfile
import time
from pathlib import Path

import joblib
import numpy
import pandas
import pyarrow
import sklearn
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

DIMENSIONS = ["carrier", "origin", "dest"]
TARGET = "arr_delay"
FEATURES = ["dep_delay", "distance", "hour", "month", "day", "weekday"]
MIN_ROWS = 30


def slices(data):
    """The complete rows of each scope that has enough of them, in time order."""
    columns = [*DIMENSIONS, "time_hour", TARGET, *FEATURES[:-1]]
    flights = pandas.read_parquet(data, columns=columns)
    flights["weekday"] = flights["time_hour"].dt.day_of_week  # Monday is 0
    flights = flights.dropna(subset=[TARGET, *FEATURES]).sort_values("time_hour", kind="stable")
    for values, rows in flights.groupby(DIMENSIONS):
        if len(rows) >= MIN_ROWS:
            scope = ",".join(f"{name}={value}" for name, value in zip(DIMENSIONS, values))
            yield scope, rows[FEATURES].to_numpy(float), rows[TARGET].to_numpy(float)


def fit(scope, features, target, folder):
    """Trains on the oldest four fifths, scores on the rest, and writes the model."""
    split = len(target) * 4 // 5
    model = make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(features[:split], target[:split])
    truth, predicted = target[split:], model.predict(features[split:])
    scores = {
        "rmse": root_mean_squared_error(truth, predicted),
        "mae": mean_absolute_error(truth, predicted),
        "r2": r2_score(truth, predicted),
    }
    (folder / f"{scope}.pickle").write_bytes(pickle.dumps(model))
    return scope, scores


def campaign(data, folder, jobs):
    # New files, as a campaign's are: to overwrite some takes longer.
    folder = Path(tempfile.mkdtemp(dir=folder))
    if jobs == 1:
        return dict(fit(*each, folder) for each in slices(data))
    return dict(joblib.Parallel(n_jobs=jobs)(joblib.delayed(fit)(*each, folder) for each in slices(data)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--jobs", type=int, default=1)
    args = parser.parse_args()
    versions = {module.__name__: module.__version__ for module in (sklearn, numpy, pandas, pyarrow)}
    for _ in sys.stdin:
        began = time.perf_counter()
        scores = campaign(args.data, args.folder, args.jobs)
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "scores": scores, "versions": versions}), flush=True)


if __name__ == "__main__":
    main()
