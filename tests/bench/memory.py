"""How much memory processes hold, sampled from /proc."""

import contextlib
import threading
import time
from collections import defaultdict
from pathlib import Path

EVERY_S = 0.01


@contextlib.contextmanager
def peak(roots):
    """Samples until the end of `with`; then the list that it gives holds the peak, in bytes.

    `roots()` names the processes, whose descendants count too; memory that several share counts once (PSS).
    """
    found = [0]

    def look():
        found[0] = max(found[0], sum(map(pss_bytes, descendants(roots()))))

    with sampled(look, EVERY_S):
        yield found


@contextlib.contextmanager
def peaks(roots, role):
    """As `peak`, but gives a dictionary: the most that any one process of each role ever held (RSS), in bytes.

    `role(words)` tells it from a process's command line, or gives nothing for one that does not count.
    """
    found = {}

    def look():
        for process in descendants(roots()):
            name = role(command_line(process))
            if name:
                found[name] = max(found.get(name, 0), field_bytes(process, "status", "VmHWM:"))

    with sampled(look, 5 * EVERY_S):
        yield found


@contextlib.contextmanager
def sampled(look, every_s):
    """Calls `look` again and again until the end of `with`, from a thread."""
    ended = threading.Event()

    def sample():
        while not ended.is_set():
            look()
            time.sleep(every_s)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield
    finally:
        ended.set()
        sampler.join()


def descendants(roots):
    """Processes by number: the roots, and all that they and theirs have started."""
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            # The name in brackets may hold spaces.
            children[int(stat.read_text().rpartition(")")[2].split()[1])].append(int(stat.parent.name))
    found = list(roots)
    for process in found:
        found.extend(children[process])
    return set(found)


def pss_bytes(process):
    """Resident memory, that which is shared divided by the number of sharers."""
    return field_bytes(process, "smaps_rollup", "Pss:")


def field_bytes(process, file, name):
    """A size that the system tells of a process; 0 for one that has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


def command_line(process):
    """The words that a process was started with; none for one that has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_text().split("\0")[:-1]
    return []
