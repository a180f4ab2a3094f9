"""PySpark in local mode on two threads, with the rows cached: `applyInPandas` by scope; one forest is MLlib's.

Spark is told to listen on 127.0.0.1 only, and run where there is only `lo`.
"""

import functools
import os
import sys

import pandas
import work
from pyspark.ml.evaluation import RegressionEvaluator
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import RandomForestRegressor
from pyspark.sql import SparkSession
from pyspark.sql import functions as sql
from pyspark.sql.window import Window
from serve import serve

SCORES = "scope string, rmse double, mae double, r2 double"


@functools.lru_cache
def session():
    os.environ["PYSPARK_PYTHON"] = sys.executable
    options = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "2g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "8",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
    }
    builder = SparkSession.builder.master("local[2]").appName("bench")
    for name, value in options.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


@functools.lru_cache
def flights(data):
    """The complete rows, cached."""
    rows = session().read.parquet(data)
    # Monday is 2 in Spark's, 0 in ours.
    rows = rows.withColumn("weekday", (sql.dayofweek("time_hour") + 5) % 7)
    rows = rows.select(*work.DIMENSIONS, "time_hour", work.TARGET, *work.FEATURES)
    return rows.dropna(subset=[work.TARGET, *work.FEATURES]).cache()


def fit_group(order):
    def fit(values, rows):
        if len(rows) < work.MIN_ROWS:
            return pandas.DataFrame(columns=["scope", "rmse", "mae", "r2"])
        scope = work.scope(values)
        rows = rows.sort_values("time_hour", kind="stable")
        return pandas.DataFrame([{"scope": scope, **work.fit(order, scope, *work.arrays(rows))}])

    return fit


def groups(order):
    rows = flights(order["data"])
    made = rows.groupBy(*work.DIMENSIONS).applyInPandas(fit_group(order), SCORES).collect()
    return {row["scope"]: {"rmse": row["rmse"], "mae": row["mae"], "r2": row["r2"]} for row in made}


@functools.lru_cache
def halves(data):
    """Rows as MLlib wants them, those that train and those that score, cached."""
    rows = flights(data)  # begins the session that everything else needs
    rows = VectorAssembler(inputCols=work.FEATURES, outputCol="features").transform(rows)
    order = sql.row_number().over(Window.orderBy("time_hour"))
    rows = rows.select("features", work.TARGET, order.alias("place"))
    split = rows.count() * 4 // 5
    # One part for each thread: the numbering has left all rows in one.
    parts = [rows.where(sql.col("place") <= split), rows.where(sql.col("place") > split)]
    return [part.repartition(2).cache() for part in parts]


def forest(order):
    train, score = halves(order["data"])
    learner = RandomForestRegressor(labelCol=work.TARGET, numTrees=50, maxDepth=10, featureSubsetStrategy="all", seed=0)
    made = learner.fit(train)
    made.save(os.path.join(order["folder"], "forest"))
    predicted = made.transform(score)
    return {"": {"rmse": RegressionEvaluator(labelCol=work.TARGET, metricName="rmse").evaluate(predicted)}}


def campaign(order):
    return forest(order) if order["scopes"] == [""] else groups(order)


if __name__ == "__main__":
    serve(campaign)
    session().stop()
