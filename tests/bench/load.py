"""Requests: their bodies, one of them to look at its answer, and many of them by wrk."""

import json
import random
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass

from processes import HERE, ROOT, Failed

ANSWER_LIMIT_S = 10
SCRIPT = HERE / "serve/wrk.lua"
# wrk is one of those who share the cores: one thread is enough for one connection.
THREADS_MAX = 2


@dataclass
class Load:
    """What wrk measured."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_us: float = 0.0  # of all processes of the server, for a request

    @property
    def requests_per_s(self):
        return self.requests / self.seconds


def bodies(scopes, count, rows, scopes_of_each, seed):
    """`count` bodies, each of `rows` rows that `scopes_of_each` scopes share; always the same ones."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        # One after the other, so that all are asked for as often.
        own = [scopes[number % len(scopes)]] if scopes_of_each == 1 else chance.sample(scopes, scopes_of_each)
        made.append(json.dumps({"rows": [row(own[at % len(own)], chance) for at in range(rows)]}, separators=(",", ":")))
    return made


def row(scope, chance):
    """A flight, its dimensions from a scope's text."""
    dimensions = dict(part.split("=", 1) for part in scope.split(","))
    month, day, hour = chance.randint(1, 12), chance.randint(1, 28), chance.randint(5, 23)
    return {
        **dimensions, "dep_delay": chance.randint(-15, 90), "distance": chance.randint(100, 2_500),
        "hour": hour, "month": month, "day": day, "time_hour": f"2013-{month:02}-{day:02}T{hour:02}:00:00Z",
    }


def post(url, body):
    """Status and bytes of one answer; none while nobody listens."""
    request = urllib.request.Request(url, body.encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_LIMIT_S) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError as error:
        return None, str(error).encode()


def command(url, file, connections, seconds, seed):
    """The words of wrk."""
    threads = min(connections, THREADS_MAX)
    options = [f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT.relative_to(ROOT))]
    return ["wrk", *options, url, "--", str(file), str(seed)]


def load(bench, *order):
    """One run of wrk."""
    done = bench.finish(bench.start(*command(*order), stdout=subprocess.PIPE))
    told = json.loads(done.splitlines()[-1])
    if told["requests"] == 0:
        raise Failed(f"wrk got no answer:\n{done}")
    return Load(told["requests"], told["seconds"], told["p50_us"] / 1e3, told["p99_us"] / 1e3, told["errors"])
