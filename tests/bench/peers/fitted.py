"""A ridge pipeline for each scope, as files, and what a request's rows are to it.

As a script: `fitted.py DATA FOLDER` trains them, on the same rows as Scopeforge does.
"""

import os
import pickle
import sys
from datetime import datetime
from pathlib import Path

import numpy

FOLDER = "SERVED_MODELS"  # the variable that names it for those who serve
DIMENSIONS = ["carrier", "origin", "dest"]
NUMBERS = ["dep_delay", "distance", "hour", "month", "day"]


def train(data, folder):
    import work  # servers need neither pandas nor parquet

    order = {"data": data, "folder": folder, "algorithm": "ridge", "scopes": [], "threads": 1}
    for scope, arrays in work.read(order).items():
        work.fit(order, scope, *arrays)


def load():
    """The pipelines by carrier, origin and destination."""
    files = Path(os.environ[FOLDER]).glob("*.pickle")
    return {scope(file.stem): pickle.loads(file.read_bytes()) for file in files}


def scope(text):
    return tuple(part.partition("=")[2] for part in text.split(","))


def scope_of(row):
    return tuple(row[name] for name in DIMENSIONS)


def features(rows):
    """A matrix, its columns in the order that the pipelines have learned."""
    return numpy.array([[*(row[name] for name in NUMBERS), weekday(row["time_hour"])] for row in rows], float)


def weekday(time):
    return datetime.fromisoformat(time).weekday()


if __name__ == "__main__":
    train(*sys.argv[1:])
