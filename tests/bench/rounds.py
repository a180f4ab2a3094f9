"""Rounds that alternate, so that what else the machine does meets every system."""

import contextlib
import os
import signal
import statistics
import time
from dataclasses import dataclass, field

from memory import descendants, peak
from processes import Failed


SETTLE_S = 0.5


@dataclass
class Run:
    """One measurement."""

    seconds: float
    scores: dict  # of each scope: rmse and more
    own_seconds: float | None = None  # by the system's own clock, without its command's start and end
    packs: tuple = (0, 0)  # of ours: how many there were, and how many took from half to twice of what was planned
    ended: float = field(default_factory=time.perf_counter)


@dataclass
class System:
    """Something that can do a workload."""

    name: str
    run: object  # () -> Run
    roots: object = lambda: []  # () -> numbers of the processes whose memory counts
    ours: bool = False
    command: str = ""
    tasks: int | None = None  # where rates are of interest: how many one run does


@dataclass
class Row:
    """What was measured of a system."""

    system: System
    runs: list = field(default_factory=list)
    memory_bytes: int | None = None
    absent: str | None = None  # why there are no measurements

    @property
    def seconds(self):
        return sorted(run.seconds for run in self.runs)

    @property
    def median(self):
        return statistics.median(self.seconds)

    @property
    def per_second(self):
        """Rates, from the least to the most."""
        return sorted(self.system.tasks / seconds for seconds in self.seconds)

    @property
    def own_median(self):
        own = [run.own_seconds for run in self.runs]
        return None if not own or None in own else statistics.median(own)

    @property
    def packs(self):
        """How many there were in all rounds, and how many were planned right within a factor of 2."""
        return tuple(sum(run.packs[place] for run in self.runs) for place in (0, 1))

    @property
    def rmse(self):
        """The mean over all scopes."""
        scores = self.runs[0].scores.values()
        return statistics.mean(score["rmse"] for score in scores) if scores else None


def measure(systems, rounds, before=0):
    """The rows of a table. Each system does the work once for memory, which also warms it up, and `rounds` times for the clock,
    each time after `before` times that do not count.

    A peer that fails is absent, with its reason; what is ours must not.
    """
    rows = [Row(system) for system in systems]
    for row in rows:
        attempt(row, lambda row=row: weigh(row))
    for turn in range(rounds):
        first = turn % len(rows)
        for row in rows[first:] + rows[:first]:
            with alone(row.system, [row.system for row in rows]):
                for _ in range(before):
                    attempt(row, row.system.run)
                attempt(row, lambda row=row: row.runs.append(row.system.run()))
    return rows


@contextlib.contextmanager
def alone(system, systems):
    """Stops the processes of all other systems meanwhile: what they do when idle is no part of the work. A system that was
    stopped itself has a moment to catch up first."""
    own = descendants(system.roots())
    others = descendants([root for other in systems for root in other.roots()]) - own
    tell(others, signal.SIGSTOP)
    time.sleep(SETTLE_S)
    try:
        yield
    finally:
        tell(others, signal.SIGCONT)


def tell(processes, word):
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, word)


def attempt(row, step):
    if row.absent:
        return
    try:
        step()
    except Failed as failure:
        if row.system.ours:
            raise
        row.absent = str(failure).strip().splitlines()[-1]


def weigh(row):
    with peak(row.system.roots) as found:
        row.system.run()
    row.memory_bytes = found[0] or None
