"""A loop in one process; it reads the file each time, or keeps the rows."""

import work
from serve import serve


def campaign(order):
    rows = work.kept(order) if order["kept"] else work.read(order)
    return {scope: work.fit(order, scope, *arrays) for scope, arrays in rows.items()}


if __name__ == "__main__":
    serve(campaign)
