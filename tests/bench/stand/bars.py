"""What the requirement asks for, beside what was measured."""

import random
import statistics

# Workload, server, to what, at least how many times cheaper.
CHEAPER = (
    ("kept", "hybrid", "postfix", 20),
    ("kept", "hybrid", "dovecot", 7),
    ("kept", "queue", "postfix", 15),
    ("each", "hybrid", "postfix", 7),
    ("each", "hybrid", "dovecot", 5),
    ("big", "hybrid", "postfix", 20),
    ("big", "hybrid", "dovecot", 8),
)
# Workload, server, which floor, at most how many times as dear.
FLOORS = (
    ("kept", "hybrid", "floor-pass", 1.5),
    ("each", "hybrid", "floor-pass", 1.25),
)
# The same for messages a second.
FASTER = (("kept", "hybrid", "postfix", 8),)
COMMIT_LEAST = 20
WRITTEN_MOST = 1.1
SERIES = 1000


class Bar:
    """One figure of the requirement: what it is, what came out, what it must be; and between which values it may come
    out in other series like this one."""

    def __init__(self, what, value, bar, is_most=False, form="%.1f", between=None):
        self.what, self.value, self.bar, self.form, self.between = what, value, bar, form, between
        self.is_most = is_most
        self.is_met = value <= bar if is_most else value >= bar
        self.is_close = bool(between) and between[0] < bar < between[1]

    def line(self):
        between = "(%s-%s)" % tuple(self.form % value for value in self.between) if self.between else ""
        return "%-95s%8s %-13s %-8s %6s  %s" % (self.what, self.form % self.value, between,
                                                "at most" if self.is_most else "at least", self.form % self.bar,
                                                ("pass" if self.is_met else "short") + ", closely" * self.is_close)

    def record(self):
        return {"what": self.what, "value": self.value, "bar": self.bar, "is_most": self.is_most, "pass": self.is_met,
                "between": self.between, "close": self.is_close}


def between(over, under, key):
    """The ratio of medians in nine of ten series of as many runs, drawn at random from these."""
    runs = list(zip(over.get(key + "_runs", ()), under.get(key + "_runs", ())))
    if len(runs) < 3 or not all(low for _, low in runs):
        return None
    chance = random.Random(1)
    ratios = []
    for _ in range(SERIES):
        series = [chance.choice(runs) for _ in runs]
        ratios.append(statistics.median(a for a, _ in series) / statistics.median(b for _, b in series))
    ratios.sort()
    return ratios[SERIES // 20], ratios[-SERIES // 20]


class Measured:
    """Rows by workload and server."""

    def __init__(self, rows):
        self.of = {}
        for r in rows:
            self.of.setdefault((r["workload"], r["server"]), []).append(r)

    def pairs(self, workload, server, other):
        """Postern with its first login back end, and with another where the peer has the same; each with the peer.
        None where the clock was too coarse for so few messages."""
        peers = self.of.get((workload, other), [])[:1]
        return [(r, peer) for peer in peers for r in self.of.get((workload, server), [])
                if (r["is_main"] or r["login"] == peer["login"]) and r["cpu_us"] and peer["cpu_us"]]


def of_cost(measured):
    for workload, server, other, bar in CHEAPER:
        for a, b in measured.pairs(workload, server, other):
            what = "%s: %s (%s), times cheaper than %s (%s)" % (workload, a["name"], a["login"], b["name"], b["login"])
            yield Bar(what, b["cpu_us"] / a["cpu_us"], bar, between=between(b, a, "cpu_us"))
    for workload, server, other, bar in FLOORS:
        for a, b in measured.pairs(workload, server, other):
            yield Bar("%s: %s (%s), CPU to %s" % (workload, a["name"], a["login"], b["name"]),
                      a["cpu_us"] / b["cpu_us"], bar, True, "%.2f", between(a, b, "cpu_us"))


def of_latency(measured, special):
    """Below Postfix's median, which may be read in three ways: each at 70 % of what it can do; both at the same load,
    70 % of what Postfix can do; and the median of the table, where clients send as fast as it goes. At a rate all
    percentiles are medians over slices of time, of Postern and Postfix alike."""
    at_capacity = next((r for r in measured.of.get(("kept", "postfix"), []) if r["is_main"]), None)
    postfix = special.get("at_70", {}).get("postfix")
    readings = (
        ("at_70", postfix, "slice_p50_us", "at 70 % of its own, p99 in ms (slices), to Postfix's p50 at its 70 %"),
        ("at_peers_70", postfix, "slice_p50_us", "at 70 % of Postfix's, p99 in ms (slices), to Postfix's p50 there"),
        ("at_70", at_capacity, "p50_us", "at 70 % of its own, p99 in ms (slices), to Postfix's p50 as fast as it goes"),
    )
    for where, peer, p50, words in readings:
        for server in ("hybrid", "queue"):
            ours = special.get(where, {}).get(server, {}).get("slice_p99_us")
            # Of whom no message was answered, nothing can be said.
            if ours and peer and peer[p50]:
                yield Bar("Postern %s %s" % (server, words), ours / 1e3, peer[p50] / 1e3, True)


def of_speed(measured):
    for workload, server, other, bar in FASTER:
        for a, b in measured.pairs(workload, server, other):
            yield Bar("%s: %s, messages/s to %s" % (workload, a["name"], b["name"]), a["per_second"] / b["per_second"],
                      bar, between=between(a, b, "per_second"))
            yield Bar("%s: %s, messages lost" % (workload, a["name"]), a["lost"], 0, True, "%d")


def of_spool(special):
    commit = special.get("group_commit")
    if commit:
        yield Bar("%d clients, Postern queue: messages a sync" % commit["clients"],
                  commit.get("messages_per_sync", commit["messages_per_sync_own"]), COMMIT_LEAST)
    written = special.get("amplification", {})
    if "written_per_octet" in written:
        yield Bar("100 KiB, Postern queue: octets to the disk for one of content", written["written_per_octet"],
                  WRITTEN_MOST, True, "%.3f")


def of(rows, special):
    """All that can be said from what was measured."""
    measured = Measured(rows)
    return [*of_cost(measured), *of_speed(measured), *of_latency(measured, special), *of_spool(special)]
