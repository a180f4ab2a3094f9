"""A million scopes through the whole product, to the last one exact: plan, queue, train, land, catalog, predict.

    scale.py FOLDER_OF_PROGRAMS

Run by `make bench-scale`. 40,000,000 generated rows (scale/generate.py, written once into .cache), one ridge for each of a
million scopes, by one trainer of two threads. Every scope must have its outcome; some fits and predictions must be
those of an independent solution (scale/verify.py); a second campaign must find every fit unchanged; no process may hold more
memory than MEMORY_MB says. A run in which all of that holds writes its part of RESULTS.md. Standard library only; numpy and pyarrow come with .cache/bench-venv.
"""

import contextlib
import json
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path

sys.dont_write_bytecode = True

from memory import peaks  # noqa: E402
from ours import Commands, start_gateway, start_nats  # noqa: E402
from packages import PYTHON, make_venv  # noqa: E402
from processes import CACHE, HERE, ROOT, Bench, Failed, TooLong, as_command, said, say  # noqa: E402
from results import write_part  # noqa: E402

ABOUT = """\
Written by `make bench-scale`: 40,000,000 generated rows, one ridge of three features for each of a million scopes, by one trainer of
two threads; then the same campaign again, in which every scope has to be found unchanged. It fails when a scope has no outcome,
when one of the fits or predictions that are looked at differs from an independent solution, or when a process holds too much."""
LIMIT_S = 15 * 60
SCOPES = 1_000_000
AIM = 20_000  # scopes per second
CHECKED = [f"s{number * 997 % 1000:03}/p{number * 463 % 1000:03}" for number in range(100)]
AGREE = 1e-8
PROBE = {"price": 4.5, "promo": True, "stock": 120}
PATTERN = ["--scope", "store=*,product=*"]
SPEC = """\
name = "sales"
[data]
source = "{}"
[scope]
dimensions = ["store", "product"]
[learn]
target = "units"
features = ["price", "promo", "stock"]
algorithm = "ridge"
"""
# The most that one process may hold. A host has the decoded rows, its learners share them.
MEMORY_MB = {
    "nats-server": 1_000,
    "enqueue": 2_000,
    "worker train": 1_000,
    "worker learn-host": 5_000,
    "worker infer": 2_000,
    "gateway": 300,
}


class Stack(Commands):
    """Broker, one trainer, one predictor, gateway."""

    def __init__(self, bench):
        folder = bench.folder / "broker"
        folder.mkdir()
        _, url = start_nats(bench, folder)
        super().__init__(bench, {"SCOPEFORGE_NATS_URL": url, "SCOPEFORGE_STORE": f"file:{bench.folder / 'store'}"})
        worker = bench.programs / "worker"
        bench.start(worker, "train", "--threads", "2", env=self.env)
        bench.start(worker, "infer", env=self.env)
        _, self.address = start_gateway(bench, self.env)

    def predict(self, scopes):
        """The gateway's answer to one row of each scope."""
        rows = [{**dict(zip(("store", "product"), scope.split("/"))), **PROBE} for scope in scopes]
        url = f"http://{self.address}/v1/models/sales/predict"
        with urllib.request.urlopen(url, json.dumps({"rows": rows}).encode(), timeout=60) as answer:
            return json.load(answer)


def main():
    signal.signal(signal.SIGALRM, too_long)
    make_venv()
    data = CACHE / "bench-scale" / "sales.parquet"
    with Bench((ROOT / sys.argv[1]).resolve()) as bench:
        signal.alarm(LIMIT_S)
        generate(data)
        stack = Stack(bench)
        spec = bench.folder / "sales.toml"
        spec.write_text(SPEC.format(data))
        stack.ask("model", "add", str(spec))
        steps = Steps()
        with peaks(lambda: [os.getpid()], role) as held:
            run(stack, data, steps)
        signal.alarm(0)
        about = " · ".join(said([program, "--version"]) for program in (bench.programs / "worker", bench.nats_server))
    show_memory(held)
    load = f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f} after"
    parts = ["# A million scopes", ABOUT, f"{about} · {load}", steps.table(), memory_table(held)]
    write_part("scale", "\n\n".join(parts))


def too_long(*_):
    raise TooLong(f"not done within {LIMIT_S} s; is the machine busy with something else?")


def generate(data):
    """Writes the rows, unless this generator has."""
    made_from, generator = data.with_suffix(".made-from"), HERE / "scale/generate.py"
    if made_from.exists() and made_from.read_text() == generator.read_text():
        return
    data.parent.mkdir(parents=True, exist_ok=True)
    with Steps().step("40,000,000 rows generated"):
        said([PYTHON, generator, data])
    made_from.write_text(generator.read_text())


def run(stack, data, steps):
    with steps.step("planned"):
        plan = stack.ask("plan", "sales", *PATTERN)
    expect("scopes planned", plan["scopes"], SCOPES)
    with steps.step("first campaign: planned, queued, trained, landed, closed", SCOPES):
        first = train(stack, "trained")
    with steps.step(f"{len(CHECKED)} fits read, from the catalog of a million"):
        fits = stack.ask("fits", "sales", *(word for scope in CHECKED for word in ("--scope", pattern(scope))))
    check_fits(fits, first, truth := solved(data))
    with steps.step(f"{len(CHECKED)} predictions over HTTP"):
        check_predictions(stack.predict(CHECKED), first, truth)
    with steps.step("second campaign: all the same rows again", SCOPES):
        train(stack, "unchanged")


def train(stack, outcome):
    """Runs a campaign whose scopes must all end as `outcome`; returns its name."""
    done = stack.ask("train", "sales", *PATTERN, "--wait")
    expect("outcomes", (done["state"], done["planned"], done["outcomes"]), ("complete", SCOPES, {outcome: SCOPES}))
    return done["id"]


def solved(data):
    return json.loads(said([PYTHON, HERE / "scale/verify.py", data, ",".join(CHECKED), json.dumps(PROBE)]))


def check_fits(fits, campaign, truth):
    expect("fits", sorted(fit["scope"] for fit in fits), sorted(map(pattern, CHECKED)))
    for fit in fits:
        wanted = truth[fit["scope"].replace("store=", "").replace(",product=", "/")]
        found = {"intercept": fit["parameters"]["intercept"], **fit["parameters"]["coefficients"], **fit["metrics"]}
        expect(f"the campaign of {fit['scope']}", fit["campaign"], campaign)
        for name, value in {"intercept": wanted["intercept"], **wanted["coefficients"], "rmse": wanted["rmse"]}.items():
            expect_near(f"{name} of {fit['scope']}", found[name], value)
    say(f"  {len(fits)} fits agree with an independent least-squares solution within {AGREE:g}")


def check_predictions(answer, campaign, truth):
    expect("errors", answer.get("errors"), None)
    expect("campaigns", {fit["campaign"] for fit in answer["fits"]}, {campaign})
    for scope, prediction in zip(CHECKED, answer["predictions"]):
        expect_near(f"the prediction for {scope}", prediction, truth[scope]["prediction"])
    say(f"  {len(answer['predictions'])} predictions agree with it too")


def pattern(scope):
    store, product = scope.split("/")
    return f"store={store},product={product}"


def expect(what, found, wanted):
    if found != wanted:
        raise Failed(f"{what}: {found}, not {wanted}")


def expect_near(what, found, wanted):
    if not abs(found - wanted) <= AGREE * max(1, abs(wanted)):
        raise Failed(f"{what}: {found}, not {wanted}")


class Steps:
    """What was done, and how long each took."""

    def __init__(self):
        self.done = []

    @contextlib.contextmanager
    def step(self, what, scopes=None):
        """Prints how long something took, and how many scopes a second that were."""
        began = time.perf_counter()
        yield
        seconds = time.perf_counter() - began
        rate = f"{scopes / seconds:,.0f}" if scopes else ""
        self.done.append((what, f"{seconds:.1f}", rate))
        say(f"{seconds:7.1f} s  {what}" + (f", {rate} scopes/s (aim {AIM:,})" if rate else ""))

    def table(self):
        lines = [f"| step | s | scopes/s (aim {AIM:,}) |", "| --- | --: | --: |"]
        return "\n".join([*lines, *(f"| {what} | {seconds} | {rate} |" for what, seconds, rate in self.done)])


def role(words):
    """The key in MEMORY_MB of a process."""
    name = " ".join([Path(words[0]).name, *words[1:2]]) if words else ""
    return next((role for role in MEMORY_MB if name.startswith(role)), None)


def show_memory(held):
    say("peak memory of one process (RSS; learners share their host's):")
    for name, most in MEMORY_MB.items():
        say(f"{held[name] / 1e6:9,.0f} MB  {name} (bound {most:,})")
    above = [name for name, most in MEMORY_MB.items() if held[name] > most * 1e6]
    if above:
        raise Failed(f"above their bounds: {', '.join(above)}")


def memory_table(held):
    lines = ["| process (learners share their host's memory) | peak MB | bound |", "| --- | --: | --: |"]
    return "\n".join([*lines, *(f"| {name} | {held[name] / 1e6:,.0f} | {most:,} |" for name, most in MEMORY_MB.items())])


if __name__ == "__main__":
    as_command(main)
