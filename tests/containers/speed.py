"""The same campaign with 1, 2, 4 and 8 trainers, each in a container of its own with a quarter of a core.

Run it on a machine that does nothing else: python3 tests/containers/speed.py TAG
"""

import statistics
import sys

from audit import exactly_once
from sites import Failed, Site, say

ROUNDS = 5
WORK = ["--algorithm", "forest", "--param", "trees=10", "--param", "max_depth=8"]


def main(tag):
    say("trainers  seconds")
    with Site("speed", tag) as site:
        for trainers in (1, 2, 4, 8):
            for number in range(len(site.ids), trainers + len(site.brokers) + 1):
                site.trainer(f"trainer-{number}", "--cpus", "0.25", "--memory", "1g")
            site.trainers(trainers)
            seconds = [exactly_once(site, site.order(*WORK))["seconds"] for _ in range(ROUNDS)]
            say(f"{trainers:>8}  {statistics.median(seconds):>7.2f}   of {', '.join(f'{one:.2f}' for one in seconds)}")


if __name__ == "__main__":
    try:
        main(sys.argv[1] if len(sys.argv) > 1 else "local")
    except Failed as failure:
        sys.exit(f"error: {failure}")
