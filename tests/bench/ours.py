"""Scopeforge: what `enqueue train` takes on a running stack, and with trainers that have just been started."""

import contextlib
import json
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

from processes import Failed
from rounds import Run

SPEC = "tests/data/arrival_delay.toml"
MODEL = "arrival_delay"
ALL_SCOPES = "carrier=*,origin=*,dest=*"
PARAMETERS = {
    "ridge": [],
    "forest": ["--algorithm", "forest", "--param", "trees=50", "--param", "max_depth=10"],
    "boosting": ["--algorithm", "boosting"],
}


def command(order):
    """The words after `enqueue` that mean an order."""
    scopes = [word for scope in order["scopes"] or [ALL_SCOPES] for word in ("--scope", scope)]
    return ["train", MODEL, *scopes, *PARAMETERS[order["algorithm"]], "--wait", "--force"]


class Commands:
    """`enqueue` on some stack."""

    def __init__(self, bench, env):
        self.bench = bench
        self.env = env

    def ask(self, *args):
        """A command's JSON."""
        command = [self.bench.programs / "enqueue", "--json", *args]
        self.asking = self.bench.start(*command, env=self.env, stdout=subprocess.PIPE)
        out = self.bench.finish(self.asking)
        return json.loads(out) if out.strip() else None

    def train(self, order):
        """One campaign: the seconds of the whole command, and of the campaign in it by its own clock."""
        began = time.perf_counter()
        done = self.ask(*command(order))
        ended = time.perf_counter()
        if done["state"] != "complete" or not set(done["outcomes"]) <= {"trained", "too_few_rows"}:
            raise Failed(f"the campaign ended with {done}")
        packs = (done["packs_measured"], done["packs_within_2"])
        return Run(ended - began, self.scores(done["id"]), own_seconds=done["seconds"], packs=packs, ended=ended)

    def scores(self, campaign):
        fits = self.ask("fits", MODEL)
        return {fit["scope"]: fit["metrics"] for fit in fits if fit["campaign"] == campaign and fit["metrics"]}


class Dev(Commands):
    """The stack of `enqueue dev`."""

    def __init__(self, bench, trainers):
        state = Path(tempfile.mkdtemp(prefix="dev-", dir=bench.folder))
        super().__init__(bench, {"SCOPEFORGE_STATE": str(state), "SCOPEFORGE_NATS_SERVER": str(bench.nats_server)})
        command = [bench.programs / "enqueue", "dev", "--listen", "127.0.0.1:0", "--trainers", str(trainers)]
        self.dev = bench.start(*command, env=self.env)
        bench.wait(self.dev, (state / "dev.json").exists)
        self.ask("model", "add", SPEC)

    def roots(self):
        return [self.dev.pid, self.asking.pid]


class Cold(Commands):
    """A broker, and trainers that are started for each campaign."""

    def __init__(self, bench):
        folder = Path(tempfile.mkdtemp(prefix="cold-", dir=bench.folder))
        self.nats, url = start_nats(bench, folder)
        super().__init__(bench, {"SCOPEFORGE_NATS_URL": url, "SCOPEFORGE_STORE": f"file:{folder / 'store'}"})
        self.trainers = []
        self.ask("model", "add", SPEC)

    def train_cold(self, order, shape, included):
        """One campaign by `shape` = (trainers, threads of each) new trainers, which wait for it, or, with `included`, start
        in its time: the queue keeps the packs for them."""
        trainers, threads = shape
        worker = [self.bench.programs / "worker", "train", "--threads", str(threads)]
        began = time.perf_counter()
        self.trainers = [self.bench.start(*worker, env=self.env) for _ in range(trainers)]
        if not included:
            self.bench.wait(self.trainers[-1], lambda: self.ask("lag")["trainers"] == trainers)
            began = time.perf_counter()
        done = self.train(order)
        self.bench.stop(*self.trainers)
        # A command alone has no own clock for what came before it.
        return Run(done.ended - began, done.scores, None if included else done.own_seconds, done.packs)

    def roots(self):
        return [self.nats.pid, self.asking.pid, *(trainer.pid for trainer in self.trainers)]


def start_nats(bench, folder):
    """A broker that keeps its files in a folder and, as that of `enqueue dev`, runs on half of the cores: its process and its
    address."""
    options = ["-js", "-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", folder, "-sd", folder / "nats"]
    nats = bench.start(bench.nats_server, *options, env={"GOMAXPROCS": str(max(1, os.cpu_count() // 2))})
    return nats, bench.wait(nats, lambda: read_ports(folder))


def start_gateway(bench, env):
    """A gateway on a port of its choice: its process, and its address once it serves."""
    gateway = bench.start(bench.programs / "gateway", "--listen", "127.0.0.1:0", env=env)
    serving = bench.wait(gateway, lambda: re.search(r"serving address=(\S+)", gateway.log_path.read_text()))
    return gateway, serving[1]


def read_ports(folder):
    """The address in the file that a NATS server writes once it is ready."""
    for file in folder.glob("*.ports"):
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(file.read_text())["nats"][0]
    return None
