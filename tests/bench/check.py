#!/usr/bin/python3
"""Checks the programs that measure: every kind of load, through the floor to the sink, arrives whole and once.

    tests/bench/check.py LOAD SINK FLOOR
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import traceback

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
sys.dont_write_bytecode = True
os.environ["PATH"] += ":/usr/sbin:/sbin"

from rig.certificates import Authority  # noqa: E402

LOAD, SINK, FLOOR = sys.argv[1:4]


class Program:
    """One that prints "port N" and goes on."""

    def __init__(self, *argv):
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])

    def counts(self):
        self.process.stdin.write("?\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class Stand:
    """A sink, a floor in front of it that takes STARTTLS, and one that takes TLS."""

    def __init__(self, directory):
        self.ca = Authority(directory, "ca").make()
        self.pair = self.ca.issue("relay")
        self.programs = []
        self.sink = self.start(SINK, "--chunking")
        self.starttls = self.floor("-T", "-f", "127.0.0.1:%d" % self.sink.port)
        self.implicit = self.floor("-i", "-t", "2", "-T", "-f", "127.0.0.1:%d" % self.sink.port)
        self.next_id = 1

    def start(self, *argv):
        self.programs.append(Program(*argv))
        return self.programs[-1]

    def floor(self, *options):
        return self.start(FLOOR, *options, self.pair.chain, self.pair.key)

    def close(self):
        for program in self.programs:
            program.close()

    def argv(self, port, messages, *options):
        self.next_id += messages
        return [LOAD, "-a", self.ca.file, "-n", str(messages), "-f", str(self.next_id - messages), *options,
                "127.0.0.1", str(port)]

    def load(self, port, messages, *options, status=0):
        done = subprocess.run(self.argv(port, messages, *options), stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, timeout=60, check=False)
        equal(done.returncode, status, done.stderr + done.stdout)
        return json.loads(done.stdout.splitlines()[-1])

    def deliver(self, messages, *options, floor=None, recipients=1, octets=4096):
        """All that were sent are in the sink once: messages, recipients, and about as many octets."""
        before = self.sink.counts()
        out = self.load((floor or self.starttls).port, messages, *options)
        after = self.sink.counts()
        come = {name: after[name] - before[name] for name in after}
        equal(out["messages"], messages, out)
        equal(out["failures"], 0, out)
        equal(come["messages"], messages, come)
        equal(come["duplicates"], 0, come)
        equal(come["recipients"], messages * recipients, come)
        if octets:
            per_message = come["octets"] / messages
            true(octets - 80 <= per_message <= octets + 300 + 40 * recipients, per_message)
        true(0 < out["p50_us"] <= out["p90_us"] <= out["p99_us"] <= out["p999_us"] <= out["max_us"], out)
        return out


def equal(a, b, what=""):
    if a != b:
        raise AssertionError("%r is not %r: %s" % (a, b, what))


def true(holds, what=""):
    if not holds:
        raise AssertionError("not so: %s" % (what,))


def kept_open(stand):
    out = stand.deliver(100, "-c", "10")
    true(0 < out["connect_p50_us"] <= out["connect_p99_us"] and out["cpu_us"] > 0 and out["resumed"] == 0, out)


def threads(stand):
    stand.deliver(100, "-c", "7", "-t", "3")


def one_each(stand):
    equal(stand.deliver(10, "-1", "-c", "5", "-b", "3")["resumed"], 0)


def one_each_resumed(stand):
    equal(stand.deliver(9, "-1", "-R", "-c", "3")["resumed"], 6)


def one_ticket_resumed(stand):
    floor = stand.floor("-r", "-f", "127.0.0.1:%d" % stand.sink.port)
    equal(stand.deliver(6, "-1", "-R", "-c", "2", floor=floor)["resumed"], 4)


def no_ticket_not_resumed(stand):
    equal(stand.load(stand.floor().port, 4, "-1", "-R", "-c", "1")["resumed"], 0)


def tls_from_the_first_octet(stand):
    stand.deliver(20, "-i", "-c", "4", floor=stand.implicit)
    equal(stand.deliver(6, "-i", "-1", "-R", "-c", "2", floor=stand.implicit)["resumed"], 4)


def pipelined(stand):
    stand.deliver(50, "-p", "-c", "5")


def recipients(stand):
    stand.deliver(20, "-r", "3", "-c", "4", recipients=3)
    stand.deliver(20, "-r", "3", "-p", "-c", "4", recipients=3)


def sizes(stand):
    for octets in (300, 16384, 16385, 102400, 1500000):
        stand.deliver(3, "-s", str(octets), "-c", "2", octets=octets)


def mixed_sizes(stand):
    before = stand.sink.counts()["octets"]
    stand.deliver(60, "-s", "1000:8,50000:1,500000:0.5", "-c", "5", octets=None)
    octets = stand.sink.counts()["octets"] - before
    true(60 * 1000 + 50000 < octets < 60 * 100000, octets)


def open_loop(stand):
    out = stand.deliver(40, "-q", "200", "-c", "5")
    true(out["seconds"] >= 39 / 200 and "late" in out, out)
    stand.deliver(10, "-q", "200", "-1", "-c", "5", "-t", "2")


def each_slice_of_time_by_itself(stand):
    """A connection that takes 5 ms a message, of which 400 a second are due, falls behind from slice to slice."""
    slow = stand.start(SINK, "--delay", "5")
    floor = stand.floor("-f", "127.0.0.1:%d" % slow.port)
    out = stand.load(floor.port, 250, "-q", "400", "-c", "1")
    equal((out["slice_messages"], len(out["slices_p50_us"]), len(out["slices_p99_us"])), (100, 2, 2), out)
    true(out["slices_p50_us"][1] - out["slices_p99_us"][0] > 50000, out)
    true(out["slices_p99_us"][1] <= out["max_us"], out)
    for i in (0, 1):
        true(0 < out["slices_p50_us"][i] < out["slices_p99_us"][i], out)


def a_slice_has_as_many_messages_as_it_needs(stand):
    for messages, rate, in_one in ((500, 1000, 250), (60, 2000, 60)):
        out = stand.deliver(messages, "-q", str(rate), "-c", "5", "-t", "2")
        equal((out["slice_messages"], len(out["slices_p99_us"])), (in_one, messages // in_one), out)
    true("slices_p99_us" not in stand.deliver(10, "-c", "5"))


def few_connections_to_the_smarthost(stand):
    before = stand.sink.counts()["connections"]
    stand.deliver(60, "-c", "20", floor=stand.floor("-c", "2", "-t", "2", "-f", "127.0.0.1:%d" % stand.sink.port))
    true(1 <= stand.sink.counts()["connections"] - before <= 2)


def connections_to_the_smarthost_are_dealt_out_to_the_last(stand):
    for most, connections in (("5", 5), ("2", 3)):
        slow = stand.start(SINK, "--delay", "30")
        floor = stand.floor("-c", most, "-t", "3", "-f", "127.0.0.1:%d" % slow.port)
        equal(stand.load(floor.port, 24, "-c", "12")["messages"], 24)
        equal(slow.counts()["connections"], connections)


def who_waits_for_a_smarthost_may_leave(stand):
    slow = stand.start(SINK, "--delay", "300")
    floor = stand.floor("-c", "1", "-f", "127.0.0.1:%d" % slow.port)
    talks = [Talk(floor.port) for _ in range(3)]
    for talk in talks:
        talk.expect("220")
        talk.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
        talk.expect("250", "250")
    talks[0].expect("354")
    talks[1].close()
    talks[0].send("first\r\n.\r\n")
    talks[0].expect("250")
    # The hop goes on to who still waits; its client's early end passes it on as well.
    talks[2].expect("354")
    other = Talk(floor.port)
    other.send("MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
    other.expect("220", "250", "250")
    talks[2].close()
    other.expect("354")
    other.send("last\r\n.\r\n")
    other.expect("250")
    equal((slow.counts()["messages"], slow.counts()["connections"]), (2, 2))
    for talk in (talks[0], other):
        talk.close()


def latency_counts_from_when_it_was_due(stand):
    slow = stand.start(SINK, "--delay", "60")
    floor = stand.floor("-f", "127.0.0.1:%d" % slow.port)
    out = stand.load(floor.port, 6, "-q", "1000", "-c", "1")
    true(out["max_us"] >= 6 * 60000 - 6000 and out["late"] >= 4, out)


def delay_holds_up_nobody_else(stand):
    slow = stand.start(SINK, "--delay", "300")
    floor = stand.floor("-f", "127.0.0.1:%d" % slow.port)
    out = stand.load(floor.port, 12, "-c", "12")
    true(0.3 <= out["seconds"] < 12 * 0.3, out)


def slow_clients(stand):
    out = stand.deliver(20, "-c", "10", "-w", "10000:0.1")
    true(out["seconds"] >= 0.3, out)


def idle(stand):
    load = subprocess.Popen(stand.argv(stand.starttls.port, 1, "-I", "-c", "10"), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    ready, figures = load.stdout.readline().split(" ", 1)
    equal((ready, json.loads(figures)["connections"]), ("ready", 10))
    out = json.loads(load.communicate()[0])
    equal((out["messages"], out["failures"], load.returncode), (10, 0, 0), out)


def waits_for_the_word(stand):
    before = stand.sink.counts()["messages"]
    load = subprocess.Popen(stand.argv(stand.starttls.port, 20, "-W", "-c", "5"), stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, text=True)
    true(load.stdout.readline().startswith("ready {"))
    equal(stand.sink.counts()["messages"], before)
    out = json.loads(load.communicate("go\n")[0])
    equal((out["messages"], stand.sink.counts()["messages"]), (20, before + 20), out)


def for_some_time(stand):
    before = stand.sink.counts()
    out = stand.load(stand.starttls.port, 100000, "-d", "0.2", "-c", "5")
    after = stand.sink.counts()
    equal((after["messages"] - before["messages"], after["duplicates"]), (out["messages"], before["duplicates"]), out)
    true(out["messages"] > 0, out)


class Refuser:
    """Answers the first connections with 421, and passes the others on, a little at a time."""

    def __init__(self, port, refuses):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self.port = self.listener.getsockname()[1]
        self.to, self.refuses = port, refuses
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            if self.refuses > 0:
                self.refuses -= 1
                client.sendall(b"421 4.3.2 too many\r\n")
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self.to))
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self.copy, args=(a, b), daemon=True).start()

    @staticmethod
    def copy(a, b):
        try:
            while data := a.recv(65536):
                b.sendall(data)
            b.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def writes_that_must_wait(stand):
    refuser = Refuser(stand.starttls.port, 0)
    stand.deliver(2, "-s", "2000000", "-c", "2", floor=refuser, octets=2000000)


def refused_and_tried_again(stand):
    for options in (["-1"], []):
        refuser = Refuser(stand.starttls.port, 6)
        before = stand.sink.counts()
        out = stand.load(refuser.port, 6, "-K", "-y", "5", "-c", "3", *options)
        equal((out["messages"], out["refused"], out["failures"]), (6, 6, 0), out)
        equal(stand.sink.counts()["messages"] - before["messages"], 6)
        true(0 < out["refuse_p50_us"] <= out["refuse_p99_us"], out)


def refused_for_good(stand):
    refuser = Refuser(stand.starttls.port, 1000)
    out = stand.load(refuser.port, 3, "-c", "3", status=1)
    equal((out["messages"], out["failures"]), (0, 3), out)
    true("421 4.3.2 too many" in out["first_failure"], out)


def not_trusted(stand):
    other = Authority(os.path.dirname(stand.ca.file), "other").make()
    for options in ([], ["-K"], ["-K", "-1", "-y", "1"]):
        out = stand.load(stand.starttls.port, 2, "-a", other.file, "-c", "1", *options, status=1)
        equal(out["messages"], 0)
        true(out["failures"] > 0 and "certificate" in out["first_failure"].lower(), out)


def nobody_there(stand):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    equal(stand.load(port, 3, "-1", "-c", "1", status=1)["failures"], 3)
    out = stand.load(port, 3, "-c", "2", "-K", "-y", "10", "-d", "0.05")
    true(2 <= out["refused"] <= 2 * (out["seconds"] / 0.01 + 2) and out["messages"] == 0, out)


class Talk:
    """A client of the sink, by hand."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def expect(self, *codes):
        for code in codes:
            line = self.file.readline().decode()
            while line[3:4] == "-":
                line = self.file.readline().decode()
            equal(line[:3], code, line)

    def send(self, text):
        self.socket.sendall(text.encode())

    def close(self):
        self.file.close()
        self.socket.close()


def sink_finds_the_final_dot(stand):
    before = stand.sink.counts()
    tricky = "X-Load-Id: %d\r\n\r\n\n.\n\r\n.\n\n.\r\n\r.\r\r\n..\r\n\r\n.\r.\r\n.x\r\n\r\n\r\n.\r\n"
    talk = Talk(stand.sink.port)
    talk.expect("220")
    for part in (1, 2, 3, 5, 1000):
        talk.send("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
        talk.expect("250", "250", "250", "354")
        octets = stand.sink.counts()["octets"]
        text = tricky % (1000000 + part)
        for at in range(0, len(text), part):
            talk.send(text[at:at + part])
            octets += len(text[at:at + part])
            while stand.sink.counts()["octets"] < octets:
                pass  # each part is read by itself
        talk.expect("250")
    talk.send("DATA\r\n.\r\nQUIT\r\n")
    talk.expect("354", "250", "221")
    talk.close()
    after = stand.sink.counts()
    equal((after["messages"] - before["messages"], after["duplicates"]), (6, before["duplicates"]))


def sink_takes_chunks(stand):
    before = stand.sink.counts()
    talk = Talk(stand.sink.port)
    talk.send("EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 20\r\nX-Load-Id: 2000000\r\nBDAT 0 LAST\r\n"
              "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 22 LAST\r\nX-Load-Id: 2000000\r\n\r\nNOOP\r\n")
    talk.expect("220", "250", "250", "250", "250", "250", "250", "250", "250", "250")
    talk.close()
    after = stand.sink.counts()
    equal((after["messages"] - before["messages"], after["duplicates"] - before["duplicates"]), (2, 1))


def sink_refuses_every_second(stand):
    sink = stand.start(SINK, "--refuse-every", "2", "--delay", "1")
    talk = Talk(sink.port)
    talk.send("EHLO a\r\n" + "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nb\r\n.\r\n" * 3 + "QUIT\r\n")
    talk.expect("220", "250", "250", "250", "354", "250", "250", "250", "354", "451", "250", "250", "354", "250", "221")
    talk.close()
    equal(sink.counts()["messages"], 2)


CASES = [kept_open, threads, one_each, one_each_resumed, one_ticket_resumed, no_ticket_not_resumed,
         tls_from_the_first_octet, pipelined, recipients, sizes, mixed_sizes, open_loop, each_slice_of_time_by_itself,
         a_slice_has_as_many_messages_as_it_needs, few_connections_to_the_smarthost,
         connections_to_the_smarthost_are_dealt_out_to_the_last, who_waits_for_a_smarthost_may_leave,
         latency_counts_from_when_it_was_due, delay_holds_up_nobody_else, slow_clients, idle, waits_for_the_word,
         for_some_time, refused_and_tried_again, writes_that_must_wait, refused_for_good, not_trusted, nobody_there,
         sink_finds_the_final_dot, sink_takes_chunks, sink_refuses_every_second]


def main():
    failed = 0
    with tempfile.TemporaryDirectory(prefix="postern-bench-check-") as directory:
        stand = Stand(directory)
        try:
            for case in CASES:
                try:
                    case(stand)
                    print("[       OK ] %s" % case.__name__, flush=True)
                except Exception:
                    failed += 1
                    traceback.print_exc(file=sys.stdout)
                    print("[  FAILED  ] %s" % case.__name__, flush=True)
        finally:
            stand.close()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
