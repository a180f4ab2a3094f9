"""What is aimed at in serving one row, and whether it is reached."""

from dataclasses import dataclass

WORKLOAD = "one-row"
WORDS = {"requests_per_s": "requests/s", "p50_ms": "p50", "p99_ms": "p99"}


@dataclass
class Aim:
    """At least (of rates) or at most (of latencies) `factor` times what the best of some others have."""

    connections: int
    ours: str
    what: str
    factor: float
    others: tuple
    called: str

    def verdict(self, cells):
        """A line; none where something was not measured."""
        rows = {row.kind.name: row for cell in cells if self.is_of(cell) for row in cell.measured}
        others = [rows[name].median(self.what) for name in self.others if name in rows]
        if self.ours not in rows or len(others) < len(self.others):
            return None
        ours, best = rows[self.ours].median(self.what), self.best(others)
        factor = ours / best
        reached = factor >= self.factor if self.is_rate else factor <= self.factor
        system = rows[self.ours].kind.title
        plural = "s" if self.connections > 1 else ""
        return (
            f"* {system}, {self.connections} connection{plural}: {WORDS[self.what]} {shown(factor)} of {self.called}"
            f" ({number(ours)} of {number(best)}); the aim, at {'least' if self.is_rate else 'most'} {shown(self.factor)},"
            f" is **{'reached' if reached else 'missed'}**"
        )

    def is_of(self, cell):
        return cell.workload.name == WORKLOAD and cell.connections == self.connections

    @property
    def is_rate(self):
        return self.what == "requests_per_s"

    def best(self, values):
        return max(values) if self.is_rate else min(values)


def shown(factor):
    return f"{factor:.2f}×" if factor < 10 else f"{factor:.1f}×"


def number(value):
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


BARE = ("bare", "bare-1", "bare-2")
FASTEST = "bare axum in its fastest configuration"
AIMS = [
    Aim(64, "ours", "requests_per_s", 0.85, ("bare",), "bare axum on the default runtime"),
    Aim(64, "ours", "requests_per_s", 0.65, BARE, FASTEST),
    Aim(64, "ours", "requests_per_s", 30, ("gunicorn",), "Nginx and Gunicorn"),
    Aim(64, "ours", "p99_ms", 1.0, ("bare",), "bare axum on the default runtime"),
    Aim(64, "here", "requests_per_s", 0.90, BARE, FASTEST),
    Aim(1, "ours", "p50_ms", 1.2, ("hop",), "bare axum with one request-reply"),
    Aim(1, "here", "requests_per_s", 2, ("fastapi",), "FastAPI"),
]


def verdicts(cells):
    """A line for each aim that was measured."""
    return [line for aim in AIMS if (line := aim.verdict(cells))]
