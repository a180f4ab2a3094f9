"""The same campaign with 1, 2, 4 and 8 trainers, each in a container of its own with a quarter of a core.

Run it on a machine that does nothing else: python3 tests/containers/speed.py BINARIES [TAG]
BINARIES is a folder with `enqueue`: containers that ask how far a campaign is would take cores from those that train.
"""

import json
import statistics
import sys
import time
from pathlib import Path

from audit import exactly_once
from sites import Failed, Site, docker, run, say, until

ROUNDS = 3
WORK = ["--algorithm", "forest", "--param", "trees=60", "--param", "max_depth=10"]
LIMIT = ["--cpus", "0.25", "--memory", "1g"]
SHOWN_WITHIN_S = 2


class Watch:
    """`enqueue` beside the containers."""

    def __init__(self, binaries, site):
        address = docker("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", site.ids["nats"])
        self.words = [Path(binaries) / "enqueue", "--json", "--nats-url", f"nats://{address}:4222"]

    def trainers(self):
        return json.loads(run([*self.words, "lag"]))["trainers"]

    def seconds(self, campaign):
        """How long a campaign took, from its order to its end."""
        return json.loads(run([*self.words, "campaign", "watch", campaign, "--wait-seconds", "170"]))["seconds"]


def main(binaries, tag):
    with Site("speed", tag) as site:
        watch = Watch(binaries, site)
        say("trainers  known after   seconds  of one")
        first, running = None, 0
        for trainers in (1, 2, 4, 8):
            known = max(join(site, watch, number) for number in range(running + 1, trainers + 1))
            seconds = [campaign(site, watch) for _ in range(ROUNDS)]
            median = statistics.median(seconds)
            first, running = first or median, trainers
            rounds = ", ".join(f"{one:.1f}" for one in seconds)
            say(f"{trainers:>8}  {known:>9.1f} s  {median:>8.1f}  {first / median:>5.1f}×   ({rounds})")


def join(site, watch, number):
    """Seconds from `docker run` of one more trainer until `enqueue lag` shows it."""
    began = time.monotonic()
    site.trainer(f"trainer-{number}", *LIMIT)
    until(f"trainer {number}", lambda: watch.trainers() == number)
    took = time.monotonic() - began
    if took > SHOWN_WITHIN_S:
        say(f"  trainer {number} was shown after {took:.1f} s, later than {SHOWN_WITHIN_S} s")
    return took


def campaign(site, watch):
    ordered = site.order(*WORK)
    seconds = watch.seconds(ordered)
    exactly_once(site, ordered)
    return seconds


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    try:
        main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "local")
    except Failed as failure:
        sys.exit(f"error: {failure}")
