"""Predictions over HTTP, against a bare server and against what one would use otherwise, all in one run.

    serve.py FOLDER_OF_PROGRAMS [--only PREFIX]… [--systems NAME,…] [--connections N,…] [--seconds N] [--rounds N] [--out FOLDER]

Run by `make bench-serve`, with `BENCH='--only one-row --systems ours,bare --connections 64'` and the like for a part. Workloads
stand in serving.py, the systems in servers.py, what is aimed at in aims.py. wrk sends the requests, over loopback, from the
machine that answers them. A run without options writes its part of RESULTS.md, and serve.svg; one with options, only where
`--out` says. Exits with 1 when something is wrong, not when something is slow.

Standard library only; peers live in .cache/bench-venv, wrk and Nginx come from Debian's packages.
"""

import argparse
import os
import platform
import signal
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

import debian  # noqa: E402
from aims import verdicts  # noqa: E402
from load import command  # noqa: E402
from packages import PYTHON, SERVING, SHOWN_SERVING, make_venv, versions  # noqa: E402
from processes import HERE, ROOT, Bench, TooLong, as_command, said, say  # noqa: E402
from results import write_part  # noqa: E402
from servers import OWN_SYSTEMS, Crew  # noqa: E402
from serving import WORKLOADS, Cell  # noqa: E402
from serving_chart import chart  # noqa: E402
from serving_peers import PEER_SYSTEMS  # noqa: E402
from serving_tables import table  # noqa: E402

SYSTEMS = [*OWN_SYSTEMS, *PEER_SYSTEMS]

LIMIT_S = 20 * 60
SECONDS = 3
ROUNDS = 3


def main():
    args = arguments()
    signal.signal(signal.SIGALRM, too_long)
    debian.find("wrk")
    absent = make_venv(SERVING) if any(each.peer for each in args.systems) else {}
    began, load = time.monotonic(), os.getloadavg()[0]
    with Bench((ROOT / args.programs).resolve()) as bench:
        signal.alarm(LIMIT_S)
        machine = about(bench)
        say(machine)
        crew = Crew(bench, absent)
        for workload in args.workloads:
            workload.prepare(crew)
        for cell in args.cells:
            cell.measure(crew, args.systems, args.seconds, args.rounds)
            say(section(cell))
        signal.alarm(0)
    sent = sum(found.requests for cell in args.cells for row in cell.measured for found in row.loads)
    ended = f"load average {load:.1f} before and {os.getloadavg()[0]:.1f} after"
    end = f"{sent:,} requests in the rounds, of which none failed; {time.monotonic() - began:.0f} s in all; {ended}"
    say("\n".join(["", *verdicts(args.cells), "", end]))
    if args.out:
        write(args, machine, end)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs")
    parser.add_argument("--only", action="append", help=", ".join(each.name for each in WORKLOADS))
    parser.add_argument("--systems", help=",".join(each.name for each in SYSTEMS))
    parser.add_argument("--connections", help="instead of each workload's own numbers, with commas between")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each round")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--out", type=Path, help="a folder for the results")
    args = parser.parse_args()
    if len(sys.argv) == 2:
        args.out = HERE
    names = args.systems.split(",") if args.systems else [each.name for each in SYSTEMS]
    args.systems = [each for each in SYSTEMS if each.name in names]
    args.workloads = [each for each in WORKLOADS if not args.only or each.name.startswith(tuple(args.only))]
    if not args.workloads or len(args.systems) < len(names):
        parser.error("no such workload or system; see --help")
    asked = [int(number) for number in args.connections.split(",")] if args.connections else None
    args.cells = [Cell(each, number) for each in args.workloads for number in asked or each.connections]
    return args


def too_long(*_):
    raise TooLong(f"not done within {LIMIT_S} s; is the machine busy with something else?")


def about(bench):
    ours = [said([bench.programs / "gateway", "--version"]), said([bench.nats_server, "--version"])]
    wrk = " ".join(debian.version("wrk", "-v").split()[:2])
    nginx = [debian.version(found, "-v")] if (found := debian.located("nginx")) else []
    python = f"Python {platform.python_version()}"
    installed = versions(SHOWN_SERVING) if PYTHON.exists() else []
    return " · ".join([*ours, wrk, *nginx, python, *installed, f"{len(os.sched_getaffinity(0))} cores"])


def section(cell):
    return f"\n### {cell.title}\n\n{table(cell)}"


def chapter(workload, args):
    """A workload's tables, with the command that made them."""
    cells = [cell for cell in args.cells if cell.workload is workload]
    wrk = command("http://127.0.0.1:PORT/v1/models/MODEL/predict", workload.file.name, cells[0].connections, args.seconds, 1)
    head = (
        f"\n## {workload.title}\n\n{workload.count:,} different requests of {len(workload.bodies[0]):,} bytes; an answer of ours has"
        f" {workload.answer_bytes:,}. Rounds: {args.rounds}, of {args.seconds} s each.\n\n```sh\n{' '.join(wrk)}\n```"
    )
    return "\n".join([head, *map(section, cells)])


def write(args, machine, end):
    head = (HERE / "about_serve.md").read_text()
    aims = ["## Aims", "", *verdicts(args.cells)]
    picture = "![requests a second](serve.svg)"
    chapters = [chapter(workload, args) for workload in args.workloads]
    write_part("serve", "\n".join([head, machine, "", end + ".", "", picture, "", *aims, *chapters, ""]), args.out)
    (args.out / "serve.svg").write_text(chart(args.cells))
    say(f"\nwritten: RESULTS.md and serve.svg in {args.out}")


if __name__ == "__main__":
    as_command(main)
