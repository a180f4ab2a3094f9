"""The folders and the processes of a measurement. Standard library only."""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CACHE = ROOT / ".cache"
END_LIMIT_S = 30


class Failed(Exception):
    """A step did not do what it must."""


class TooLong(Exception):
    """The whole run takes too long; no peer's failure."""


def say(text):
    print(text, flush=True)


def as_command(main):
    """Runs a benchmark's main to its end or to a signal's; what went wrong is one line, and the exit code 1."""
    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, lambda number, _: sys.exit(128 + number))
    try:
        main()
    except (Failed, TooLong) as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


class Bench:
    """The folders and the processes of a run; `with` ends them all."""

    def __init__(self, programs):
        self.programs = programs
        self.nats_server = tool("SCOPEFORGE_NATS_SERVER", "nats-server")
        self.children = []
        self.started = 0
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("SCOPEFORGE_")}

    @functools.cached_property
    def redis_server(self):
        return tool("SCOPEFORGE_REDIS_SERVER", "redis-server")

    def __enter__(self):
        CACHE.mkdir(exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="bench-", dir=CACHE))
        # The path of a socket has room for about 100 characters.
        self.sockets = Path(tempfile.mkdtemp(prefix="bench-"))
        return self

    def __exit__(self, *_):
        with contextlib.ExitStack() as last:
            last.callback(shutil.rmtree, self.folder, ignore_errors=True)
            last.callback(shutil.rmtree, self.sockets, ignore_errors=True)
            for child in list(self.children):  # the newest ends first
                last.callback(self.stop, child)

    def start(self, *command, env=(), **pipes):
        """Starts a process with `env` added to its environment."""
        self.started += 1
        log_path = self.folder / f"{self.started}.log"
        with log_path.open("w") as log:
            child = subprocess.Popen(
                command, cwd=ROOT, env={**self.env, **dict(env)}, text=True, stderr=log, start_new_session=True,
                **{"stdin": subprocess.DEVNULL, "stdout": log, **pipes},
            )
        child.log_path = log_path
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

    def finish(self, child):
        """What a process prints until it ends by itself."""
        out, _ = child.communicate()
        self.children.remove(child)
        if child.returncode != 0:
            raise self.ended(child)
        return out

    def wait(self, child, probe):
        """Asks `probe` until it finds something."""
        while not (found := probe()):
            if child.poll() is not None:
                raise self.ended(child)
            time.sleep(0.01)
        return found

    def ended(self, child):
        last_words = child.log_path.read_text().splitlines()[-20:]
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


def tool(variable, name):
    """A server's program: the one that `variable` names, else what the script in tests/tools finds."""
    return os.environ.get(variable) or said([ROOT / "tests/tools" / name])


def said(command):
    """What a command prints."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}".strip())
    return done.stdout.strip()
