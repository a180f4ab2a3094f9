"""Medians as an SVG: one panel for each workload, all on one logarithmic scale, with lines from the least to the most."""

import math
from html import escape

from tables import best_peer

WIDTH, LEFT, RIGHT = 900, 300, 110
BAR, GAP, TITLE, FOOT = 14, 6, 34, 50
OURS, PEER, TEXT, GRID = "#c2410c", "#94a3b8", "#1e293b", "#e2e8f0"


def chart(workloads):
    """The picture of all rows that were measured."""
    timed = [each for each in workloads if each.aim]
    panels = [(each, [row for row in each.rows if row.runs and not row.absent]) for each in timed]
    scale = Scale([seconds for _, rows in panels for row in rows for seconds in row.seconds])
    top, parts = 10, []
    for workload, rows in panels:
        parts += panel(workload, rows, scale, top)
        top += TITLE + len(rows) * (BAR + GAP) + GAP
    height = top + FOOT
    body = "\n".join([*scale.grid(height - FOOT), *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' font-family="system-ui, sans-serif" font-size="12" fill="{TEXT}">\n'
        f"<title>Median seconds of each workload and system</title>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


class Scale:
    """Seconds to places, by decades."""

    def __init__(self, seconds):
        self.first = math.floor(math.log10(min(seconds)))
        self.last = math.ceil(math.log10(max(seconds)))

    def x(self, seconds):
        share = (math.log10(seconds) - self.first) / (self.last - self.first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def grid(self, bottom):
        """A line and a label for each decade."""
        for decade in range(self.first, self.last + 1):
            x = self.x(10**decade)
            yield f'<line x1="{x:.1f}" y1="10" x2="{x:.1f}" y2="{bottom}" stroke="{GRID}"/>'
            yield text(x, bottom + 18, f"{10.0**decade:g} s", "middle")
        yield text((LEFT + WIDTH - RIGHT) / 2, bottom + 38, "median wall time, logarithmic; less is better", "middle")


def panel(workload, rows, scale, top):
    """A title, and a bar for each row."""
    best = best_peer(rows)
    yield text(10, top + 22, workload.title, weight="bold")
    for place, row in enumerate(rows):
        y = top + TITLE + place * (BAR + GAP)
        middle, end = y + BAR / 2, scale.x(row.median)
        least, most = scale.x(row.seconds[0]), scale.x(row.seconds[-1])
        color = OURS if row.system.ours else PEER
        factor = f" · {best.median / row.median:.1f}×" if row.system.ours and best else ""
        yield text(LEFT - 8, y + 11, row.system.name, "end", "bold" if row.system.ours else "normal")
        yield f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="2" fill="{color}"/>'
        yield f'<line x1="{least:.1f}" y1="{middle}" x2="{most:.1f}" y2="{middle}" stroke="{TEXT}"/>'
        yield text(most + 6, y + 11, f"{row.median:.3g} s{factor}", weight="bold" if factor else "normal")


def text(x, y, words, anchor="start", weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
