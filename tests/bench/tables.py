"""Measurements as Markdown."""


def table(workload):
    """A workload's rows, the medians in the order of its systems."""
    if any(row.system.tasks for row in workload.rows):
        head, cells = ["", "median per second", "min – max"], rate_cells
    else:
        head, cells = ["", "median s", "min – max", "own clock", "mean RMSE", "peak MB", "best peer / it"], time_cells
    best = best_peer(workload.rows)
    lines = [head, ["---", *["--:"] * (len(head) - 1)]]
    for row in workload.rows:
        name = f"**{row.system.name}**" if row.system.ours else row.system.name
        lines.append([name, *(["–"] * (len(head) - 1) if row.absent else cells(row, best))])
    absent = [f"* {row.system.name}: absent, {row.absent}" for row in workload.rows if row.absent]
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ([""] + absent if absent else []))


def time_cells(row, best):
    seconds, own = row.seconds, row.own_median
    return [
        f"{row.median:.3f}",
        f"{seconds[0]:.3f} – {seconds[-1]:.3f}",
        "" if own is None else f"{own:.3f}",
        "" if row.rmse is None else f"{row.rmse:.3f}",
        "" if row.memory_bytes is None else f"{row.memory_bytes / 1e6:,.0f}",
        "" if best is None else f"{best.median / row.median:.1f}×",
    ]


def rate_cells(row, _):
    rates = row.per_second
    return [f"{row.system.tasks / row.median:,.0f}", f"{rates[0]:,.0f} – {rates[-1]:,.0f}"]


def best_peer(rows):
    peers = [row for row in rows if row.runs and not row.absent and not row.system.ours]
    return min(peers, key=lambda row: row.median, default=None)


def best_ours(rows):
    return min((row for row in rows if row.runs and row.system.ours), key=lambda row: row.median, default=None)


def verdict(workload):
    """How ours stands against the best peer."""
    if workload.aim is None:
        return "The aim is 20,000 scopes a second with one a message, 200,000 packed"
    ours, peer = best_ours(workload.rows), best_peer(workload.rows)
    if ours is None or peer is None:
        return "nothing to compare"
    factor = peer.median / ours.median
    reached = "reached" if factor >= workload.aim else "missed"
    return f"{ours.system.name}: {factor:.1f} times faster than {peer.system.name}; the aim of {workload.aim:g} is {reached}"


def planned(workload):
    """How well the work of ours was planned."""
    all, right = (sum(row.packs[place] for row in workload.rows) for place in (0, 1))
    if not all:
        return ""
    return f" {right} of {all} packs took from half to twice of what was planned; the aim is nine in ten."
