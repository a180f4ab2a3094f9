"""How much of the cores processes have used, from /proc."""

import contextlib
import os
from pathlib import Path

from memory import descendants

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def used_s(roots):
    """Seconds of one core since they began, in the kernel too, of processes and of all that they have started."""
    return sum(map(ticks, descendants(roots))) / TICKS_PER_S


def ticks(process):
    """Those of one process; 0 for one that has ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])
    return 0
