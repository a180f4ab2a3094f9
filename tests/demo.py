"""The main job, end to end: train 491 scopes of real flights over a real queue, and predict over HTTP.

Run by `make demo`. Needs only Python's standard library. Exits with 1 and the reason when any step fails.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".scopeforge"
READY_LIMIT_S = 60

# One row for each level that answers: a carrier, origin or destination that was never seen leaves the level above.
FLIGHT = {"dep_delay": 12, "distance": 1400, "hour": 9, "month": 12, "day": 3, "time_hour": "2013-12-03T14:00:00Z"}
ROWS = [
    {"carrier": "UA", "origin": "EWR", "dest": "IAH", **FLIGHT},
    {"carrier": "UA", "origin": "EWR", "dest": "a new airport", **FLIGHT},
    {"carrier": "UA", "origin": "another", "dest": "a new airport", **FLIGHT},
    {"carrier": "a new one", "origin": "another", "dest": "a new airport", **FLIGHT},
]
LEVELS = ["carrier+origin+dest", "carrier+origin", "carrier", "all rows"]


class Failed(Exception):
    """A step did not do what it must."""


class Stack:
    """`enqueue dev` as a child process."""

    def __init__(self, programs):
        self.enqueue = programs / "enqueue"
        server = subprocess.run([ROOT / "tests/tools/nats-server"], capture_output=True, text=True)
        if server.returncode != 0:
            raise Failed(server.stderr.strip())
        self.env = {**os.environ, "SCOPEFORGE_STATE": str(STATE), "SCOPEFORGE_NATS_SERVER": server.stdout.strip()}
        for name in ("SCOPEFORGE_NATS_URL", "SCOPEFORGE_STORE"):
            self.env.pop(name, None)
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [self.enqueue, "dev", "--listen", "127.0.0.1:0"],
            env=self.env, cwd=ROOT, stdout=self.output, stderr=self.output, start_new_session=True,
        )

    def addresses(self):
        """Waits until the stack is ready; `enqueue dev` writes its addresses then."""
        until = time.monotonic() + READY_LIMIT_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                self.output.seek(0)
                raise Failed("enqueue dev ended:\n" + self.output.read())
            try:
                found = json.loads((STATE / "dev.json").read_text())
                if found["pid"] == self.process.pid:
                    return found
            except (FileNotFoundError, json.JSONDecodeError):
                pass
            time.sleep(0.02)
        raise Failed(f"the stack was not ready within {READY_LIMIT_S} s")

    def run(self, *args):
        """Runs a command for people to see."""
        say("$ enqueue " + " ".join(quote(a) for a in args))
        if subprocess.run([self.enqueue, *args], env=self.env, cwd=ROOT).returncode != 0:
            raise Failed("enqueue " + args[0] + " failed")

    def ask(self, *args):
        """Runs a command for its JSON."""
        done = subprocess.run(
            [self.enqueue, "--json", *args], env=self.env, cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        if done.returncode != 0:
            raise Failed("enqueue " + args[0] + " failed")
        return json.loads(done.stdout)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("the stack did not end within 60 s")


def main():
    programs = (ROOT / sys.argv[1]).resolve()
    stack = Stack(programs)
    try:
        addresses = stack.addresses()
        say(f"stack is up: gateway {addresses['gateway']}, broker {addresses['nats']}, store {addresses['store']}\n")
        stack.run("model", "add", "tests/data/arrival_delay.toml")
        stack.run("train", "arrival_delay", "--scope", "carrier=*,origin=*,dest=*", "--levels", "--wait", "--force")
        show_campaign(stack)
        show_rmse(stack)
        show_predictions(addresses["gateway"])
        stack.run("lag")
    finally:
        stack.stop()
    say("\neverything that was started has ended; the state is kept in .scopeforge/")


def show_campaign(stack):
    campaign = stack.ask("campaign", "list")[0]
    outcomes = campaign["outcomes"]
    if campaign["state"] != "complete" or sum(outcomes.values()) != campaign["planned"]:
        raise Failed(f"the campaign did not add up: {campaign}")
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(outcomes.items()))
    say(f"\n{campaign['planned']} scopes: {kinds}")
    say(f"{campaign['seconds']:.3f} s, {campaign['scopes_per_second']:.0f} scopes per second\n")


def show_rmse(stack):
    by_level = {}
    for fit in stack.ask("fits", "arrival_delay"):
        if fit["metrics"]:
            by_level.setdefault(fit["level"], []).append((fit["metrics"]["rmse"], fit["holdout_rows"]))
    say("level                 fits  RMSE over held-out rows (minutes)")
    for level, scored in sorted(by_level.items()):
        rows = sum(n for _, n in scored)
        rmse = (sum(r * r * n for r, n in scored) / rows) ** 0.5
        say(f"{LEVELS[level]:<20}  {len(scored):>4}  {rmse:.2f}")
    if len(by_level) != len(LEVELS):
        raise Failed("some level has no fit")


def show_predictions(gateway):
    url = f"{gateway}/v1/models/arrival_delay/predict"
    say(f"\nPOST {url}")
    body = json.dumps({"rows": ROWS}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        raise Failed(f"the gateway answered {error.code}: {error.read().decode()}")
    for level, (row, value, place) in enumerate(zip(ROWS, answer["predictions"], answer["fit_of"])):
        if value is None:
            raise Failed(f"no prediction for row {level}: {answer.get('errors')}")
        fit = answer["fits"][place]
        asked = "/".join(row[d] for d in ("carrier", "origin", "dest"))
        say(f"  {asked:<34} -> {value:7.2f} min  by {fit['scope'] or '(all rows)'}, level {fit['level']}, fit {fit['fingerprint'][:12]}")
        if fit["level"] != level:
            raise Failed(f"row {level} was answered by level {fit['level']}")
    say("")


def say(text):
    print(text, flush=True)


def quote(text):
    return f"'{text}'" if any(c in text for c in "*,=| ") else text


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
