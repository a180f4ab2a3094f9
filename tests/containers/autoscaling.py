"""docker/autoscaler: trainers and predictors come and go with the work."""

import json
import signal
import subprocess
import time
from contextlib import contextmanager

from audit import exactly_once
from compose import Compose
from load import Load
from rolling import MODEL, ROW
from scenarios import LONG
from sites import ROOT, Failed, run, say, until

PROJECT = "scopeforge-test-autoscaling"
# Slow ones, so that one is not enough.
SLOW = {"TRAINER_CPUS": "0.4", "PREDICTOR_CPUS": "0.2"}
TRAINERS, PREDICTORS = 3, 2


def autoscaling(tag):
    """No trainer runs until a campaign is ordered, then three, then none; a second predictor comes and goes with the load."""
    with Compose(PROJECT, tag, **SLOW) as system:
        system.run("up", "--detach", "--scale", "trainer=0", "gateway", "predictor", "trainer")
        url = gateway(system)
        system.enqueue("model", "add", "tests/data/arrival_delay.toml")
        campaign = order(system)
        once_and_dry(system, url)
        with following(system, url):
            began = time.monotonic()
            until("as many trainers as are allowed", lambda: len(system.containers("trainer")) == TRAINERS, 60)
            say(f"  0 -> {TRAINERS} trainers within {time.monotonic() - began:.0f} s")
            shown = exactly_once(system, campaign)
            began = time.monotonic()
            until("no trainers", lambda: not system.containers("trainer"), 90)
            say(f"  the campaign took {shown['seconds']:.0f} s; {time.monotonic() - began:.0f} s after its end no trainer runs")
            predictors(system, url)
            # A second campaign, begun with nobody there: advice from nothing works more than once.
            exactly_once(system, order(system))


def order(system):
    return system.enqueue("train", MODEL, "--scope", "carrier=*,origin=*,dest=*", "--levels", "--force", *LONG)["id"]


def gateway(system):
    port = run(["docker", "port", *system.containers("gateway"), "8080/tcp"]).splitlines()[0].rsplit(":", 1)[1]
    url = f"http://127.0.0.1:{port}"
    until("a ready gateway", lambda: run(["curl", "--silent", "--fail", f"{url}/readyz"], check=False).returncode == 0)
    return url


def words(system, url, *more):
    bounds = ["--trainers", f"0:{TRAINERS}", "--predictors", f"1:{PREDICTORS}", "--target-seconds", "1", "--cool-down", "6"]
    place = ["--every", "1", "--gateway", url, "--project", PROJECT]
    return ["docker/autoscaler", *bounds, *place, *more, "--", *system.options]


def once_and_dry(system, url):
    """It says what it would do, and does nothing."""
    said = run(words(system, url, "--once", "--dry-run"), env=system.env)
    if "trainer: 0 -> " not in said or system.containers("trainer"):
        raise Failed(f"a dry run did something, or said nothing: {said}")


@contextmanager
def following(system, url):
    """The autoscaler runs beside; it must live to the end, and leave when it is told to."""
    loop = subprocess.Popen(words(system, url), cwd=ROOT, env=system.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield
        if loop.poll() is not None:
            raise Failed(f"the autoscaler ended by itself, with {loop.returncode}")
        loop.send_signal(signal.SIGTERM)
        code = loop.wait(60)
    finally:
        loop.kill()
        for line in loop.communicate()[0].splitlines():
            say(f"    {line}")
    if code != 0:
        raise Failed(f"the autoscaler ended with {code} when it was told to")


def predictors(system, url):
    host, port = url.removeprefix("http://").split(":")
    with Load(host, int(port), f"/v1/models/{MODEL}/predict", json.dumps({"rows": [ROW]}).encode(), clients=8) as load:
        began = time.monotonic()
        until("a second predictor", lambda: len(system.containers("predictor")) == PREDICTORS, 120)
        came = time.monotonic() - began
        after = load.answered
        until("requests after it", lambda: load.answered > after + 200)
    began = time.monotonic()
    until("one predictor", lambda: len(system.containers("predictor")) == 1, 120)
    went = time.monotonic() - began
    if load.failures:
        raise Failed(f"{sum(load.failures.values())} of {load.answered} requests failed: {dict(load.failures)}")
    say(f"  a second predictor {came:.0f} s after {load.answered} requests began, and none {went:.0f} s after they ended; none failed")
