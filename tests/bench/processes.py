"""The folder and the processes of a measurement. Standard library only."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
END_LIMIT_S = 30


class Failed(Exception):
    """A step did not do what it must."""


class Bench:
    """The folder and the processes of a run; `with` ends them all."""

    def __init__(self, programs):
        self.programs = programs
        self.server = os.environ.get("SCOPEFORGE_NATS_SERVER") or said([ROOT / "tests/tools/nats-server"])
        self.children = []
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SCOPEFORGE_")}

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=CACHE))
        return self

    def __exit__(self, *_):
        with contextlib.ExitStack() as last:
            last.callback(shutil.rmtree, self.folder, ignore_errors=True)
            for child in list(self.children):  # the newest ends first
                last.callback(self.stop, child)

    def start(self, *command, **pipes):
        with (self.folder / "log").open("a") as log:
            child = subprocess.Popen(
                command, cwd=ROOT, env=self.env, text=True, stderr=log, start_new_session=True,
                **{"stdin": subprocess.DEVNULL, "stdout": log, **pipes},
            )
        self.children.append(child)
        return child

    def stop(self, *children):
        """Asks processes to end, with those they started, and waits until they have."""
        running = [child for child in children if child.poll() is None]
        for child in running:
            os.killpg(child.pid, signal.SIGTERM)
        killed = [child for child in running if not ends(child)]
        self.children = [child for child in self.children if child not in children]
        if killed:
            raise Failed(f"did not end within {END_LIMIT_S} s: {[child.args for child in killed]}")

    def finish(self, child, text=None):
        """What a process answers to `text` until it ends by itself."""
        out, _ = child.communicate(text)
        self.children.remove(child)
        if child.returncode != 0:
            raise self.ended(child)
        return json.loads(out) if out.strip() else None

    def ask(self, *args):
        """A command's JSON."""
        return self.finish(self.start(self.programs / "enqueue", "--json", *args, stdout=subprocess.PIPE))

    def wait(self, child, probe):
        """Asks `probe` until it finds something."""
        while not (found := probe()):
            if child.poll() is not None:
                raise self.ended(child)
            time.sleep(0.01)
        return found

    def ended(self, child):
        last_words = (self.folder / "log").read_text().splitlines()[-20:]
        return Failed("\n".join([f"{child.args} ended with {child.returncode}:", *last_words]))


def ends(child):
    """Whether a process that was asked to end does; one that does not is killed."""
    try:
        child.wait(timeout=END_LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
        return False
    return True


def said(command):
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}".strip())
    return done.stdout.strip()
