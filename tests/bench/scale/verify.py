"""What some scopes of generate.py's file must have learned, by another way than the product's.

    verify.py FILE SCOPES PROBE     SCOPES: `store/product`, with commas between; PROBE: features of a row, as JSON

Prints JSON: of each scope the coefficients in the features' own units, the RMSE over the newest fifth of its rows, and
what is predicted for the probe. The ridge is solved as least squares with one more row for each penalty, by singular values.
"""

import json
import sys

import numpy
import pyarrow.compute
import pyarrow.parquet

FEATURES = ["price", "promo", "stock"]
ALPHA = 1.0


def main():
    file, probe = sys.argv[1], json.loads(sys.argv[3])
    wanted = [scope.split("/") for scope in sys.argv[2].split(",")]
    rows = read(file, {store for store, _ in wanted}, {product for _, product in wanted})
    print(json.dumps({f"{store}/{product}": solve(rows[store, product], probe) for store, product in wanted}))


def read(file, stores, products):
    """Rows of features and target by scope, in the file's order."""
    source = pyarrow.parquet.ParquetFile(file)
    found = {}
    for group in range(source.num_row_groups):
        table = source.read_row_group(group, columns=["store", "product", *FEATURES, "units"])
        for name, values in (("store", stores), ("product", products)):
            table = table.filter(pyarrow.compute.is_in(table[name], pyarrow.array(sorted(values))))
        for row in table.to_pylist():
            found.setdefault((row["store"], row["product"]), []).append([*(float(row[each]) for each in FEATURES), row["units"]])
    return {scope: numpy.array(rows) for scope, rows in found.items()}


def solve(rows, probe):
    x, y = rows[:, :-1], rows[:, -1]
    split = len(y) * 4 // 5
    mean, deviation = x[:split].mean(axis=0), x[:split].std(axis=0)
    standard = (x[:split] - mean) / numpy.where(deviation > 0, deviation, 1)
    penalty = numpy.sqrt(ALPHA) * numpy.eye(x.shape[1])
    target = numpy.concatenate([y[:split] - y[:split].mean(), numpy.zeros(x.shape[1])])
    weights = numpy.linalg.lstsq(numpy.vstack([standard, penalty]), target, rcond=None)[0]
    weights = numpy.where(deviation > 0, weights / numpy.where(deviation > 0, deviation, 1), 0)
    intercept = y[:split].mean() - mean @ weights
    missed = y[split:] - (x[split:] @ weights + intercept)
    return {
        "intercept": intercept,
        "coefficients": dict(zip(FEATURES, weights)),
        "rmse": numpy.sqrt((missed**2).mean()),
        "prediction": intercept + sum(weight * float(probe[name]) for name, weight in zip(FEATURES, weights)),
    }


if __name__ == "__main__":
    main()
