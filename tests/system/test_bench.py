"""The measuring itself: tests/bench/run works, what it counts is right, and nothing is lost in a small run of it."""

import glob
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
import unittest
from unittest import mock

from rig import dovecot, postfix
from rig.base import PATIENCE, command_line, end_process, run, wait_for
from rig.case import BUILD, Case

BENCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "bench")
sys.path.append(BENCH)

from stand import bars, report, special, usage  # noqa: E402
from stand.look import Look, loop_seconds, places  # noqa: E402

CONDITIONS = ("steal", "others")
FIGURES = ("per_second", "accepted_per_second", "cpu_us", "p50_us", "p99_us", "max_us", "cpu_of_load_us", *CONDITIONS,
           "memory_octets")
COUNTS = ("syncs", "switches", "calls")
MESSAGES = 60

# Twice on its own: the session that it was in is left, its parent has ended.
ORPHAN = """
import os, time
if os.fork():
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
file = os.open(%r, os.O_WRONLY | os.O_CREAT)
for _ in range(7):
    os.write(file, b"x")
    os.fsync(file)
while time.process_time() < 0.2:
    pass
"""


class Small(Case):
    def bench(self, *words):
        """What tests/bench/run wrote. It fails by itself when a message failed, was lost or came twice."""
        file = self.path("figures.json")
        argv = [os.path.join(BENCH, "run"), "--build", BUILD, "--no-build", "--messages", str(MESSAGES),
                "--connections", "10", "--backends", "apps", "--json", file, *words]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True)
        # In time it ends its servers, when this test is ended.
        self.addCleanup(end_process, process)
        said = process.communicate(timeout=140 * PATIENCE)[0]
        self.assertEqual(process.returncode, 0, said)
        with open(file) as f:
            return json.load(f)

    def assertWhole(self, row, figures):
        for name in figures:
            self.assertIsInstance(row.get(name), (int, float), (name, row))
        self.assertEqual([row["failures"], row["lost"], row["twice"]], [0, 0, 0], row)
        self.assertEqual(row["messages"], MESSAGES, row)

    def test_postern_and_the_floor(self):
        servers = ["hybrid", "queue", "floor-pass", "floor-drop"]
        workloads = ["kept", "each", "resumed", "big"]
        figures = self.bench("--servers", ",".join(servers), "--workloads", ",".join(workloads), "--parts",
                             "table,counts,rate,commit,written")
        counts = COUNTS if usage.has_groups() and shutil.which("perf") else ()
        rows = {(r["server"], r["workload"]): r for r in figures["rows"]}
        self.assertEqual(sorted(rows), sorted((s, w) for s in servers for w in workloads))
        for row in rows.values():
            self.assertWhole(row, FIGURES + counts)
            self.assertGreater(row["per_second"], 0)
        for server in servers:
            self.assertGreater(rows[server, "resumed"]["resumed"], MESSAGES // 2)
        if counts:
            self.assertEqual(rows["hybrid", "kept"]["syncs"], 0)
            self.assertGreater(rows["queue", "kept"]["syncs"], 0)
        special = figures["special"]
        for server in ("hybrid", "queue", "floor-pass"):
            found = special["at_70"][server]
            self.assertWhole(found, ("p50_us", "p99_us", "slice_p50_us", "slice_p99_us", "rate", *CONDITIONS))
            # One pass, and so few messages that one slice has them all.
            self.assertEqual((found["slices"], found["slice_p99_us"]), (1, found["p99_us"]), found)
        self.assertEqual(special["at_70"]["floor-pass"]["rate"], special["at_70"]["hybrid"]["rate"])
        self.assertWhole(special["group_commit"], ("messages_per_sync_own", *CONDITIONS))
        self.assertWhole(special["amplification"], CONDITIONS)
        self.assertLess(special["amplification"].get("written_per_octet", 1), 1.2)
        if usage.has_groups():
            self.assertTrue(any("floor" in bar["what"] for bar in figures["bars"]))

    def test_its_peers(self):
        peers = [name for name, missing in (("postfix", not postfix.is_possible()), ("dovecot-shared", dovecot.missing()))
                 if not missing]
        if not peers:
            self.skipTest("neither Postfix nor Dovecot can run here")
        figures = self.bench("--servers", ",".join(peers), "--workloads", "kept,each", "--parts", "table")
        rows = {(r["server"], r["workload"]): r for r in figures["rows"]}
        self.assertEqual(sorted(rows), sorted((s, w) for s in peers for w in ("kept", "each")))
        for row in rows.values():
            self.assertWhole(row, FIGURES[:-1])


class Latency(unittest.TestCase):
    """What is said of latency, from figures that are given."""

    def passes(self, *slices):
        return [{"slices_p50_us": [us // 10 for us in some], "slices_p99_us": list(some)} for some in slices]

    def test_a_stolen_slice_is_one_of_many(self):
        found = special.over_slices(self.passes((1000, 2000, 900000), (3000, 2500)))
        self.assertEqual(found, {"slice_p50_us": 250, "slice_p99_us": 2500, "slices": 5})

    def test_of_whom_nothing_was_answered_the_run_goes_on(self):
        nothing = special.over_slices([{}, {"slices_p50_us": [], "slices_p99_us": []}])
        self.assertEqual(nothing, {"slice_p50_us": 0, "slice_p99_us": 0, "slices": 0})
        row = dict(nothing, name="Postfix", rate=1, p50_us=0, p99_us=0, steal=0, others=0)
        self.assertIn("of 0 slices", report.below_capacity({"at_70": {"postfix": row}})[-1])
        answered = dict(row, slice_p50_us=900, slice_p99_us=5000)
        for ours, peer in ((answered, row), (row, answered)):
            found = bars.of_latency(bars.Measured([]), {"at_70": {"hybrid": ours, "postfix": peer}})
            self.assertEqual(list(found), [])

    def test_bars_of_latency(self):
        def at(p50_us, p99_us):
            return {"slice_p50_us": p50_us, "slice_p99_us": p99_us, "p50_us": 1, "p99_us": 10 ** 7}

        table = [{"workload": "kept", "server": "postfix", "is_main": True, "login": "sasldb", "p50_us": 47000}]
        rates = {"at_70": {"hybrid": at(900, 5000), "postfix": at(4000, 9000)},
                 "at_peers_70": {"hybrid": at(500, 3000)}}

        def said(rows, found):
            return [(bar.value, bar.bar, bar.is_met) for bar in bars.of_latency(bars.Measured(rows), found)]

        self.assertEqual(said(table, rates), [(5, 4, False), (3, 4, True), (5, 47, True)])
        self.assertEqual(said([], rates), [(5, 4, False), (3, 4, True)])
        self.assertEqual(said(table, {"at_70": {"hybrid": at(900, 5000)}}), [(5, 47, True)])
        self.assertEqual(said(table, {}), [])

    def test_a_pass_of_which_much_was_stolen_is_repeated(self):
        def kept(*steal):
            passes = [{"steal": share, "cpu_us": n, "failures": 0, "lost": n, "twice": 0}
                      for n, share in enumerate(steal)]
            out = special.calm(iter(passes).__next__, 0.1)
            return out["cpu_us"], out["tries"], out["lost"]

        self.assertEqual(kept(0.1), (0, 1, 0))
        self.assertEqual(kept(0.3, 0.05), (1, 2, 1))
        self.assertEqual(kept(0.3, 0.2, 0.4), (1, 3, 3))

    def test_a_bar_that_runs_do_not_decide_is_close(self):
        def bar(*ours):
            rows = [{"workload": "kept", "server": server, "name": server, "login": "", "is_main": True, "lost": 0,
                     "cpu_us": statistics.median(runs), "cpu_us_runs": runs}
                    for server, runs in (("hybrid", ours), ("floor-pass", [100] * len(ours)))]
            return [(one.value, one.between, one.is_met, one.is_close) for one in bars.of_cost(bars.Measured(rows))]

        self.assertEqual(bar(140, 140, 140), [(1.4, (1.4, 1.4), True, False)])
        self.assertEqual(bar(140, 160), [(1.5, None, True, False)])
        value, between, is_met, is_close = bar(120, 130, 140, 155, 170)[0]
        self.assertEqual((value, is_met, is_close), (1.4, True, True))
        self.assertTrue(1.2 <= between[0] < 1.4 < between[1] <= 1.7, between)

    def test_conditions_are_medians(self):
        rows = [{"server": "hybrid", "name": "", "login": "", "workload": "kept", "passes_on": True, "is_main": True,
                 "steal": steal, "others": 0.1} for steal in (0.7, 0.01, 0.02)]
        row = report.medians(rows)[0]
        self.assertEqual((row["steal"], row["steal_spread"], row["others"]), (0.02, [0.01, 0.7], 0.1))


class Early(Case):
    def ended(self, command, sig, *words):
        """A command that is ended once its first server runs leaves no process, directory or group."""
        directory = self.path(command)
        os.makedirs(directory)
        os.chmod(directory, 0o755)
        argv = [os.path.join(BENCH, command), "--build", BUILD, "--no-build", *words]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   text=True, env=dict(os.environ, TMPDIR=directory),
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
        self.addCleanup(end_process, process)

        def mine():
            lines = [command_line(int(pid)) for pid in os.listdir("/proc") if pid.isdigit()]
            return [line for line in lines if any(directory in word for word in line)]

        wait_for(lambda: [line for line in mine() if line[0].endswith("/load")], "load to be started")
        process.send_signal(sig)
        said = process.communicate(timeout=30 * PATIENCE)[0]
        self.assertEqual((process.returncode, said), (130, ""))
        wait_for(lambda: not mine(), "the end of: %s" % mine())
        self.assertEqual(os.listdir(directory), [])
        if usage.has_groups():
            self.assertEqual(glob.glob(os.path.join(usage.mounted(), "postern-bench-%d-*" % process.pid)), [])

    def test_run(self):
        self.ended("run", signal.SIGINT, "--servers", "hybrid", "--parts", "table", "--seconds", "60")

    def test_scale(self):
        self.ended("scale", signal.SIGTERM, "--only", "flat")

    def test_what_cannot_go_well_is_said_at_once(self):
        for words, text in ((["--json", self.path("none", "figures.json")], "cannot be written"),
                            (["--build", self.path("none"), "--no-build"], "leave --no-build away")):
            for command in ("run", "scale", "overload"):
                done = run([os.path.join(BENCH, command), *words], check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(text, done.err)
                self.assertNotIn("Traceback", done.err)
        for command, words, text in (("run", "--runs 0", "0 is no whole number"), ("scale", "--runs -1", "-1 is no whole"),
                                     ("run", "--messages 1.5", "1.5 is no whole"),
                                     ("run", "--parts rate", "need the part table"),
                                     ("run", "--parts table,curve --workloads each", "the workload kept")):
            done = run([os.path.join(BENCH, command), "--build", self.path("none"), "--no-build", *words.split()],
                       check=False)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(text, done.err)
        figures = self.path("figures.json")
        for text, why in (("", "holds no figures"), ("{}", "nothing of what was measured")):
            with open(figures, "w") as f:
                f.write(text)
            done = run([os.path.join(BENCH, "plot"), figures, self.path("drawn")], check=False)
            if shutil.which("gnuplot"):
                self.assertIn(why, done.err)
            self.assertNotEqual(done.returncode, 0)


class Sink:
    """Has so many messages each time that it is asked; its last word stands."""

    def __init__(self, *messages):
        self.messages = list(messages)

    def counts(self):
        return {"messages": self.messages.pop(0) if self.messages[1:] else self.messages[0]}

    def processor_seconds(self):
        return 0


class Load:
    def __init__(self, has_ended):
        self.pid, self.has_ended = 1 << 30, has_ended

    def poll(self):
        return 0 if self.has_ended else None


class Looks(unittest.TestCase):
    def test_each_waits_for_its_messages(self):
        sink = Sink(0, 3, 12, 15, 40)
        looks = [Look(sink, os.getpid(), Load(False), at) for at in (10, 40)]
        self.assertEqual([look.messages for look in looks], [12, 40])
        self.assertEqual(Look(Sink(5), os.getpid(), Load(True), 10).messages, 5)

    def test_as_many_are_under_way_at_both(self):
        for connections, messages, expected in ((1, 10000, (1000, 9500)), (10000, 120000, (20000, 110000)),
                                                (50, 1500, (150, 1425)), (50, 400, (100, 350)), (50, 25, (12, 12))):
            self.assertEqual(places(connections, messages), expected)
        for connections, messages, expected in ((1, 5000, (500, 4750)), (10000, 20000, (10000, 19000))):
            self.assertEqual(places(connections, messages, is_even=True), expected)

    def test_what_lies_between_has_its_price(self):
        first = Look(Sink(100), os.getpid(), Load(False), 100)
        end = time.process_time() + 0.1
        while time.process_time() < end:
            pass
        found = first.until(Look(Sink(110), os.getpid(), Load(False), 110))
        self.assertGreaterEqual(found["cpu_us"], 0.08 * 1e6 / 10)
        self.assertEqual((found["cpu_of_load_us"], found["cpu_of_sink_us"]), (0, 0))
        self.assertAlmostEqual(found["daemon"] * os.cpu_count() / found["per_second"], found["cpu_us"] / 1e6)

    def test_a_thread_that_ends_meanwhile_is_none(self):
        with mock.patch("glob.glob", return_value=["/proc/%d/task/%d/" % (os.getpid(), 1 << 30)]):
            self.assertEqual(loop_seconds(os.getpid()), {})


class Usage(Case):
    def test_what_else_runs_on_the_machine(self):
        machine = usage.Machine()
        wait_for(lambda: sum(i * i for i in range(100000)) and machine.shares(0)["others"] > 0, "the kernel to notice")
        shares = machine.shares(10 ** 9)
        self.assertEqual(shares["others"], 0)
        self.assertTrue(0 <= shares["steal"] <= 1, shares)

    @unittest.skipUnless(usage.has_groups(), "needs root and control groups of version 2")
    def test_what_is_orphaned_counts(self):
        group = usage.new("postern-test-%d" % os.getpid())
        self.addCleanup(group.close)
        counted = usage.Counted(group)
        with group.entered():
            process = subprocess.Popen([sys.executable, "-c", ORPHAN % self.path("file")])
        process.wait()
        wait_for(lambda: not group.pids(), "the orphan to end")
        self.assertGreaterEqual(group.processor_seconds(), 0.2)
        if counted.process:
            self.assertEqual(counted.end().figures()["syncs"], 7)
