"""What is measured: which systems do which work how often, what must agree, and what is aimed at."""

import csv
from dataclasses import dataclass, field

from processes import ROOT, Failed
from rounds import measure

REFERENCE = "tests/data/flights_ridge.csv"
CHUNKS = 8
LARGEST = 59
SHAPES = [(1, 2), (2, 1)]  # trainers, threads of each
NO_OP_TASKS = 2_000


@dataclass
class Workload:
    """A table of the report."""

    name: str
    title: str
    does: str
    rounds: int
    systems: object  # Crew -> [System]
    check: object  # [Row] -> None, or Failed
    aim: float | None = None  # times faster than the best peer
    before: int = 0  # runs of a system just before each that counts
    rows: list = field(default_factory=list)

    def measure(self, crew, rounds):
        crew.end_ours()
        self.rows = measure(self.systems(crew), rounds or self.rounds, self.before)
        self.check([row for row in self.rows if row.runs])


def order(algorithm, scopes=(), **how):
    return {"algorithm": algorithm, "scopes": list(scopes), "threads": 1, "tasks": None, "kept": True, **how}


def ridge_warm(crew):
    each, chunked = order("ridge"), order("ridge", tasks=CHUNKS)
    return [
        crew.warm("scikit-learn", "scikit-learn loop, reads the file", order("ridge", kept=False)),
        crew.warm("scikit-learn", "scikit-learn loop", each),
        crew.warm("joblib", "joblib × 2, one scope a task", each),
        crew.warm("joblib", f"joblib × 2, {CHUNKS} tasks", chunked),
        crew.warm("Celery", "Celery × 2, one scope a task", each),
        crew.warm("Celery", f"Celery × 2, {CHUNKS} tasks", chunked),
        crew.warm("Ray", "Ray × 2, one scope a task", each),
        crew.warm("Ray", f"Ray × 2, {CHUNKS} tasks", chunked),
        crew.warm("PySpark", "PySpark local[2], applyInPandas", each),
        crew.ours_warm("Scopeforge", each),
    ]


def ridge_cold(crew):
    crew.end_peers()
    each, chunked = order("ridge"), order("ridge", tasks=CHUNKS)
    ours = [
        crew.ours_cold(
            f"Scopeforge, {trainers} × {threads} threads{', with their start' if included else ''}",
            each, (trainers, threads), included,
        )
        for trainers, threads in SHAPES
        for included in (True, False)
    ]
    return [
        crew.cold("scikit-learn", "scikit-learn loop", each),
        crew.cold("joblib", f"joblib × 2, {CHUNKS} tasks", chunked),
        crew.cold("Celery", f"Celery × 2, {CHUNKS} tasks", chunked),
        crew.cold("Ray", f"Ray × 2, {CHUNKS} tasks", chunked),
        crew.cold("PySpark", "PySpark local[2], applyInPandas", each),
        *ours,
    ]


def forests(crew):
    each = order("forest")
    return [
        crew.warm("scikit-learn", "scikit-learn loop", each),
        crew.warm("joblib", "joblib × 2", each),
        crew.warm("Celery", "Celery × 2", each),
        crew.warm("Ray", "Ray × 2", each),
        crew.warm("PySpark", "PySpark local[2], applyInPandas", each),
        crew.ours_warm("Scopeforge", each),
    ]


def one_forest(crew):
    whole = order("forest", [""])
    return [
        crew.warm("scikit-learn", "scikit-learn, one thread", whole),
        crew.warm("scikit-learn", "scikit-learn, two threads", order("forest", [""], threads=2)),
        crew.warm("PySpark", "PySpark local[2], MLlib", whole),
        crew.ours_warm("Scopeforge, one thread", whole),
        crew.ours_warm("Scopeforge, two threads", whole, trainers=1),
    ]


def one_boosting(crew):
    whole = order("boosting", [""])
    return [
        crew.warm("scikit-learn", "scikit-learn, one thread", whole),
        crew.warm("scikit-learn", "scikit-learn, two threads", order("boosting", [""], threads=2)),
        crew.ours_warm("Scopeforge, one thread", whole),
        crew.ours_warm("Scopeforge, two threads", whole, trainers=1),
    ]


def boostings(crew):
    largest = order("boosting", [row["scope"] for row in reference()[:LARGEST]])
    return [
        crew.warm("scikit-learn", "scikit-learn loop", largest),
        crew.warm("joblib", "joblib × 2", largest),
        crew.ours_warm("Scopeforge", largest),
    ]


def nothing(crew):
    return [
        crew.nothing("Celery", "Celery × 2, empty tasks", NO_OP_TASKS),
        crew.nothing("Ray", "Ray × 2, empty tasks", NO_OP_TASKS),
        crew.queue("Scopeforge, one scope a message", 5_000, 1, trainers=1),
        crew.queue("Scopeforge, 1,000 scopes a message", 300_000, 1_000, trainers=1),
        crew.queue("its queue and ledger alone, one scope a message", 20_000, 1, trainers=0),
        crew.queue("its queue and ledger alone, 1,000 scopes a message", 1_000_000, 1_000, trainers=0),
    ]


def reference():
    """What scikit-learn once found in the scopes that are trained, the largest first."""
    with (ROOT / REFERENCE).open() as file:
        rows = [row for row in csv.DictReader(file) if row["scope"].count("=") == 3 and row["outcome"] == "trained"]
    return sorted(rows, key=lambda row: -int(row["complete_rows"]))


def ridges_agree(rows):
    """Every RMSE of everybody is that of the reference, to 1e-6 minutes."""
    wanted = {row["scope"]: float(row["rmse"]) for row in reference()}
    for row in rows:
        scores = row.runs[0].scores
        if scores.keys() != wanted.keys():
            raise Failed(f"{row.system.name} trained {len(scores)} scopes, not the {len(wanted)} of {REFERENCE}")
        for scope, rmse in wanted.items():
            if not abs(scores[scope]["rmse"] - rmse) <= 1e-6:
                raise Failed(f"{row.system.name}: the RMSE of {scope} is {scores[scope]['rmse']}, not {rmse}")


def within(share):
    """Ours are of the same scopes as the first system's, and the mean of their RMSEs at most `share` above."""

    def check(rows):
        first = rows[0]
        if first.system.ours:
            raise Failed(f"there is nothing to compare {first.system.name} with")
        for row in (row for row in rows if row.system.ours):
            if row.runs[0].scores.keys() != first.runs[0].scores.keys():
                raise Failed(f"{row.system.name} and {first.system.name} trained different scopes")
            if not row.rmse <= first.rmse * (1 + share):
                raise Failed(f"{row.system.name} has a mean RMSE of {row.rmse}, {first.system.name} of {first.rmse}")

    return check


ALL = [
    Workload(
        "ridge-warm",
        "Ridge campaign, warm",
        "One ridge for each of the 354 scopes of carrier, origin and dest with 30 complete rows. Everything runs and has done"
        " the work once, and once more just before each time that counts: this machine is slow after a pause. Rows are kept,"
        " unless it says otherwise.",
        rounds=7, systems=ridge_warm, check=ridges_agree, aim=30, before=1,
    ),
    Workload(
        "ridge-cold",
        "Ridge campaign, cold",
        "The same from nothing: peers start their interpreter or cluster; of Scopeforge one trainer of two threads, or two of one, have"
        " just been started, or start in the time. Brokers run.",
        rounds=3, systems=ridge_cold, check=ridges_agree, aim=30,
    ),
    Workload(
        "forest-campaign",
        "Forest campaign, warm",
        "A forest of 50 trees of depth 10 for each of the same scopes.",
        rounds=3, systems=forests, check=within(0.005), aim=10,
    ),
    Workload(
        "forest-one",
        "One forest",
        "A forest of 50 trees of depth 10 on all 261,876 rows that train.",
        rounds=3, systems=one_forest, check=within(0.005), aim=8,
    ),
    Workload(
        "boosting-one",
        "One boosting",
        "100 trees of 31 leaves on all 261,876 rows; of scikit-learn HistGradientBoostingRegressor.",
        rounds=5, systems=one_boosting, check=within(0.01), aim=2,
    ),
    Workload(
        "boosting-campaign",
        "Boosting campaign, warm",
        f"The same for each of the {LARGEST} largest scopes.",
        rounds=3, systems=boostings, check=within(0.01), aim=2,
    ),
    Workload(
        "queue",
        "Nothing to learn",
        "How many scopes a second go through queue and ledger when there is nothing to learn: each ends as too_few_rows. A campaign"
        " is ordered as `enqueue train` does it, real trainers (one, of two threads) take it from the queue and land it, and it is"
        " followed to its closed record. *Alone*: one process in place of trainers takes, lands and confirms.",
        rounds=3, systems=nothing, check=lambda rows: None,
    ),
]
