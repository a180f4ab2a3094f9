"""joblib on two processes, which keep the rows; a task has the names of scopes."""

import itertools

import joblib
import work
from serve import serve

PROCESSES = 2


def campaign(order):
    tasks = (joblib.delayed(work.fit_kept)(order, scopes) for scopes in work.chunks(order))
    done = joblib.Parallel(n_jobs=PROCESSES, batch_size=1, pre_dispatch="all")(tasks)
    return itertools.chain.from_iterable(done)


if __name__ == "__main__":
    serve(campaign)
