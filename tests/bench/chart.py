"""Training's medians as a picture: one panel for each workload."""

from bars import Axis, Bar, picture
from tables import best_peer

AXIS = Axis("Median seconds of each workload and system", "median wall time, logarithmic; less is better", "{:g} s")


def chart(workloads):
    """The picture of all rows that were measured."""
    return picture(AXIS, [(each.title, bars(each)) for each in workloads if each.aim])


def bars(workload):
    rows = [row for row in workload.rows if row.runs and not row.absent]
    best = best_peer(rows)
    return [bar(row, best) for row in rows]


def bar(row, best):
    compared = bool(row.system.ours and best)
    factor = f" · {best.median / row.median:.1f}×" if compared else ""
    return Bar(row.system.name, row.system.ours, row.median, row.seconds, f"{row.median:.3g} s{factor}", bold=compared)
