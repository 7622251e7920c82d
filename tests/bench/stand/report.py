"""Medians over the runs, the table, the ratios beside the bars of the requirement."""

import statistics

from .work import WORKLOADS

# Of a measured pass: each becomes its median, and its least and most are kept beside it.
FIGURES = ("per_second", "accepted_per_second", "cpu_us", "p50_us", "p90_us", "p99_us", "p999_us", "max_us",
           "connect_p50_us", "connect_p99_us", "cpu_of_load_us")
SUMS = ("messages", "failures", "refused", "lost", "twice", "resumed")
COUNTS = ("syncs", "switches", "calls", "memory_octets")

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


def median_row(passes):
    """One row of all passes of a server with a workload."""
    row = {k: passes[0][k] for k in ("server", "name", "login", "workload", "passes_on", "is_main")}
    row["runs"] = len(passes)
    for key in FIGURES:
        values = [p[key] for p in passes if key in p]
        if values:
            row[key] = statistics.median(values)
            row[key + "_spread"] = [min(values), max(values)]
    for key in SUMS:
        row[key] = sum(p.get(key) or 0 for p in passes)
    for key in COUNTS:
        values = [p[key] for p in passes if key in p]
        if values:
            row[key] = statistics.median(values)
    row["said"] = next((p["said"] for p in passes if p.get("said")), "")
    return row


def medians(passes):
    grouped = {}
    for p in passes:
        grouped.setdefault((p["workload"], p["server"], p["login"]), []).append(p)
    return [median_row(some) for some in grouped.values()]


def number(row, key, form="%.0f", scale=1.0):
    return form % (row[key] * scale) if row.get(key) is not None else "-"


def spread(row):
    low, high = row["cpu_us_spread"]
    return "%.0f-%.0f" % (low, high) if row["runs"] > 1 else "-"


COLUMNS = (
    ("messages/s", 11, lambda r: number(r, "per_second")),
    ("CPU us", 9, lambda r: number(r, "cpu_us")),
    ("of runs", 14, spread),
    ("p50 ms", 9, lambda r: number(r, "p50_us", "%.1f", 1e-3)),
    ("p99 ms", 9, lambda r: number(r, "p99_us", "%.1f", 1e-3)),
    ("MB", 7, lambda r: number(r, "memory_octets", "%.0f", 1 / 1048576)),
    ("syncs", 8, lambda r: number(r, "syncs", "%.3f")),
    ("switches", 10, lambda r: number(r, "switches", "%.2f")),
    ("calls", 8, lambda r: number(r, "calls", "%.1f")),
    ("failed", 8, lambda r: number(r, "failures", "%d")),
    ("lost", 6, lambda r: number(r, "lost", "%d") if r["passes_on"] else "-"),
    ("twice", 7, lambda r: number(r, "twice", "%d") if r["passes_on"] else "-"),
)
LEGEND = """\
messages/s   until the smarthost has the last one    CPU us      user + system of all processes of the server, a message
of runs      least and most CPU us of the runs       p50, p99    what a client waits: from MAIL to the 250 of the content,
MB           peak of the sum of their Pss                        from connecting where each message has its own connection
syncs, switches, calls: fsync and fdatasync, context switches, system calls a message (all processes, a pass of its own)
"""


def table(rows):
    lines = []
    for workload, (title, _, _, _) in WORKLOADS.items():
        some = [r for r in rows if r["workload"] == workload]
        if not some:
            continue
        lines += ["", title]
        shows_resumed = workload == "resumed"
        lines.append("%-17s" % "" + "".join(h.rjust(w) for h, w, _ in COLUMNS)
                     + (" resumed" if shows_resumed else "") + "  login by")
        for r in some:
            line = "%-17s" % r["name"] + "".join(f(r).rjust(w) for _, w, f in COLUMNS)
            if shows_resumed:
                line += "%6.0f %%" % (100 * r["resumed"] / max(r["messages"], 1))
            lines.append(line + "  " + r["login"])
            if r["said"]:
                lines.append("    " + r["said"].splitlines()[0])
    return lines + ["", LEGEND.rstrip()]


class Bar:
    """One figure of the requirement: what it is, what came out, what it must be."""

    def __init__(self, what, value, bar, is_most=False, form="%.1f"):
        self.what, self.value, self.bar, self.form = what, value, bar, form
        self.is_most = is_most
        self.is_met = value <= bar if is_most else value >= bar

    def line(self):
        return "%-78s%10s  %-8s %6s  %s" % (self.what, self.form % self.value, "at most" if self.is_most else "at least",
                                            self.form % self.bar, "pass" if self.is_met else "short")

    def record(self):
        return {"what": self.what, "value": self.value, "bar": self.bar, "is_most": self.is_most, "pass": self.is_met}


def bars(rows, special):
    """All that can be said from what was measured."""
    all_of = {}
    for r in rows:
        all_of.setdefault((r["workload"], r["server"]), []).append(r)
    out = []

    def pairs(workload, server, other):
        peer = all_of.get((workload, other))
        return [(r, peer[0]) for r in all_of.get((workload, server), []) if peer and r["is_main"]]

    for workload, server, other, bar in CHEAPER:
        for a, b in pairs(workload, server, other):
            out.append(Bar("%s: %s (%s), times cheaper than %s (%s)" % (workload, a["name"], a["login"], b["name"],
                                                                    b["login"]),
                           b["cpu_us"] / max(a["cpu_us"], 1e-9), bar))
    for workload, server, other, bar in FLOORS:
        for a, b in pairs(workload, server, other):
            out.append(Bar("%s: %s, CPU to %s" % (workload, a["name"], b["name"]),
                           a["cpu_us"] / max(b["cpu_us"], 1e-9), bar, True, "%.2f"))
    for workload, server, other, bar in FASTER:
        for a, b in pairs(workload, server, other):
            out.append(Bar("%s: %s, messages/s to %s" % (workload, a["name"], b["name"]),
                           a["per_second"] / max(b["per_second"], 1e-9), bar))
            out.append(Bar("%s: %s, lost" % (workload, a["name"]), a["lost"], 0, True, "%d"))
    at_70 = special.get("at_70", {})
    for server in ("hybrid", "queue"):
        if server in at_70 and "postfix" in at_70:
            out.append(Bar("at 70 %% load: p99 ms of Postern %s, below the p50 of Postfix" % server,
                           at_70[server]["p99_us"] / 1e3, at_70["postfix"]["p50_us"] / 1e3, True))
    commit = special.get("group_commit")
    if commit:
        out.append(Bar("%d clients, Postern queue: messages a sync" % commit["clients"],
                       commit.get("messages_per_sync", commit["messages_per_sync_own"]), COMMIT_LEAST))
    written = special.get("amplification", {})
    if "written_per_octet" in written:
        out.append(Bar("100 KiB, Postern queue: octets to the disk for one of content", written["written_per_octet"],
                       WRITTEN_MOST, True, "%.3f"))
    return out


def other_ratios(rows):
    """CPU of every server to Postern's with the same workload, for reading."""
    lines = []
    for workload in WORKLOADS:
        some = [r for r in rows if r["workload"] == workload]
        ours = next((r for r in some if r["server"] == "hybrid" and r["is_main"]), None)
        if ours:
            lines.append("%-8s " % workload + "  ".join("%s %.2f" % (r["name"] if r["is_main"] else "%s (%s)" % (
                r["name"], r["login"]), r["cpu_us"] / max(ours["cpu_us"], 1e-9)) for r in some if r is not ours))
    return lines
