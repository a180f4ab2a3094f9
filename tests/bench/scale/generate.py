"""Writes a million scopes of 40 rows each: the weekly sales of 1,000 products in 1,000 stores, week after week.

    generate.py FILE

The same rows at each run. Needs numpy and pyarrow (.cache/bench-venv). Every scope has its own intercept and coefficients;
a scope's rows lie as far apart in the file as they can, as they do in a file that grows week by week.
"""

import sys

import numpy
import pyarrow
import pyarrow.parquet

STORES, PRODUCTS, WEEKS = 1_000, 1_000, 40
SEED = 20131231


def main():
    truth = numpy.random.default_rng(SEED).normal([30, -1.5, 8, 0.02], [10, 0.5, 4, 0.01], (STORES * PRODUCTS, 4))
    store, product = (names(*each) for each in ((STORES, "s", PRODUCTS, 1), (PRODUCTS, "p", 1, STORES)))
    schema = pyarrow.schema(
        [("store", store.type), ("product", product.type), ("week", pyarrow.int8()), ("price", pyarrow.float32()),
         ("promo", pyarrow.bool_()), ("stock", pyarrow.int16()), ("units", pyarrow.float64())]
    )
    with pyarrow.parquet.ParquetWriter(sys.argv[1], schema, compression="zstd") as writer:
        for week in range(WEEKS):
            writer.write_table(pyarrow.table([store, product, *columns(week, truth)], schema=schema))


def names(count, letter, each, times):
    """`count` names, each repeated `each` times, all of that `times` times."""
    codes = numpy.tile(numpy.repeat(numpy.arange(count, dtype=numpy.int16), each), times)
    return pyarrow.DictionaryArray.from_arrays(codes, [f"{letter}{number:03}" for number in range(count)])


def columns(week, truth):
    random = numpy.random.default_rng([SEED, week])
    rows = len(truth)
    price = random.integers(100, 1_100, rows) / 100
    promo = random.random(rows) < 0.2
    stock = random.integers(0, 1_000, rows)
    seen = numpy.column_stack([numpy.ones(rows), price.astype(numpy.float32), promo, stock])
    units = numpy.round((seen * truth).sum(axis=1) + random.normal(0, 3, rows), 2)
    return [
        pyarrow.array(numpy.full(rows, week, numpy.int8)),
        pyarrow.array(price.astype(numpy.float32)),
        pyarrow.array(promo),
        pyarrow.array(stock.astype(numpy.int16)),
        pyarrow.array(units),
    ]


if __name__ == "__main__":
    main()
