"""The systems that are compared, each started when it is first asked for."""

import contextlib
import functools
import subprocess
import time
from dataclasses import dataclass, replace

from ours import Cold, Dev, command
from peer import Peer
from processes import Failed
from rounds import Run, System


@dataclass(frozen=True)
class Kind:
    """A peer: its script, whether it may see no network but `lo`, and whether it needs a Redis."""

    script: str
    only_lo: bool = False
    env: tuple = ()
    redis: bool = False


KINDS = {
    "scikit-learn": Kind("sklearn_loop.py"),
    "joblib": Kind("joblib_pool.py"),
    "Celery": Kind("celery_tasks.py", redis=True),
    "Ray": Kind("ray_tasks.py", only_lo=True, env=(("RAY_USAGE_STATS_ENABLED", "0"), ("RAY_AUTH_MODE", "disabled"))),
    "PySpark": Kind("spark_groups.py", only_lo=True),
}


class Crew:
    """Makes systems out of orders, see peers/serve.py."""

    def __init__(self, bench, absent):
        self.bench = bench
        self.absent = absent  # peers that could not be installed, with the reason
        self.peers = {}
        self.devs = {}  # stacks of `enqueue dev`, by their trainers

    def warm(self, kind, name, order):
        """A peer that runs from one order to the next."""

        def run():
            if kind not in self.peers:
                self.peers[kind] = self.start(kind)
            return self.peers[kind].ask(order)

        return System(name, run, lambda: self.roots(kind, self.peers.get(kind)), command=KINDS[kind].script)

    def cold(self, kind, name, order):
        """A peer that is started for an order: its time counts until the answer is there."""
        started = []

        def run():
            began = time.perf_counter()
            started[:] = [self.start(kind)]
            try:
                answer = started[0].ask(order)
            finally:
                started[0].stop()
            return Run(answer.ended - began, answer.scores)

        return System(name, run, lambda: self.roots(kind, *started), command=KINDS[kind].script)

    def ours_warm(self, name, order, trainers=2):
        """`enqueue train` on a running stack, whose trainers share the cores."""
        if trainers not in self.devs:
            self.devs[trainers] = Dev(self.bench, trainers)
        dev = self.devs[trainers]
        return System(name, lambda: dev.train(order), dev.roots, ours=True, command=shown(order))

    def ours_cold(self, name, order, shape, included):
        """`enqueue train` with new trainers."""
        run = functools.partial(self.trainers.train_cold, order, shape, included)
        return System(name, run, self.trainers.roots, ours=True, command=shown(order))

    def queue(self, name, scopes, per_message, trainers):
        """Scopes with nothing to learn, through a queue and a ledger of their own, see queue.rs."""
        words = ["--scopes", str(scopes), "--per-message", str(per_message), "--trainers", str(trainers)]
        servers = {"SCOPEFORGE_NATS_SERVER": str(self.bench.nats_server)}

        def run():
            program = self.bench.programs / "bench-queue"
            done = self.bench.finish(self.bench.start(program, *words, env=servers, stdout=subprocess.PIPE))
            return Run(float(done), {})

        return System(name, run, ours=True, command=" ".join(["bench-queue", *words]), tasks=scopes)

    def nothing(self, kind, name, tasks):
        """Tasks with nothing to do."""
        system = self.warm(kind, name, {"algorithm": "nothing", "tasks": tasks})
        return replace(system, tasks=tasks)

    def start(self, kind):
        if kind in self.absent:
            raise Failed(self.absent[kind])
        made = KINDS[kind]
        sockets = {"REDIS_SOCKET": self.redis[1]} if made.redis else {"RAY_FOLDER": str(self.bench.sockets)}
        return Peer(self.bench, made.script, made.only_lo, {**dict(made.env), **sockets})

    def roots(self, kind, peer=None):
        """The processes of a peer, once it runs."""
        if peer is None:
            return []
        return [peer.process.pid, *([self.redis[0].pid] if KINDS[kind].redis else [])]

    @functools.cached_property
    def trainers(self):
        return Cold(self.bench)

    @functools.cached_property
    def redis(self):
        """A Redis that listens on no network: its process and its socket."""
        socket = self.bench.sockets / "redis"
        options = ["--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no"]
        server = self.bench.start(self.bench.redis_server, *options)
        self.bench.wait(server, socket.exists)
        return server, str(socket)

    def end_ours(self):
        """Ends the stack, so that the memory of the next workload is its own."""
        for dev in self.devs.values():
            self.bench.stop(dev.dev)
        self.devs.clear()

    def end_peers(self):
        """Ends the peers that run, so that they are no noise to what is measured next."""
        for peer in self.peers.values():
            with contextlib.suppress(Failed):
                peer.stop()
        self.peers.clear()


def shown(order):
    """The command of an order, as one would type it."""
    words = command(order)
    if len(order["scopes"]) > 1:
        first = words.index("--scope")
        words[first + 2 : first + 2 * len(order["scopes"])] = ["…"]
    return " ".join(["enqueue", *(f"'{word}'" if "*" in word or not word else word for word in words)])
