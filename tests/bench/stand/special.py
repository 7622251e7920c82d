"""Passes for one question each: latency below capacity, group commit, what reaches the disk."""

import os
import statistics

from . import usage
from .work import WORKLOADS

COMMIT_CLIENTS = 200
SHARE_OF_CAPACITY = 0.7
RATED_SECONDS = 5
TRIES = 3


def find(answer, key):
    """The first object in it that has that key."""
    if isinstance(answer, dict):
        if key in answer:
            return answer
        answer = list(answer.values())
    if isinstance(answer, list):
        for value in answer:
            found = find(value, key)
            if found:
                return found
    return None


def calm(send, most):
    """A pass during which no more than that share of the processors was stolen, or of three the one that lost least.
    Who takes processors away shares their caches too, and what is left is slower. What went wrong in any counts."""
    passes = [send()]
    while passes[-1]["steal"] > most and len(passes) < TRIES:
        passes.append(send())
    best = min(passes, key=lambda one: one["steal"])
    wrong = {key: sum(one[key] for one in passes) for key in ("failures", "lost", "twice")}
    return dict(best, tries=len(passes), **wrong)


def at_rate(stand, server, amount, rate):
    """An open loop: messages begin when they are due, whether or not earlier ones have ended. Long enough for some
    slices of time, of which each has percentiles of its own."""
    _, octets, more, _ = WORKLOADS["kept"]
    out = stand.send(server, amount.at_least(RATED_SECONDS), octets, tuple(more) + ("-q", "%.1f" % max(rate, 1)))
    out["rate"] = rate
    return out


def over_slices(passes):
    """Medians over the slices of all these passes: a processor that is taken away for some ms spoils the p99 of all,
    but of one slice only. 0 where no message was answered, as the load says it of all."""
    out = {}
    for share in ("p50", "p99"):
        values = [us for one in passes for us in one.get("slices_%s_us" % share, ())]
        out["slice_%s_us" % share] = statistics.median(values) if values else 0
        out["slices"] = len(values)
    return out


def group_commit(stand, server, amount):
    """How many messages a sync makes safe, by the kernel's count and by the daemon's."""
    _, octets, more, _ = WORKLOADS["kept"]
    before = find(server.daemon.status(), "spool_syncs")["spool_syncs"]
    out = stand.counted(server, amount.over(COMMIT_CLIENTS), octets, more)
    syncs = find(server.daemon.status(), "spool_syncs")["spool_syncs"] - before
    figures = {"clients": COMMIT_CLIENTS, "messages": out["messages"], "failures": out["failures"],
               "lost": out["lost"], "twice": out["twice"], "steal": out["steal"], "others": out["others"],
               "messages_per_sync_own": out["messages"] / max(syncs, 1)}
    if out.get("syncs"):
        figures["messages_per_sync"] = 1 / out["syncs"]
    return figures


def amplification(stand, server, amount):
    """Octets that the daemon gives to the disk for each octet of 100 KiB messages; its log does not count."""
    _, octets, more, _ = WORKLOADS["big"]
    log = server.daemon.logs[-1]
    before = usage.written_octets(server.pid) - os.path.getsize(log)
    out = stand.send(server, amount, octets, more)
    written = usage.written_octets(server.pid) - os.path.getsize(log) - before
    figures = {"octets": octets, "written_octets": written}
    figures.update({key: out[key] for key in ("messages", "failures", "lost", "twice", "steal", "others")})
    # A file system in memory has no disk to write to.
    if written > 0:
        figures["written_per_octet"] = written / max(out["messages"] * octets, 1)
    return figures
