"""Scaling, partitions, kills and upgrades of real containers, and what must hold after each. Run by `make test-containers`.

Needs Docker, Python 3.9 or newer, and for the upgrade docker-compose and curl, which it installs where root runs it on
Debian. Removes what it made, but the images.
"""

import argparse
import shutil
import signal
import sys
import time

from autoscaling import autoscaling
from rolling import rolling
from scenarios import CLUSTERED, SCENARIOS
from sites import Failed, Site, run, say

TAG = "containers"
EARLIER = "containers-earlier"
COMPILE_LIMIT_S = 3600
# What runs docker/compose.yaml.
COMPOSED = {"rolling": rolling, "autoscaling": autoscaling}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("binaries", help="the folder of enqueue, worker and gateway")
    parser.add_argument("--only", action="append", metavar="NAME", help="one of " + ", ".join([*SCENARIOS, *COMPOSED]))
    parser.add_argument("--earlier", metavar="FOLDER", help="the programs of an earlier release (tests/tools/programs-of"
                        " makes them): the upgrade begins with them, and goes back to them")
    parser.add_argument("--from-source", action="store_true", help="compile the committed sources in a container (ten minutes or so),"
                        " on the bases of docker/local-base, instead of taking the programs of that folder")
    arguments = parser.parse_args()
    if shutil.which("docker") is None or run(["docker", "version"], check=False).returncode != 0:
        say("no Docker daemon answers: containers are not tested")
        return
    unknown = set(arguments.only or ()) - {*SCENARIOS, *COMPOSED}
    if unknown:
        raise Failed(f"there is no scenario {', '.join(unknown)}")
    run(["docker/local-base", "nats", "redis", "nginx"])
    make_images(arguments)
    passed = 0
    for name, scenario in SCENARIOS.items():
        if arguments.only and name not in arguments.only:
            continue
        said(name, scenario.__doc__)
        began = time.monotonic()
        with Site(f"test-{name}", TAG, CLUSTERED.get(name, ("nats",))) as site:
            scenario(site)
        passed += 1
        say(f"  passed in {time.monotonic() - began:.0f} s")
    earlier = EARLIER if arguments.earlier else None
    if earlier:
        run(["docker/build", "--tag", EARLIER, "--binaries", arguments.earlier])
    for name, scenario in COMPOSED.items():
        if arguments.only and name not in arguments.only:
            continue
        said(name, scenario.__doc__)
        rolling(TAG, earlier) if scenario is rolling else scenario(TAG)
        passed += 1
    say(f"\n{passed} passed, 0 failed")


def make_images(arguments):
    """The images that are tested, tagged TAG."""
    if arguments.from_source:
        run(["docker/local-base", "base", "build"])
        bases = ["--base", "scopeforge/base:local", "--build-image", "scopeforge/build:local"]
        run(["docker/build", "--tag", TAG, "--from-source", *bases], limit_s=COMPILE_LIMIT_S)
    else:
        run(["docker/build", "--tag", TAG, "--binaries", arguments.binaries])


def said(name, doc):
    say(f"{name}: {doc.splitlines()[0]}")


if __name__ == "__main__":
    # Whoever ends it early finds nothing left either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        main()
    except Failed as failure:
        print(f"error: {failure}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
