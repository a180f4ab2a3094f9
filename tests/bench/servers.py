"""The systems that serve, each started when it is first asked for."""

import functools
import socket
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from load import post
from ours import MODEL, Cold, start_nats
from processes import Failed

READY_LIMIT_S = 30
RIDGE = {"scopes": [], "algorithm": "ridge"}


@dataclass
class Server:
    """Something that runs and answers HTTP."""

    processes: list  # the last one has the port
    port: int
    model: str | None = MODEL  # in the path; none for the workload's name
    extra: list = field(default_factory=list)  # processes that it needs, started for others too

    def url(self, workload):
        return f"http://127.0.0.1:{self.port}/v1/models/{self.model or workload.name}/predict"

    def roots(self):
        return [process.pid for process in [*self.processes, *self.extra]]

    def wait_ready(self, bench, workload):
        """Waits until it answers a request of the workload."""
        url, body = self.url(workload), workload.bodies[0]
        until = time.monotonic() + READY_LIMIT_S

        def answers():
            status, found = post(url, body)
            if status != 200 and time.monotonic() > until:
                raise Failed(f"not ready within {READY_LIMIT_S} s: {found.decode()}")
            return status == 200

        bench.wait(self.processes[-1], answers)


@dataclass
class System:
    """A kind of server. `start` takes the crew."""

    name: str
    title: str
    start: object
    scopeforge: bool = False
    peer: bool = False  # one that may be absent


class Stack(Cold):
    """A broker, a store and 354 fits in it; whoever serves comes later."""

    def __init__(self, bench):
        super().__init__(bench)
        self.train_cold(RIDGE, (1, 2), included=True)

    def serve(self, *options, predictors):
        """A gateway and so many predictors."""
        port = free_port()
        infer = [self.bench.programs / "worker", "infer"]
        workers = [self.bench.start(*infer, env=self.env) for _ in range(predictors)]
        listen = ["--listen", f"127.0.0.1:{port}"]
        gateway = self.bench.start(self.bench.programs / "gateway", *listen, *options, env=self.env)
        return Server([*workers, gateway], port, extra=[self.nats])

    def scopes(self):
        """The scopes that have a fit."""
        return [fit["scope"] for fit in self.ask("fits", MODEL) if fit["metrics"]]


class Crew:
    """The servers of a run. Answers that bare ones give stand in `answers`, see `Workload.prepare`."""

    def __init__(self, bench, absent):
        self.bench = bench
        self.absent = absent  # peers that could not be installed, with the reason
        self.answers = bench.folder / "answers"
        self.answers.mkdir()
        self.running = {}

    def server(self, system):
        """The running server of a system."""
        if system.name not in self.running:
            self.running[system.name] = system.start(self)
        return self.running[system.name]

    @functools.cached_property
    def stack(self):
        return Stack(self.bench)

    def bare(self, *options):
        """`bench-bare http`."""
        port = free_port()
        words = ["--answers", self.answers, "http", "--listen", f"127.0.0.1:{port}", *options]
        return Server([self.bench.start(self.bench.programs / "bench-bare", *words)], port, model=None)

    def hop(self):
        """The same with a broker of its own, and somebody who answers behind it."""
        nats, url = start_nats(self.bench, Path(tempfile.mkdtemp(prefix="hop-", dir=self.bench.folder)))
        words = ["--answers", self.answers, "responder", "--nats-url", url]
        responder = self.bench.start(self.bench.programs / "bench-bare", *words)
        server = self.bare("--nats-url", url)
        return Server(server.processes, server.port, model=None, extra=[nats, responder])


def here(crew):
    # A stack of its own: a predictor that lives in a gateway also answers others.
    return Stack(crew.bench).serve("--predict-here", predictors=0)


OURS = System("ours", "Scopeforge, 1 gateway + 1 worker", lambda crew: crew.stack.serve(predictors=1), scopeforge=True)
OWN_SYSTEMS = [
    OURS,
    System("here", "Scopeforge, gateway --predict-here", here, scopeforge=True),
    System("bare", "bare axum, default runtime", lambda crew: crew.bare()),
    System("bare-1", "bare axum, 1 single-threaded runtime", lambda crew: crew.bare("--single-threaded", "1")),
    System("bare-2", "bare axum, 2 single-threaded runtimes", lambda crew: crew.bare("--single-threaded", "2")),
    System("hop", "bare axum + 1 NATS request-reply", Crew.hop),
]


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
