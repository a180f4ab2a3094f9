"""What is measured of serving: bodies, connections, who must agree, and rounds that alternate."""

import json
import statistics
from dataclasses import dataclass, field

from cpu import used_s
from load import bodies, load, post
from processes import Failed
from rounds import alone
from servers import OURS, Server, System

SAMPLES = 20
AGREE = 1e-6
WARM_UP_S = 1


@dataclass
class Workload:
    """One kind of request."""

    name: str
    title: str
    rows: int
    scopes: int
    count: int  # different bodies
    connections: list
    bodies: list = field(default_factory=list)
    truth: dict = field(default_factory=dict)  # of some bodies: what ours predicts

    def prepare(self, crew):
        """Writes the bodies, and one of our answers for those who only have stored ones."""
        scopes = crew.stack.scopes()
        self.bodies = bodies(scopes, self.count, self.rows, self.scopes, seed=self.rows + self.scopes)
        self.file = crew.bench.folder / f"{self.name}.txt"
        self.file.write_text("\n".join(self.bodies) + "\n")
        ours = crew.server(OURS)
        ours.wait_ready(crew.bench, self)
        answers = [answer(ours, self, body) for body in self.samples()]
        self.truth = {body: predictions(found) for body, found in zip(self.samples(), answers)}
        typical = sorted(answers, key=len)[len(answers) // 2]
        (crew.answers / f"{self.name}.json").write_bytes(typical)
        self.answer_bytes = len(typical)

    def samples(self):
        return self.bodies[:: len(self.bodies) // SAMPLES]

    def check(self, server):
        """A server's answers are right, or, where they are stored ones, of the right size."""
        for body, wanted in self.truth.items():
            found = answer(server, self, body)
            if server.model is None:
                if len(found) != self.answer_bytes:
                    raise Failed(f"an answer has {len(found)} bytes, not {self.answer_bytes}")
            elif not agree(predictions(found), wanted):
                raise Failed(f"other predictions than ours for {body[:200]}: {predictions(found)[:5]}, not {wanted[:5]}")


def answer(server, workload, body):
    status, found = post(server.url(workload), body)
    if status != 200:
        raise Failed(f"answered {status}: {found.decode()}")
    return found


def predictions(found):
    found = json.loads(found)
    if found.get("errors"):
        raise Failed(f"rows could not be predicted: {found['errors'][:3]}")
    return found["predictions"]


def agree(found, wanted):
    close = (abs(one - other) <= AGREE * max(1.0, abs(other)) for one, other in zip(found, wanted))
    return len(found) == len(wanted) and all(close)


@dataclass
class Row:
    """What was measured of a system, by one workload and number of connections."""

    kind: System
    server: Server | None = None
    loads: list = field(default_factory=list)
    absent: str | None = None

    def values(self, of):
        """Of every round, from the least to the most."""
        return sorted(getattr(load, of) for load in self.loads)

    def median(self, of):
        return statistics.median(self.values(of))


@dataclass
class Cell:
    """A table of the report."""

    workload: Workload
    connections: int
    rows: list = field(default_factory=list)

    @property
    def measured(self):
        return [row for row in self.rows if row.loads and not row.absent]

    @property
    def title(self):
        return f"{self.workload.title}, {self.connections} connection{'s' if self.connections > 1 else ''}"

    def measure(self, crew, systems, seconds, rounds):
        self.rows = [Row(kind) for kind in systems]
        for row in self.rows:
            attempt(row, lambda row=row: self.begin(crew, row))
        for turn in range(-1, rounds):
            first = max(turn, 0) % len(self.rows)
            for row in self.rows[first:] + self.rows[:first]:
                attempt(row, lambda row=row: self.once(crew, row, turn, seconds))

    def begin(self, crew, row):
        row.server = crew.server(row.kind)
        row.server.wait_ready(crew.bench, self.workload)
        self.workload.check(row.server)

    def once(self, crew, row, turn, seconds):
        """One run of wrk; that of turn -1 only warms up."""
        with alone(row.server, crew.running.values()):
            row.server.wait_ready(crew.bench, self.workload)
            url, length = row.server.url(self.workload), WARM_UP_S if turn < 0 else seconds
            before_s = used_s(row.server.roots())
            found = load(crew.bench, url, self.workload.file, self.connections, length, turn + 1)
            found.cpu_us = (used_s(row.server.roots()) - before_s) / found.requests * 1e6
        if found.errors:
            raise Failed(f"{found.errors} requests of {self.workload.name} failed")
        if turn >= 0:
            row.loads.append(found)


def attempt(row, step):
    """A peer that fails is absent, with its reason; what is ours must not."""
    if row.absent:
        return
    try:
        step()
    except Failed as failure:
        if not row.kind.peer:
            raise Failed(f"{row.kind.title}: {failure}") from failure
        row.absent = str(failure).strip().splitlines()[-1]


WORKLOADS = [
    Workload("one-row", "One row of one of 354 scopes", rows=1, scopes=1, count=354 * 8, connections=[1, 16, 64]),
    Workload("rows-of-one-scope", "100 rows of one scope", rows=100, scopes=1, count=354, connections=[16, 1]),
    Workload("rows-of-100-scopes", "100 rows of 100 scopes", rows=100, scopes=100, count=354, connections=[16, 1]),
]
