"""What happens to containers, and what must hold after it: each scenario gets a site with a broker and a store."""

import time

from audit import exactly_once
from sites import Failed, docker, say, until

# Long enough for something to happen to it, on any machine.
LONG = ["--algorithm", "forest", "--param", "trees=40", "--param", "max_depth=10"]
# Packs of lost trainers go to others soon.
SOON = {"SCOPEFORGE_LEASE_SECONDS": "3"}


def under_way(site, *others):
    """A long campaign of which something has landed, by trainer-1 and `others`; lost packs are soon given away."""
    site.trainer("trainer-1", env=SOON)
    for other in others:
        site.trainer(other)
    site.trainers(1 + len(others))
    campaign = site.order(*LONG)
    site.landed(campaign)
    return campaign


def scale(site):
    """1 → 4 → 1 trainers during a campaign; those that leave drain."""
    site.trainer("trainer-1")
    site.trainers(1)
    campaign = site.order(*LONG)
    site.landed(campaign)
    for number in (2, 3, 4):
        site.trainer(f"trainer-{number}")
    began = time.monotonic()
    site.trainers(4)
    say(f"  four trainers are known {time.monotonic() - began:.1f} s after the last was started")
    site.landed(campaign, share=0.05)
    leaving = [site.ids[f"trainer-{number}"] for number in (2, 3, 4)]
    docker("stop", "--time", "30", *leaving)
    for number in (2, 3, 4):
        if site.state(f"trainer-{number}", "ExitCode") != "0":
            raise Failed(f"trainer-{number} did not end by itself")
    if site.campaign(campaign)["state"] == "complete":
        say("  the campaign was over before three had left")
    site.trainers(1)
    exactly_once(site, campaign)


def joins(site):
    """A trainer joins with one variable, takes cores and memory from its container, and shows within two seconds."""
    site.trainer("trainer-1")
    site.trainers(1)
    began = time.monotonic()
    site.start(
        "trainer-2", f"scopeforge/trainer:{site.tag}", "--cpus", "1", "--memory", "512m", "-v", site.volume(),
        env={"SCOPEFORGE_NATS_URL": "nats://nats:4222"},
    )
    started = time.monotonic() - began
    known = site.trainers(2)
    line, _ = until("its log", lambda: next((line for line in site.log("trainer-2").splitlines() if "data_mib=" in line), None))
    say(f"  docker run took {started:.1f} s, and {known:.1f} s later the trainer was known")
    if "slots=1" not in line or "data_mib=128" not in line:
        raise Failed(f"one core and a quarter of 512 MiB are not what it says: {line}")
    if known > 2:
        raise Failed(f"it was not known within 2 s, but after {known:.1f} s")
    exactly_once(site, site.order())


def health(site):
    """Containers tell whether they live and whether they take work, without a shell; one that is stuck is found out."""
    site.trainer("trainer")
    site.program("predictor", "predictor")
    site.program("gateway", "gateway")
    for name in ("trainer", "predictor", "gateway"):
        until(f"a healthy {name}", lambda name=name: site.state(name, "Health.Status") == "healthy")
    until("a ready predictor", lambda: well(site, "predictor", "worker", "check", "--ready"))
    until("a ready gateway", lambda: well(site, "gateway", "gateway", "--check", "ready"))
    docker("stop", site.ids["predictor"])
    until("a gateway without predictors", lambda: not well(site, "gateway", "gateway", "--check", "ready"))
    if not well(site, "gateway", "gateway", "--check", "alive"):
        raise Failed("the gateway is alive, though it has no predictor")
    docker("kill", "--signal", "STOP", site.ids["trainer"])
    until("a trainer without a sign of life", lambda: not well(site, "trainer", "worker", "check"))
    docker("kill", "--signal", "CONT", site.ids["trainer"])
    until("its return", lambda: well(site, "trainer", "worker", "check", "--ready"))


def well(site, name, program, *words):
    return docker("exec", site.ids[name], f"/usr/local/bin/{program}", *words, check=False).returncode == 0


def trainer_apart(site):
    """A trainer that the network loses: its packs go to another, and its late results change nothing."""
    campaign = under_way(site, "trainer-2")
    site.disconnect("trainer-1")
    site.trainers(1)
    time.sleep(4)  # longer than its lease
    site.connect("trainer-1")
    site.trainers(2)
    exactly_once(site, campaign)


def store_apart(site):
    """Redis is gone for a while: results wait for it."""
    campaign = under_way(site)
    site.disconnect("redis")
    time.sleep(5)
    if site.campaign(campaign)["state"] == "complete":
        raise Failed("the campaign ended without a store")
    site.connect("redis")
    exactly_once(site, campaign)


def broker_apart(site):
    """The broker is gone for a while: trainers and what they have found wait for it."""
    campaign = under_way(site)
    site.disconnect("nats")
    time.sleep(5)
    site.connect("nats")
    site.trainers(1)
    exactly_once(site, campaign)


def leader_apart(site):
    """Of three brokers, the one that leads the queue is gone for a while: the others go on, and it comes back."""
    campaign = under_way(site)
    leader, _ = until("a leader", lambda: site.leader("JOBS"))
    site.disconnect(leader)
    _, took = until("another leader", lambda: next_leader(site, leader), 60)
    say(f"  {leader} led the queue; another one {took:.1f} s after it was cut off")
    exactly_once(site, campaign)
    site.connect(leader)
    exactly_once(site, site.order())


def next_leader(site, last):
    # Ask one that is still there.
    site.brokers = sorted(site.brokers, key=lambda name: name != last)
    leader = site.leader("JOBS")
    return leader if leader != last else None


def killed(site):
    """A trainer's container is killed in the middle of its packs."""
    campaign = under_way(site, "trainer-2")
    docker("kill", site.ids["trainer-1"])
    exactly_once(site, campaign)


def out_of_memory(site):
    """The kernel ends learners of a trainer whose container is too small; a larger one finishes what it could not."""
    site.trainer("trainer-1", "--memory", "160m", "--memory-swap", "160m", "--restart", "on-failure")
    site.trainers(1)
    campaign = site.order("--algorithm", "forest", "--param", "trees=12", scopes="carrier=*")
    until("a learner ended by the kernel", lambda: "signal 9" in site.log("trainer-1"), 120)
    site.trainer("trainer-2")
    docker("stop", "--time", "30", site.ids["trainer-1"])
    shown = exactly_once(site, campaign, may_fail=True)
    restarts = docker("inspect", "--format", "{{.RestartCount}}", site.ids["trainer-1"])
    say(f"  {shown['outcomes']}; the small container was started again {restarts} times")


# Scenarios with more than one broker.
CLUSTERED = {"leader-apart": ("nats", "nats-2", "nats-3")}

SCENARIOS = {
    "joins": joins,
    "health": health,
    "scale": scale,
    "trainer-apart": trainer_apart,
    "store-apart": store_apart,
    "broker-apart": broker_apart,
    "leader-apart": leader_apart,
    "killed": killed,
    "out-of-memory": out_of_memory,
}
