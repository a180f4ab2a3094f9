"""A rolling upgrade of the system of docker/compose.yaml, under load, and the way back."""

import json
import tempfile
import time
from pathlib import Path

from compose import Compose
from load import Load
from sites import Failed, run, say, until

PROJECT = "scopeforge-test-rolling"
MODEL = "arrival_delay"
ROW = {
    "carrier": "UA", "origin": "EWR", "dest": "IAH", "dep_delay": 12, "distance": 1400, "hour": 9, "month": 12, "day": 3,
    "time_hour": "2013-12-03T14:00:00Z",
}
SCOPES = ["--scope", "carrier=*,origin=*,dest=*", "--levels", "--wait"]


def rolling(tag, earlier):
    """Predictors, gateways and trainers are replaced and brought back under load, without a failed request.

    The system begins with the images `earlier`, if there are some, else with those of `tag` under two names.
    """
    first, then = (earlier, tag) if earlier else (tag, f"{tag}-next")
    for image in () if earlier else ("trainer", "predictor", "gateway"):
        run(["docker", "tag", f"scopeforge/{image}:{first}", f"scopeforge/{image}:{then}"])
    with Compose(PROJECT, first, SCOPEFORGE_GATEWAYS="2") as system, tempfile.TemporaryDirectory() as folder:
        probe = Path(folder, "probe.json")
        probe.write_text(json.dumps({"rows": [ROW]}))
        began = time.monotonic()
        system.run("up", "--detach", "--scale", "predictor=2", "trainer", "predictor", "gateway", "edge")
        say(f"  up and healthy in {time.monotonic() - began:.0f} s")
        system.run("run", "--rm", "enqueue", "model", "add", "tests/data/arrival_delay.toml", profile="tools")
        system.run("run", "--rm", "enqueue", "train", MODEL, *SCOPES, profile="tools")
        until("the edge", lambda: answers(system.port, probe), 30)
        for to in (then, first):
            upgrade(system, to, probe)
        refuse(system, first, probe)


def upgrade(system, to, probe):
    began = time.monotonic()
    with Load("127.0.0.1", system.port, f"/v1/models/{MODEL}/predict", probe.read_bytes()) as load:
        until("requests", lambda: load.answered > 200)
        said = rollout(system, to, probe)
        after = load.answered
        until("requests after it", lambda: load.answered > after + 200)
    for line in said.splitlines():
        say(f"    {line}")
    if load.failures:
        raise Failed(f"{sum(load.failures.values())} of {load.answered} requests failed: {dict(load.failures)}")
    expected = sorted([f"scopeforge/gateway:{to}"] * 2 + [f"scopeforge/predictor:{to}"] * 2 + [f"scopeforge/trainer:{to}"])
    if system.images() != expected:
        raise Failed(f"these run: {system.images()}")
    seconds = time.monotonic() - began
    say(f"  to {to}: {load.answered} requests in {seconds:.0f} s, none failed, the slowest took {load.slowest_s * 1000:.0f} ms")


def refuse(system, tag, probe):
    """A gateway that never answers: what ran goes on, and nothing else is left."""
    broken = f"{tag}-broken"
    for image in ("trainer", "predictor"):
        run(["docker", "tag", f"scopeforge/{image}:{tag}", f"scopeforge/{image}:{broken}"])
    run(["docker", "tag", "scopeforge/nats:local", f"scopeforge/gateway:{broken}"])
    before = system.images()
    with Load("127.0.0.1", system.port, f"/v1/models/{MODEL}/predict", probe.read_bytes()) as load:
        done = rollout(system, broken, probe, "--wait-seconds", "5", check=False)
        after = load.answered
        until("requests after it", lambda: load.answered > after + 200)
    if done.returncode != 1 or "is not ready" not in done.stderr:
        raise Failed(f"a broken version was not refused: {done.stdout}{done.stderr}")
    if load.failures or system.images() != before:
        raise Failed(f"a broken version did harm: {dict(load.failures)}, these run: {system.images()}")
    say(f"  a version whose gateway is broken was taken back: {load.answered} requests, none failed")


def rollout(system, to, probe, *more, check=True):
    words = ["docker/rollout", to, "--model", MODEL, "--probe", probe, "--edge", f"http://127.0.0.1:{system.port}"]
    return run([*words, "--project", system.project, *more, "--", *system.options], env=system.env, check=check)


def answers(port, probe):
    url = f"http://127.0.0.1:{port}/v1/models/{MODEL}/predict"
    command = ["curl", "--silent", "--fail", "--max-time", "5", "--header", "content-type: application/json"]
    return run([*command, "--data-binary", f"@{probe}", url], check=False).returncode == 0
