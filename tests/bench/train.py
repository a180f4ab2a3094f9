"""One campaign over the real queue, against the same work as a scikit-learn loop: both in one run, warm and cold.

Run by `make bench-train` as `train.py FOLDER_OF_PROGRAMS`. The work: from parquet to 354 landed ridge models, one for
each carrier, origin and dest of the flights that has 30 complete rows. Ours is the time of the whole command, from its
start to its end. Warm: `enqueue dev` runs and one campaign came before; the loop repeats in its process. Cold: only
the broker runs and trainers start with empty caches; the loop starts its interpreter. Rounds of both alternate, so
that what else the machine does meets both. All find the file in the system's page cache.

Standard library only; scikit-learn lives in .cache/bench-venv, made from requirements.txt at the first run. Exits
with 1 when something is wrong, not when something is slow.
"""

import contextlib
import csv
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.dont_write_bytecode = True

from processes import CACHE, ROOT, Bench, Failed, said  # noqa: E402

HERE = Path(__file__).resolve().parent
DATA = "tests/data/flights.parquet"
VENV = CACHE / "bench-venv"
TRAIN = ["train", "arrival_delay", "--scope", "carrier=*,origin=*,dest=*", "--wait", "--force"]
OUTCOMES = {"trained": 354, "too_few_rows": 85}
CORES = len(os.sched_getaffinity(0))
WARM_ROUNDS = 7
COLD_ROUNDS = 5
SHAPES = [(1, 2), (2, 1)]  # trainers, threads of each
LOOP = "scikit-learn loop"
AIM = 15  # times faster than the loop
AGREE = 1e-6  # minutes of RMSE
LIMIT_S = 230


class Loop:
    """The scikit-learn loop as a process that does the work whenever asked."""

    def __init__(self, bench, jobs):
        self.bench = bench
        folder = bench.folder / "loop"
        folder.mkdir(exist_ok=True)
        command = [VENV / "bin/python", HERE / "sklearn_loop.py", DATA, folder, "--jobs", str(jobs)]
        self.process = bench.start(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def again(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
            raise self.bench.ended(self.process)
        return json.loads(answer)


def main():
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda number, _: sys.exit(128 + number))
    signal.signal(signal.SIGALRM, too_long)
    make_venv()
    with Bench((ROOT / sys.argv[1]).resolve()) as bench:
        signal.alarm(LIMIT_S)
        began, load = time.monotonic(), os.getloadavg()[0]
        show_machine(bench)
        tables = {"warm": warm(bench), "cold": cold(bench)}
        signal.alarm(0)
    for name, times in tables.items():
        show(name, times)
    say(f"load average {load:.1f} before and {os.getloadavg()[0]:.1f} after; {time.monotonic() - began:.0f} s in all")


def too_long(*_):
    raise Failed(f"not done within {LIMIT_S} s; is the machine busy with something else?")


def warm(bench):
    """The seconds of each kind of run, and of those, where it says so, the campaign's own."""
    state = bench.folder / "dev"
    bench.env.update(SCOPEFORGE_STATE=str(state), SCOPEFORGE_NATS_SERVER=str(bench.server))
    dev = bench.start(bench.programs / "enqueue", "dev", "--listen", "127.0.0.1:0")
    bench.wait(dev, (state / "dev.json").exists)
    bench.ask("model", "add", "tests/data/arrival_delay.toml")
    campaign(bench)
    loops = {LOOP: Loop(bench, 1), f"{LOOP}, {CORES} processes": Loop(bench, CORES)}
    for name, loop in loops.items():
        check_scores(name, loop.again()["scores"])
    times = defaultdict(list)
    for _ in range(WARM_ROUNDS):
        for name, loop in loops.items():
            times[name].append((loop.again()["seconds"], None))
        times["enqueue train"].append(campaign(bench))
    check_fits(bench)
    bench.stop(dev, *(loop.process for loop in loops.values()))
    return times


def cold(bench):
    """As `warm`."""
    ports = bench.folder / "ports"
    ports.mkdir()
    options = ["-js", "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", ports, "-sd", bench.folder / "nats"]
    nats = bench.start(bench.server, *options)
    url = bench.wait(nats, lambda: read_ports(ports))
    bench.env.update(SCOPEFORGE_NATS_URL=url, SCOPEFORGE_STORE=f"file:{bench.folder / 'store'}")
    bench.ask("model", "add", "tests/data/arrival_delay.toml")
    times = defaultdict(list)
    for _ in range(COLD_ROUNDS):
        with clock(times[LOOP]):
            bench.finish(Loop(bench, 1).process, "\n")
        for shape in SHAPES:
            cold_round(bench, shape, times)
    check_fits(bench)
    bench.stop(nats)
    return times


def cold_round(bench, shape, times):
    processes, threads = shape
    name = f"enqueue train, {processes} × {threads} trainer threads"
    command = [bench.programs / "worker", "train", "--threads", str(threads)]
    trainers = [bench.start(*command) for _ in range(processes)]
    bench.wait(trainers[-1], lambda: bench.ask("lag")["trainers"] == processes)
    times[name].append(campaign(bench))
    bench.stop(*trainers)
    # Once more, with the time that trainers take to start: the queue keeps the packs for them.
    with clock(times[f"{name}, and starting them"]):
        trainers = [bench.start(*command) for _ in range(processes)]
        campaign(bench)
    bench.stop(*trainers)


@contextlib.contextmanager
def clock(times):
    began = time.perf_counter()
    yield
    times.append((time.perf_counter() - began, None))


def campaign(bench):
    """Seconds of the command, and of the campaign in it."""
    began = time.perf_counter()
    done = bench.ask(*TRAIN)
    seconds = time.perf_counter() - began
    if done["state"] != "complete" or done["outcomes"] != OUTCOMES:
        raise Failed(f"the campaign ended with {done}, not with {OUTCOMES}")
    return seconds, done["seconds"]


def check_fits(bench):
    fits = bench.ask("fits", "arrival_delay")
    check_scores("enqueue train", {fit["scope"]: fit["metrics"] for fit in fits if fit["metrics"]})


def check_scores(who, scores):
    """Whoever did other work than the reference is not compared."""
    with (ROOT / "tests/data/flights_ridge.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["scope"].count("=") == 3 and row["outcome"] == "trained"]
    if set(scores) != {row["scope"] for row in rows}:
        raise Failed(f"{who} trained {len(scores)} scopes, not the {len(rows)} of tests/data/flights_ridge.csv")
    for row in rows:
        rmse = scores[row["scope"]]["rmse"]
        if not abs(rmse - float(row["rmse"])) <= AGREE:
            raise Failed(f"{who}: the RMSE of {row['scope']} is {rmse}, not {row['rmse']}")
    say(f"{who}: {len(rows)} RMSEs agree with tests/data/flights_ridge.csv within {AGREE:g}")


def show_machine(bench):
    listed = said([VENV / "bin/pip", "freeze"]).splitlines()
    peers = [line.replace("==", " ") for line in listed if line.startswith(("scikit", "numpy", "pandas", "pyarrow"))]
    versions = [said([bench.programs / "enqueue", "--version"]), said([bench.server, "--version"])]
    say(" · ".join([*versions, f"Python {platform.python_version()}", *peers, f"{CORES} cores"]))
    say("$ enqueue " + " ".join(f"'{word}'" if "*" in word else word for word in TRAIN))
    say(f"$ tests/bench/sklearn_loop.py {DATA} FOLDER\n")


def show(table, times):
    say(f"\n{table + ', seconds of wall time':<59} n  median    min –    max  own clock  faster")
    usual = statistics.median(seconds for seconds, _ in times[LOOP])
    for name, measured in times.items():
        seconds, own = zip(*measured)
        median = statistics.median(seconds)
        own = f"{statistics.median(own):9.3f}" if None not in own else f"{'':9}"
        aim = f" (aim {AIM}: {'reached' if usual / median >= AIM else 'missed'})" if name.startswith("enqueue") else ""
        say(
            f"  {name:<56} {len(seconds):2} {median:7.3f} {min(seconds):6.3f} – {max(seconds):6.3f}  {own}"
            f"  {usual / median:5.1f}×{aim}"
        )


def make_venv():
    """The Python with scikit-learn, made once for these requirements."""
    wanted = f"{sys.version}\n{(HERE / 'requirements.txt').read_text()}"
    made = VENV / "made-from"
    if made.exists() and made.read_text() == wanted:
        return
    say(f"making {VENV.relative_to(ROOT)} from tests/bench/requirements.txt …")
    shutil.rmtree(VENV, ignore_errors=True)
    said([sys.executable, "-m", "venv", VENV])
    said([VENV / "bin/pip", "install", "--quiet", "-r", HERE / "requirements.txt"])
    made.write_text(wanted)


def read_ports(folder):
    """The address in the file that a NATS server writes once it is ready."""
    for file in folder.glob("*.ports"):
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(file.read_text())["nats"][0]
    return None


def say(text):
    print(text, flush=True)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
