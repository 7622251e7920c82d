"""The order of things: which server, which workload, how often; what came of it."""

import contextlib
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
REFERENCE = "floor-pass"
CURVE = ("rate", "p50_us", "p99_us", "cpu_us", "steal", "others", "failures", "lost", "twice")


def one_certificate(directory):
    """The same for all servers."""
    os.makedirs(directory)
    certificates = Certificates(directory)
    certificates.ca.make().issue("relay")
    return certificates


class Opened:
    """Servers, each started when it is first asked for; all are there until the end, the others at rest."""

    def __init__(self, bench):
        self.bench = bench
        self.servers = {}

    def __enter__(self):
        return self

    def get(self, *which):
        if which not in self.servers:
            self.servers[which] = self.bench.open(*which)
        return self.servers[which][0]

    def __exit__(self, *_):
        with contextlib.ExitStack() as stack:
            for server, place in self.servers.values():
                stack.callback(self.bench.leave, server, place)


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
        self.at_70, self.at_peers_70 = {}, {}
        self.commits, self.written, self.curve = [], [], []

    def close(self):
        usage.close_all()
        self.stand.load.close()
        self.sink.close()

    def has(self, part):
        return part in self.args.parts

    def open(self, key, backend, variant):
        """The server, and the directory that is its own."""
        self.made += 1
        place = os.path.join(self.directory, "%d-%s" % (self.made, key))
        os.makedirs(place)
        try:
            return servers.open_one(key, place, self.args.build, self.certificates, self.sink, backend,
                                    variant == "resumed"), place
        except AssertionError as e:
            raise Trouble("%s does not start: %s" % (key, e)) from None

    def leave(self, server, place):
        server.close()
        if not self.args.keep:
            shutil.rmtree(place, ignore_errors=True)

    @contextlib.contextmanager
    def heard(self, server):
        """What it said is shown when something goes wrong."""
        try:
            yield
        except (Trouble, AssertionError):
            sys.stderr.write(server.log()[-4000:])
            raise

    def measure(self, server, key, backend, workload, is_first, label):
        row = {"server": key, "name": server.name, "login": server.login, "workload": workload,
               "passes_on": server.passes_on, "is_main": backend == self.args.backends[0]}
        row.update(special.calm(lambda: self.stand.measure(server, workload, self.amount), self.args.stolen / 100))
        if is_first and self.has("counts"):
            counts = self.stand.count(server, workload, self.amount.part(0.25))
            row.update({k: v for k, v in counts.items() if k in report.COUNTS})
            for k in ("failures", "lost", "twice"):
                row[k] += counts[k]
        self.passes.append(row)
        progress("%s%-17s %-8s %8.0f messages/s %8.0f CPU us/message%s%s" % (
            label, server.name, workload, row["per_second"], row["cpu_us"], conditions(row),
            "".join("  %d %s" % (row[k], k) for k in ("failures", "lost", "twice") if row[k])))
        return row

    def entries(self, n):
        """Who is measured in a run: server and login back end. Every second run goes through them the other way round, so
        that what drifts falls on all."""
        main = self.args.backends[0]
        some = [(key, main) for key in self.args.servers]
        if "hybrid" in self.args.servers:
            at = self.args.servers.index("hybrid") + 1
            some[at:at] = [("hybrid", backend) for backend in self.args.backends[1:]]
        return some[::-1] if n % 2 else some

    def is_asked(self, backend, workload):
        """Another login back end only where logins cost something."""
        return backend == self.args.backends[0] or WORKLOADS[workload][3]

    def tables(self, n, opened, label):
        """Workload by workload, so that passes that are compared follow each other."""
        for workload in self.args.workloads if self.has("table") else ():
            for key, backend in self.entries(n):
                if self.is_asked(backend, workload):
                    server = opened.get(key, backend, servers.variant(key, workload))
                    with self.heard(server):
                        self.measure(server, key, backend, workload, n == 0, label)

    def specials(self, opened, label):
        backend = self.args.backends[0]
        if self.has("rate"):
            self.rates(opened, label)
        if "queue" in self.args.servers and (self.has("commit") or self.has("written")):
            server = opened.get("queue", backend, "")
            with self.heard(server):
                self.of_the_spool(server, label)

    def rates(self, opened, label):
        """Each at 70 % of what it has just done; Postern at 70 % of what Postfix did; and the floor at both rates,
        which shows how long clients, smarthost and machine alone make a message wait."""
        backend = self.args.backends[0]
        capacity = {row["server"]: row["per_second"] for row in self.passes
                    if row["workload"] == "kept" and row["is_main"]}
        for key in (*RATED, REFERENCE):
            own = capacity.get("hybrid" if key == REFERENCE else key)
            if key not in self.args.servers:
                continue
            server = opened.get(key, backend, "")
            with self.heard(server):
                if own:
                    self.below_capacity(server, key, own, self.at_70, label)
                if key != "postfix" and "postfix" in capacity:
                    self.below_capacity(server, key, capacity["postfix"], self.at_peers_70, label)

    def below_capacity(self, server, key, capacity, found, label):
        rate = special.SHARE_OF_CAPACITY * capacity
        out = special.calm(lambda: special.at_rate(self.stand, server, self.amount, rate), self.args.stolen / 100)
        found.setdefault(key, []).append(dict(out, name=server.name))
        progress("%s%-17s 70 %%     %8.0f messages/s %8.1f ms p99, of slices %.1f%s" % (
            label, server.name, out["rate"], out["p99_us"] / 1e3, special.over_slices([out])["slice_p99_us"] / 1e3,
            conditions(out)))

    def of_the_spool(self, server, label):
        if self.has("commit"):
            out = special.group_commit(self.stand, server, self.amount)
            self.commits.append(out)
            progress("%s%-17s commit   %8.1f messages a sync%s" % (label, server.name, out["messages_per_sync_own"],
                                                                   conditions(out)))
        if self.has("written"):
            out = special.amplification(self.stand, server, self.amount)
            self.written.append(out)
            progress("%s%-17s written  %8.3f octets for one%s" % (label, server.name, out.get("written_per_octet", 0),
                                                                  conditions(out)))

    def run(self, n):
        label = "run %d of %d  " % (n + 1, self.args.runs)
        with Opened(self) as opened:
            self.tables(n, opened, label)
            self.specials(opened, label)

    def draw_curve(self, rows):
        for row in rows:
            if row["server"] in RATED and row["workload"] == "kept":
                with Opened(self) as opened:
                    server = opened.get(row["server"], self.args.backends[0], "")
                    with self.heard(server):
                        self.curve_of(server, row)

    def curve_of(self, server, row):
        for percent in range(10, 101, 10):
            out = special.at_rate(self.stand, server, self.amount.part(0.75), row["per_second"] * percent / 100)
            point = {key: out[key] for key in CURVE}
            point.update(special.over_slices([out]), server=row["server"], name=row["name"], percent=percent)
            self.curve.append(point)
        progress("curve  %s" % server.name)

    def special(self):
        out = {}
        for name, found in (("at_70", self.at_70), ("at_peers_70", self.at_peers_70)):
            if found:
                out[name] = {key: dict(middle(some, ("rate", "p50_us", "p99_us", "cpu_us", "steal", "others"),
                                              ("name",)),
                                       **special.over_slices(some), passes=some) for key, some in found.items()}
        if self.commits:
            syncs = ("messages_per_sync", "messages_per_sync_own", "steal", "others")
            out["group_commit"] = middle(self.commits, syncs, ("clients",))
        if self.written:
            out["amplification"] = middle(self.written, ("written_per_octet", "steal", "others"), ("octets",))
        if self.curve:
            out["curve"] = self.curve
        return out


def conditions(out):
    again = ", the calmest of %d" % out["tries"] if out.get("tries", 1) > 1 else ""
    return "  %2.0f %% stolen, %2.0f %% others%s" % (100 * out["steal"], 100 * out["others"], again)


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
