"""The order of things: which server, which workload, how often; what came of it."""

import os
import shutil
import statistics
import sys

from rig.certificates import Certificates

from . import report, servers, special, usage
from .command import progress
from .programs import Load, Sink, Trouble
from .work import WORKLOADS, Amount, Stand

PARTS = ("table", "counts", "rate", "commit", "written", "curve")
RATED = ("hybrid", "queue", "postfix")


def one_certificate(directory):
    """The same for all servers."""
    os.makedirs(directory)
    certificates = Certificates(directory)
    certificates.ca.make().issue("relay")
    return certificates


class Bench:
    def __init__(self, args, directory):
        self.args = args
        self.directory = directory
        self.made = 0
        self.amount = Amount(args.connections, args.messages, None if args.messages else args.seconds)
        self.certificates = one_certificate(os.path.join(directory, "certificates"))
        self.sink = Sink(args.build)
        self.stand = Stand(self.sink, Load(args.build, self.certificates.ca.file))
        self.passes = []
        self.at_70 = {}
        self.commits, self.written, self.curve = [], [], []

    def close(self):
        usage.close_all()
        self.stand.load.close()
        self.sink.close()

    def has(self, part):
        return part in self.args.parts

    def opened(self, key, backend, workloads):
        self.made += 1
        place = os.path.join(self.directory, "%d-%s" % (self.made, key))
        os.makedirs(place)
        try:
            return servers.open_one(key, place, self.args.build, self.certificates, self.sink, backend,
                                    "resumed" in workloads)
        except AssertionError as e:
            raise Trouble("%s does not start: %s" % (key, e)) from None

    def visit(self, key, backend, what, workloads=()):
        """A server for as long as what() takes. What it said is shown when something goes wrong."""
        server = self.opened(key, backend, workloads)
        try:
            what(server)
        except (Trouble, AssertionError):
            sys.stderr.write(server.log()[-4000:])
            raise
        finally:
            server.close()
            if not self.args.keep:
                shutil.rmtree(os.path.join(self.directory, "%d-%s" % (self.made, key)), ignore_errors=True)

    def measure(self, server, key, backend, workload, is_first, label):
        row = {"server": key, "name": server.name, "login": server.login, "workload": workload,
               "passes_on": server.passes_on, "is_main": backend == self.args.backends[0]}
        row.update(self.stand.measure(server, workload, self.amount))
        if is_first and self.has("counts"):
            counts = self.stand.count(server, workload, self.amount.part(0.25))
            row.update({k: v for k, v in counts.items() if k in report.COUNTS})
            for k in ("failures", "lost", "twice"):
                row[k] += counts[k]
        self.passes.append(row)
        progress("%s%-17s %-8s %8.0f messages/s %8.0f CPU us/message%s" % (
            label, server.name, workload, row["per_second"], row["cpu_us"],
            "".join("  %d %s" % (row[k], k) for k in ("failures", "lost", "twice") if row[k])))
        return row

    def visit_whole(self, key, is_first, label):
        """All that is asked of a server in one run."""
        backend = self.args.backends[0]
        rows = {}

        def what(server, workloads):
            for w in workloads:
                rows[w] = self.measure(server, key, backend, w, is_first, label)
            if key in RATED and self.has("rate") and "kept" in rows:
                self.below_capacity(server, key, rows["kept"]["per_second"], label)
            if key == "queue":
                self.of_the_spool(server, label)

        if self.has("table") or key == "queue":
            for workloads in servers.visits(key, self.args.workloads if self.has("table") else ()):
                self.visit(key, backend, lambda server, some=workloads: what(server, some), workloads)

    def below_capacity(self, server, key, capacity, label):
        out = special.at_rate(self.stand, server, self.amount, special.SHARE_OF_CAPACITY * capacity)
        self.at_70.setdefault(key, []).append(out)
        progress("%s%-17s 70 %%     %8.0f messages/s %8.1f ms p99" % (label, server.name, out["rate"],
                                                                      out["p99_us"] / 1e3))

    def of_the_spool(self, server, label):
        if self.has("commit"):
            out = special.group_commit(self.stand, server, self.amount)
            self.commits.append(out)
            progress("%s%-17s commit   %8.1f messages a sync" % (label, server.name, out["messages_per_sync_own"]))
        if self.has("written"):
            out = special.amplification(self.stand, server, self.amount)
            self.written.append(out)
            progress("%s%-17s written  %8.3f octets for one" % (label, server.name, out.get("written_per_octet", 0)))

    def visit_with(self, backend, is_first, label):
        """Another login back end: only where logins cost something."""
        some = [w for w in self.args.workloads if WORKLOADS[w][3]]
        if some and "hybrid" in self.args.servers and self.has("table"):
            self.visit("hybrid", backend, lambda server: [
                self.measure(server, "hybrid", backend, w, is_first, label) for w in some])

    def run(self, n):
        label = "run %d of %d  " % (n + 1, self.args.runs)
        for key in self.args.servers:
            self.visit_whole(key, n == 0, label)
            if key == "hybrid":
                for backend in self.args.backends[1:]:
                    self.visit_with(backend, n == 0, label)

    def draw_curve(self, rows):
        for row in rows:
            if row["server"] in RATED and row["workload"] == "kept":
                self.visit(row["server"], self.args.backends[0], lambda server, row=row: self.curve_of(server, row))

    def curve_of(self, server, row):
        for percent in range(10, 101, 10):
            out = special.at_rate(self.stand, server, self.amount.part(0.75), row["per_second"] * percent / 100)
            self.curve.append({"server": row["server"], "name": row["name"], "percent": percent, "rate": out["rate"],
                               "p50_us": out["p50_us"], "p99_us": out["p99_us"], "cpu_us": out["cpu_us"],
                               "failures": out["failures"], "lost": out["lost"], "twice": out["twice"]})
        progress("curve  %s" % server.name)

    def special(self):
        out = {}
        if self.at_70:
            out["at_70"] = {key: middle(some, ("rate", "p50_us", "p99_us", "cpu_us"))
                            for key, some in self.at_70.items()}
        if self.commits:
            out["group_commit"] = middle(self.commits, ("messages_per_sync", "messages_per_sync_own"), ("clients",))
        if self.written:
            out["amplification"] = middle(self.written, ("written_per_octet",), ("octets",))
        if self.curve:
            out["curve"] = self.curve
        return out


def middle(some, medians, same=()):
    """Of several passes with one question: medians, sums of what must not happen, what is alike in all."""
    out = {key: some[0][key] for key in same}
    out["messages"] = sum(one["messages"] for one in some)
    for key in medians:
        values = [one[key] for one in some if key in one]
        if values:
            out[key] = statistics.median(values)
            out[key + "_spread"] = [min(values), max(values)]
    for key in ("failures", "lost", "twice"):
        out[key] = sum(one.get(key, 0) for one in some)
    return out
