"""Campaigns over the real queue, against the same work by those whom one would use otherwise, all in one run.

    train.py FOLDER_OF_PROGRAMS [--only PREFIX]… [--rounds N]

Run by `make bench-train`, with `BENCH='--only ridge'` and the like for a part. Workloads and what must agree stand in
workloads.py, the systems in crew.py, ours in ours.py, each peer in peers/. Ours is the time of the whole command
`enqueue train`, from its start to its end; a peer's is that of the work alone. A run of everything writes its part of
RESULTS.md, and train.svg. Exits with 1 when something is wrong, not when something is slow.

Standard library only; peers live in .cache/bench-venv.
"""

import argparse
import os
import platform
import signal
import sys
import time

sys.dont_write_bytecode = True

from chart import chart  # noqa: E402
from crew import Crew  # noqa: E402
from packages import make_venv, versions  # noqa: E402
from processes import HERE, ROOT, Bench, TooLong, as_command, said, say  # noqa: E402
from results import write_part  # noqa: E402
from tables import planned, table, verdict  # noqa: E402
from workloads import ALL  # noqa: E402

LIMIT_S = 45 * 60


def main():
    args = arguments()
    signal.signal(signal.SIGALRM, too_long)
    absent = make_venv()
    began, load = time.monotonic(), os.getloadavg()[0]
    with Bench((ROOT / args.programs).resolve()) as bench:
        signal.alarm(LIMIT_S)
        machine = about(bench)
        say(machine)
        crew = Crew(bench, absent)
        for workload in args.workloads:
            workload.measure(crew, args.rounds)
            say(section(workload))
        crew.end_peers()
        signal.alarm(0)
    end = f"{time.monotonic() - began:.0f} s in all; load average {load:.1f} before and {os.getloadavg()[0]:.1f} after"
    say(end)
    if args.workloads == ALL:
        write(machine, end)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs")
    parser.add_argument("--only", action="append", help=", ".join(workload.name for workload in ALL))
    parser.add_argument("--rounds", type=int, help="instead of each workload's own number")
    args = parser.parse_args()
    args.workloads = [each for each in ALL if not args.only or each.name.startswith(tuple(args.only))]
    if not args.workloads:
        parser.error(f"--only: no workload begins so; there are {', '.join(workload.name for workload in ALL)}")
    return args


def too_long(*_):
    raise TooLong(f"not done within {LIMIT_S} s; is the machine busy with something else?")


def about(bench):
    ours = [said([bench.programs / "enqueue", "--version"]), said([bench.nats_server, "--version"])]
    redis = said([bench.redis_server, "--version"]).split(" sha")[0]
    return " · ".join([*ours, redis, f"Python {platform.python_version()}", *versions(), f"{cores()} cores"])


def cores():
    return len(os.sched_getaffinity(0))


def section(workload):
    rounds = max((len(row.runs) for row in workload.rows), default=0)
    ours = next((row.system.command for row in workload.rows if row.system.ours), "")
    return (
        f"\n## {workload.title}\n\n{workload.does} {rounds} rounds.\n\n"
        f"```sh\n{ours}\n```\n\n{table(workload)}\n\n{verdict(workload)}.{planned(workload)}"
    )


def write(machine, end):
    head = (HERE / "about_train.md").read_text()
    text = "\n".join([head, machine, "", end + ".", "", "![medians](train.svg)", *map(section, ALL), ""])
    write_part("train", text)
    (HERE / "train.svg").write_text(chart(ALL))
    say("\nwritten: tests/bench/RESULTS.md and train.svg")


if __name__ == "__main__":
    as_command(main)
