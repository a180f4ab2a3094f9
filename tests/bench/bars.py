"""Measurements as an SVG: panels of bars, all on one logarithmic scale, with lines from the least to the most."""

import math
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT = 900, 300, 110
BAR, GAP, TITLE, FOOT = 14, 6, 34, 50
OURS, PEER, TEXT, GRID = "#c2410c", "#94a3b8", "#1e293b", "#e2e8f0"


@dataclass
class Bar:
    """A system's median, what is written beside it, and its rounds from the least to the most."""

    name: str
    ours: bool
    median: float
    values: list
    label: str
    bold: bool = False  # the label


@dataclass
class Axis:
    """What the bars mean."""

    title: str
    caption: str
    tick: str  # a format of a decade, with its unit


def picture(axis, panels):
    """An SVG of panels: titles, each with its bars."""
    scale = Scale([value for _, bars in panels for bar in bars for value in bar.values])
    top, parts = 10, []
    for title, bars in panels:
        parts += panel(title, bars, scale, top)
        top += TITLE + len(bars) * (BAR + GAP) + GAP
    height = top + FOOT
    body = "\n".join([*scale.grid(axis, height - FOOT), *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        f' font-family="system-ui, sans-serif" font-size="12" fill="{TEXT}">\n'
        f"<title>{axis.title}</title>\n"
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
    )


class Scale:
    """Values to places, by decades."""

    def __init__(self, values):
        self.first = math.floor(math.log10(min(values)))
        self.last = math.ceil(math.log10(max(values)))

    def x(self, value):
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def grid(self, axis, bottom):
        """A line and a label for each decade."""
        for decade in range(self.first, self.last + 1):
            x = self.x(10**decade)
            yield f'<line x1="{x:.1f}" y1="10" x2="{x:.1f}" y2="{bottom}" stroke="{GRID}"/>'
            yield text(x, bottom + 18, axis.tick.format(10.0**decade), "middle")
        yield text((LEFT + WIDTH - RIGHT) / 2, bottom + 38, axis.caption, "middle")


def panel(title, bars, scale, top):
    """A title, and its bars."""
    yield text(10, top + 22, title, weight="bold")
    for place, bar in enumerate(bars):
        y = top + TITLE + place * (BAR + GAP)
        middle, end = y + BAR / 2, scale.x(bar.median)
        least, most = scale.x(bar.values[0]), scale.x(bar.values[-1])
        yield text(LEFT - 8, y + 11, bar.name, "end", "bold" if bar.ours else "normal")
        yield f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="{BAR}" rx="2" fill="{OURS if bar.ours else PEER}"/>'
        yield f'<line x1="{least:.1f}" y1="{middle}" x2="{most:.1f}" y2="{middle}" stroke="{TEXT}"/>'
        yield text(most + 6, y + 11, bar.label, weight="bold" if bar.bold else "normal")


def text(x, y, words, anchor="start", weight="normal"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
