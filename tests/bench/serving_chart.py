"""Serving's medians as a picture: one panel for each kind of request and number of connections."""

from bars import Axis, Bar, picture

AXIS = Axis("Requests a second by system", "requests a second and p99, medians; bars on a logarithmic scale; longer is better", "{:,g}")
RATE, P99 = "requests_per_s", "p99_ms"


def chart(cells):
    """The picture of all rows that were measured."""
    return picture(AXIS, [(cell.title, [bar(row) for row in cell.measured]) for cell in cells])


def bar(row):
    label = f"{row.median(RATE):,.0f} · {row.median(P99):.3g} ms"
    return Bar(row.kind.title, row.kind.scopeforge, row.median(RATE), row.values(RATE), label, bold=row.kind.scopeforge)
