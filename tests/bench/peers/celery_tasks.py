"""Celery with a prefork pool of two processes, which keep the rows; a task has the names of scopes, or nothing to do.

Redis, as broker and for the results, is named by REDIS_SOCKET. As a script it starts the worker and orders tasks from it.
"""

import itertools
import os
import signal
import subprocess
import sys

import celery
import work
from serve import serve

PROCESSES = 2
LIMIT_S = 120

REDIS = os.environ["REDIS_SOCKET"]
app = celery.Celery("celery_tasks", broker=f"redis+socket://{REDIS}", backend=f"redis+socket://{REDIS}?virtual_host=1")
app.conf.update(task_serializer="json", worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


@app.task
def fit(order, scopes):
    return work.fit_kept(order, scopes)


@app.task
def nothing():
    pass


def campaign(order):
    if order["algorithm"] == "nothing":
        celery.group(nothing.s() for _ in range(order["tasks"])).apply_async().join_native(LIMIT_S, interval=0.001)
        return {}
    tasks = celery.group(fit.s(order, scopes) for scopes in work.chunks(order))
    return itertools.chain.from_iterable(tasks.apply_async().join_native(LIMIT_S))


def main():
    command = [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", f"--concurrency={PROCESSES}"]
    options = ["--pool=prefork", "--without-gossip", "--without-mingle", "--loglevel=warning"]
    worker = subprocess.Popen([*command, *options], stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        serve(campaign)
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait()


if __name__ == "__main__":
    main()
