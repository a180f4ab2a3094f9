"""A peer as a process that does the work whenever asked."""

import contextlib
import json
import select
import shutil
import subprocess
import time

from processes import HERE, Failed
from rounds import Run
from packages import PYTHON

DATA = "tests/data/flights.parquet"
ANSWER_LIMIT_S = 150
# Whoever listens on every interface does it where `lo` is the only one. All processes in there end with the first, the shell,
# which ends with the peer.
NAMESPACE = ["unshare", "--net", "--pid", "--mount-proc", "--fork", "--kill-child"]
ONLY_LO = [*NAMESPACE, "sh", "-c", 'ip link set lo up && "$@"; exit $?', "only-lo"]


class Peer:
    """One of the scripts in peers/."""

    def __init__(self, bench, script, only_lo=False, env=()):
        self.bench = bench
        self.folder = bench.folder / "models"
        own = {"PYTHONPATH": str(HERE / "peers"), "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(bench.folder)}
        command = [PYTHON, HERE / "peers" / script]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = bench.start(*(ONLY_LO if only_lo else []), *command, env={**own, **dict(env)}, **pipes)

    def ask(self, order):
        """The answer to an order; `ended` of it is when it came."""
        self.folder.mkdir(exist_ok=True)
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps({"data": DATA, "folder": str(self.folder), **order}) + "\n")
            self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], ANSWER_LIMIT_S)[0]:
            raise Failed(f"no answer within {ANSWER_LIMIT_S} s")
        answer = self.process.stdout.readline()
        run = Run(0.0, {}, ended=time.perf_counter())
        if not answer:
            self.process.wait()
            raise self.bench.ended(self.process)
        shutil.rmtree(self.folder)
        answer = json.loads(answer)
        run.seconds, run.scores = answer["seconds"], answer["scores"]
        return run

    def stop(self):
        """Ends the process as the end of its input does, so that it can end what it has started."""
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=15)
        self.bench.stop(self.process)

    def roots(self):
        return [self.process.pid]
