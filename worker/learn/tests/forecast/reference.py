"""Writes reference.json, the forecasts that tests/forecast/reference.rs holds this crate to:
`python reference.py > reference.json`.

Needs pyarrow and statsforecast (made with 2.1.1, whose AirPassengers is the first series). The others are daily
flights out of tests/data/flights.parquet. Each series lacks its newest points, which are kept as `future`.
`regression` is numpy's (made with 2.4.6); 2013-01-01, the first day, is a Tuesday.
"""

import json
import pathlib

import numpy as np
import pyarrow.parquet as parquet
import statsforecast
from statsforecast.models import MSTL, AutoETS, AutoTheta, Naive, RandomWalkWithDrift, SeasonalNaive
from statsforecast.utils import AirPassengers

LEVELS = [80, 95]
FLIGHTS = pathlib.Path(__file__).parents[4] / "tests/data/flights.parquet"


def daily(column, value):
    table = parquet.read_table(FLIGHTS, columns=[column, "time_hour"])
    days = table["time_hour"].to_numpy().astype("datetime64[D]")[table[column].to_numpy(zero_copy_only=False) == value]
    first = np.datetime64("2013-01-01")
    return np.bincount((days - first).astype(int), minlength=365).astype(float)


def series():
    yield "air passengers", 12, np.asarray(AirPassengers, dtype=float), 24
    for origin in ["EWR", "JFK", "LGA"]:
        yield f"flights from {origin}", 7, daily("origin", origin), 28
    for carrier in ["UA", "EV", "HA", "OO"]:
        yield f"flights of {carrier}", 7, daily("carrier", carrier), 28


def models(season):
    yield "naive", Naive()
    yield "seasonal_naive", SeasonalNaive(season_length=season)
    yield "drift", RandomWalkWithDrift()
    yield "theta", AutoTheta(season_length=season, model="STM")
    yield "ets", AutoETS(season_length=season)
    yield "mstl", MSTL(season_length=season)


def forecast(name, model, y, horizon):
    model.fit(y)
    found = model.predict(horizon, level=LEVELS)
    plain = {"mean": found["mean"].tolist()}
    for level in LEVELS:
        plain[f"lower_{level}"] = found[f"lo-{level}"].tolist()
        plain[f"upper_{level}"] = found[f"hi-{level}"].tolist()
    if name == "ets":
        plain |= {"method": model.model_["method"], "aicc": float(model.model_["aicc"])}
    return plain


def regression(y, horizon):
    """Least squares on lags 1 and 7, the mean of 28 days and the weekday; foretold points stand for true ones."""

    def row(past, at):
        return [1.0, past[-1], past[-7], np.mean(past[-28:]), (at + 1) % 7]

    rows = np.array([row(y[:at], at) for at in range(28, len(y))])
    weights = np.linalg.lstsq(rows, y[28:], rcond=None)[0]
    past = list(y)
    for at in range(len(y), len(y) + horizon):
        past.append(float(np.dot(row(past, at), weights)))
    return {"mean": past[len(y):]}


def forms(y, season):
    """The corrected AIC of each form of exponential smoothing that they can fit."""
    positive = y.min() > 0
    for error in "AM" if positive else "A":
        for seasons in "NAM" if error == "M" else "NA":
            for trend, damped in [("N", False), ("A", False), ("A", True)]:
                model = AutoETS(season_length=season, model=error + trend + seasons, damped=damped).fit(y)
                aicc = float(model.model_["aicc"])
                yield f"ETS({error},{trend}{'d' if damped else ''},{seasons})", aicc


def main():
    cases = []
    for name, season, y, horizon in series():
        past, future = y[:-horizon], y[-horizon:]
        forecasts = {method: forecast(method, model, past, horizon) for method, model in models(season)}
        if name.startswith("flights"):
            forecasts["regression"] = regression(past, horizon)
        cases.append({
            "name": name,
            "season": season,
            "past": past.tolist(),
            "future": future.tolist(),
            "forecasts": forecasts,
            "forms": dict(forms(past, season)),
        })
    print(json.dumps({"statsforecast": statsforecast.__version__, "series": cases}))


main()
