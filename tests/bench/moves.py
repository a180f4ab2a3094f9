"""How soon all predictors answer by a channel that was moved. Standard library only."""

import threading
import time

from processes import Failed

MOVES = 5  # there and back, each
ASKED = 500  # scopes of one request, which both predictors answer
LIMIT_S = 30


def moved(stack, model, fits):
    """Milliseconds from the start of `channel promote` and of `rollback` until both predictors answer by it, ascending."""
    trainer = stack.bench.start(stack.bench.programs / "worker", "train", env=stack.env)
    # Other fits: a move that changes no answer is taken back together with the one before.
    done = stack.ask("train", model, "--scope", "user=*", "--wait", "--param", "alpha=2", "--channel", "next")
    if done["outcomes"] != {"trained": fits}:
        raise Failed(f"the campaign ended with {done}")
    second = stack.bench.start(stack.bench.programs / "worker", "infer", env=stack.env)
    stack.bench.wait(second, lambda: b"scopeforge_predictors 2" in stack.get("/metrics")[1])
    users = range(0, fits, fits // ASKED)
    before, after = campaigns(stack, users), {done["id"]}
    took = {"promote": [], "rollback": []}
    for _ in range(MOVES):
        took["promote"].append(move(stack, ("promote", model, "next"), users, (before, after)))
        took["rollback"].append(move(stack, ("rollback", model), users, (after, before)))
    stack.bench.stop(second, trainer)
    return {name: sorted(each) for name, each in took.items()}


def move(stack, words, users, states):
    """Asks without a pause while a command moves the channel; no answer may be of two states."""
    began = time.perf_counter()
    command = threading.Thread(target=stack.ask, args=("channel", *words))
    command.start()
    while (found := campaigns(stack, users)) != states[1]:
        if found != states[0]:
            raise Failed(f"an answer of the campaigns {found}, which are not of one state")
        if time.perf_counter() - began > LIMIT_S:
            raise Failed(f"{words[0]} is not seen after {LIMIT_S} s")
    took_ms = (time.perf_counter() - began) * 1e3
    command.join()
    return took_ms


def campaigns(stack, users):
    """The campaigns that answer."""
    return {fit["campaign"] for fit in stack.answer(users)["fits"]}
