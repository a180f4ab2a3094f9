"""What every peer does with its standard input and output.

Each line of input is an order (JSON): `data` and `folder`, places; `algorithm`; `scopes`, none for all that have enough rows;
`threads` of one fit; `tasks` that the scopes are dealt to, null for one each; `kept`, whether rows may be kept from the last
order. Its answer is a line of JSON: the seconds that the work took, and each scope's scores.
"""

import json
import sys
import tempfile
import time


def serve(campaign):
    """Answers each order with what `campaign` makes of it."""
    # Libraries that print would break the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        order = json.loads(line)
        # New files, as a campaign's are: to overwrite some takes longer.
        order["folder"] = tempfile.mkdtemp(dir=order["folder"])
        began = time.perf_counter()
        scores = campaign(order)
        seconds = time.perf_counter() - began
        print(json.dumps({"seconds": seconds, "scores": dict(scores)}), file=answers, flush=True)
