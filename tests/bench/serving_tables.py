"""What was measured of serving, as Markdown."""

HEAD = ["", "requests/s", "min – max", "p50 ms", "min – max", "p99 ms", "min – max", "CPU µs"]


def table(cell):
    """A row for each system: medians over the rounds, and the spread."""
    lines = [HEAD, ["---", *["--:"] * (len(HEAD) - 1)]]
    for row in cell.rows:
        name = f"**{row.kind.title}**" if row.kind.scopeforge else row.kind.title
        lines.append([name, *(["–"] * (len(HEAD) - 1) if row.absent else cells(row))])
    absent = [f"* {row.kind.title}: absent, {row.absent}" for row in cell.rows if row.absent]
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ([""] + absent if absent else []))


def cells(row):
    shown = [("requests_per_s", ",.0f"), ("p50_ms", ".2f"), ("p99_ms", ".2f")]
    return [cell for of, form in shown for cell in spread(row, of, form)] + [f"{row.median('cpu_us'):,.0f}"]


def spread(row, of, form):
    values = row.values(of)
    return [format(row.median(of), form), f"{values[0]:{form}} – {values[-1]:{form}}"]
