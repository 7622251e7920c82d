"""Medians over the runs, and the table."""

import statistics

from .work import WORKLOADS

# Of a measured pass: each becomes its median, and its least and most are kept beside it.
FIGURES = ("per_second", "accepted_per_second", "cpu_us", "p50_us", "p90_us", "p99_us", "p999_us", "max_us",
           "connect_p50_us", "connect_p99_us", "cpu_of_load_us", "steal", "others")
# Of these all are kept, in the order of the runs.
RUNS = ("cpu_us", "per_second")
SUMS = ("messages", "failures", "refused", "lost", "twice", "resumed")
COUNTS = ("syncs", "switches", "calls", "memory_octets")


def median_row(passes):
    """One row of all passes of a server with a workload."""
    row = {k: passes[0][k] for k in ("server", "name", "login", "workload", "passes_on", "is_main")}
    row["runs"] = len(passes)
    for key in FIGURES:
        values = [p[key] for p in passes if key in p]
        if values:
            row[key] = statistics.median(values)
            row[key + "_spread"] = [min(values), max(values)]
    for key in RUNS:
        row[key + "_runs"] = [p[key] for p in passes if key in p]
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
    ("stolen", 8, lambda r: number(r, "steal", "%.0f %%", 100)),
    ("others", 8, lambda r: number(r, "others", "%.0f %%", 100)),
    ("failed", 8, lambda r: number(r, "failures", "%d")),
    ("lost", 6, lambda r: number(r, "lost", "%d") if r["passes_on"] else "-"),
    ("twice", 7, lambda r: number(r, "twice", "%d") if r["passes_on"] else "-"),
)
LEGEND = """\
messages/s  until the smarthost has the last one
CPU us      user + system of all of the server's processes, a message (median); of runs: least and most
p50, p99    what a client waits: from MAIL to the 250 of the content, from connecting where each message connects
MB          highest sum of the Pss of the processes
syncs, switches, calls: fsync and fdatasync, context switches, system calls a message, of all processes
stolen      of the machine's processor time, what the hypervisor gave to other machines; it is not in CPU us
others      of the machine's processor time, what other programs here used
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


def below_capacity(special):
    form = "    %-17s%8.0f messages/s   %s   of %d slices   of all %s   %.0f %% stolen, %.0f %% others"
    out = []
    for where, head in (("at_70", "At 70 % of the throughput of each (the floor: of Postern hybrid's)"),
                        ("at_peers_70", "At 70 % of Postfix's throughput")):
        lines = [form % (r["name"], r["rate"], percentiles(r, "slice_"), r["slices"], percentiles(r, ""),
                         100 * r["steal"], 100 * r["others"])
                 for r in special.get(where, {}).values()]
        out += ["", head] + lines if lines else []
    return out


def percentiles(r, of):
    return "p50 %5.1f ms  p99 %6.1f ms" % (r[of + "p50_us"] / 1e3, r[of + "p99_us"] / 1e3)


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
