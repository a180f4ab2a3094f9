"""Ray with two worker processes, which keep the rows; a task has the names of scopes, or nothing to do.

Ray listens on every interface, whatever address it is given: it is run where there is only `lo`.
"""

import itertools
import os

import ray
import work
from serve import serve

PROCESSES = 2
LIMIT_S = 120


@ray.remote
def fit(order, scopes):
    return work.fit_kept(order, scopes)


@ray.remote
def nothing():
    pass


def campaign(order):
    if order["algorithm"] == "nothing":
        ray.get([nothing.remote() for _ in range(order["tasks"])], timeout=LIMIT_S)
        return {}
    tasks = [fit.remote(order, scopes) for scopes in work.chunks(order)]
    return itertools.chain.from_iterable(ray.get(tasks, timeout=LIMIT_S))


def main():
    folder = os.environ["RAY_FOLDER"]
    ray.init(num_cpus=PROCESSES, include_dashboard=False, log_to_driver=False, _temp_dir=folder)
    try:
        serve(campaign)
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
