"""Containers and a network of one scenario, removed at its end however it ends."""

import json
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REDIS = "redis://redis:6379"
COMMAND_LIMIT_S = 180


class Failed(Exception):
    """Something that must hold does not."""


def say(text):
    print(text, flush=True)


def run(command, check=True, env=None, limit_s=COMMAND_LIMIT_S):
    """Runs a command; its standard output, or the finished process where it may fail."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired as late:
        raise Failed(f"{' '.join(command)} did not end within {limit_s} s") from late
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr or done.stdout}")
    return done.stdout.strip() if check else done


def docker(*words, check=True):
    return run(["docker", *words], check=check)


def until(what, probe, limit_s=90):
    """Looks until `probe` returns something; that, and how long it took."""
    began = time.monotonic()
    while True:
        found = probe()
        if found:
            return found, time.monotonic() - began
        if time.monotonic() - began > limit_s:
            raise Failed(f"{what}: not within {limit_s} s")
        time.sleep(0.1)


class Site:
    """A network with a broker and a store, and what joins them."""

    def __init__(self, name, tag, brokers=("nats",)):
        self.name, self.tag, self.brokers = f"scopeforge-{name}", tag, brokers
        self.env = {"SCOPEFORGE_NATS_URL": ",".join(f"nats://{broker}:4222" for broker in brokers)}
        if len(brokers) > 1:
            self.env["SCOPEFORGE_REPLICAS"] = str(len(brokers))
        self.ids = {}
        self.data = tempfile.TemporaryDirectory()

    def __enter__(self):
        self.remove()
        spec = (ROOT / "tests/data/arrival_delay.toml").read_text()
        folder = Path(self.data.name)
        folder.chmod(0o755)
        (folder / "model.toml").write_text(spec.replace("tests/data/", "/data/source/"))
        (folder / "flights.parquet").write_bytes((ROOT / "tests/data/flights.parquet").read_bytes())
        docker("network", "create", self.name)
        config = "nats-cluster.conf" if len(self.brokers) > 1 else "nats.conf"
        for broker in self.brokers:
            mounted = f"{ROOT}/docker/{config}:/etc/nats-server.conf:ro"
            self.start(broker, "scopeforge/nats:local", "-v", mounted, env={"NATS_NAME": broker}, command=["--config", "/etc/nats-server.conf"])
        self.start("redis", "scopeforge/redis:local", command=["--protected-mode", "no"])
        for broker in self.brokers:
            until(f"the broker {broker}", lambda broker=broker: self.ask_broker(broker, "healthz", check=False).returncode == 0)
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            for name, container in self.ids.items():
                log = docker("logs", "--tail", "15", container, check=False)
                say(f"--- {name}\n{log.stdout}{log.stderr}")
        self.remove()
        self.data.cleanup()

    def remove(self):
        """Removes all that has this site's label, also what an earlier run has left."""
        found = docker("ps", "-aq", "--filter", f"label=scopeforge.site={self.name}")
        if found:
            docker("rm", "-fv", *found.split())
        docker("network", "rm", self.name, check=False)

    def start(self, name, image, *options, env=None, command=()):
        """Starts a container that the others know by `name`."""
        variables = [word for key, value in (env or {}).items() for word in ("-e", f"{key}={value}")]
        self.ids[name] = docker(
            "run", "-d", "--network", self.name, "--network-alias", name, "--label", f"scopeforge.site={self.name}",
            *variables, *options, image, *command,
        )
        return self.ids[name]

    def program(self, role, name, *options, env=None):
        """Starts one of our programs, as an operator would: it knows the broker, and reads its root file system only."""
        env = {**self.env, "SCOPEFORGE_STORE": REDIS, **(env or {})}
        return self.start(name, f"scopeforge/{role}:{self.tag}", "--read-only", "-v", self.volume(), *options, env=env)

    def trainer(self, name, *options, env=None):
        return self.program("trainer", name, *options, env=env)

    def volume(self):
        return f"{self.data.name}:/data/source:ro"

    def enqueue(self, *words, check=True):
        """A command of `enqueue`; its JSON."""
        done = docker(
            "run", "--rm", "--network", self.name, "--label", f"scopeforge.site={self.name}", "-v", self.volume(),
            *[word for key, value in self.env.items() for word in ("-e", f"{key}={value}")], f"scopeforge/enqueue:{self.tag}", "--json", *words, check=check,
        )
        return json.loads(done) if check else done

    def lag(self):
        return self.enqueue("lag")

    def trainers(self, count, limit_s=60):
        """Waits until the broker knows so many trainers; how long that took."""
        return until(f"{count} trainers", lambda: self.lag()["trainers"] == count, limit_s)[1]

    def order(self, *words, scopes="carrier=*,origin=*,dest=*"):
        """Orders a campaign of all scopes and levels; its id. A worker has to be there: the first process decides about replicas."""
        self.enqueue("model", "add", "/data/source/model.toml")
        return self.enqueue("train", "arrival_delay", "--scope", scopes, "--levels", "--force", *words)["id"]

    def campaign(self, campaign):
        return self.enqueue("campaign", "show", campaign)

    def landed(self, campaign, share=0.0):
        """Waits until more than `share` of a campaign has landed."""
        def some():
            now = self.campaign(campaign)
            done = sum(now["outcomes"].values())
            if now["state"] == "complete":
                raise Failed("the campaign was over before anything could happen to it: make it longer")
            return done > share * now["planned"]
        until("a first landing", some)

    def leader(self, stream):
        """The broker that leads a stream, as all that are asked agree."""
        accounts = json.loads(self.ask_broker(self.brokers[-1], "jsz?streams=true"))["account_details"]
        streams = [found for account in accounts for found in account["stream_detail"]]
        return next(found["cluster"].get("leader") for found in streams if found["name"] == stream)

    def ask_broker(self, broker, what, check=True):
        return docker("exec", self.ids[broker], "/bin/wget", "-q", "-O", "-", f"http://127.0.0.1:8222/{what}", check=check)

    def disconnect(self, name):
        docker("network", "disconnect", self.name, self.ids[name])

    def connect(self, name):
        docker("network", "connect", "--alias", name, self.name, self.ids[name])

    def log(self, name):
        done = docker("logs", self.ids[name], check=False)
        return done.stdout + done.stderr

    def state(self, name, what):
        return docker("inspect", "--format", "{{.State." + what + "}}", self.ids[name])

