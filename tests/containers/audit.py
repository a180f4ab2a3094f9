"""Whether every scope of a campaign has exactly one outcome."""

import json
from collections import Counter

from sites import Failed, until


def exactly_once(site, campaign, limit_s=240, may_fail=False):
    """Waits until a campaign is over, and looks at all its scopes."""
    shown, _ = until("the campaign's end", lambda: over(site, campaign), limit_s)
    outcomes = shown["outcomes"]
    if sum(outcomes.values()) != shown["planned"]:
        raise Failed(f"outcomes do not add up to {shown['planned']} scopes: {outcomes}")
    if not may_fail and outcomes != {"trained": 403, "too_few_rows": 88}:
        raise Failed(f"these scopes end as 403 trained and 88 too_few_rows, not as {outcomes}")
    fits = [fit for fit in site.enqueue("fits", "arrival_delay") if fit["campaign"] == campaign]
    counted = Counter((fit["scope"], str(fit["window"])) for fit in fits)
    doubled = [scope for scope, count in counted.items() if count > 1]
    if doubled:
        raise Failed(f"listed more than once: {doubled[:5]}")
    if not may_fail and len(counted) != shown["planned"]:
        raise Failed(f"{len(counted)} of {shown['planned']} scopes are listed")
    lag = site.lag()
    if lag["pending"] or lag["in_flight"] or lag["dead"]:
        raise Failed(f"the queue is not empty: {lag}")
    return shown


def over(site, campaign):
    """The campaign, when it has ended. A broker that is choosing a leader may not answer: then it is asked again."""
    done = site.enqueue("campaign", "show", campaign, check=False)
    shown = json.loads(done.stdout) if done.returncode == 0 else {"state": "running"}
    return shown if shown["state"] != "running" else None
