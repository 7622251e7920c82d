"""Dialogues of mail programs that cannot be run here, replayed: one test for each file of traces/."""

import glob
import os
import re
import unittest

from rig.case import Case
from rig.setups import Setups
from rig.trace import Player, Strict, Trace

HERE = os.path.dirname(os.path.abspath(__file__))


class Traces(Setups, Case):
    def play(self, path):
        trace = Trace(path)
        host = self.receiver()
        daemon = getattr(self, "daemon_" + trace.settings["daemon"])(host)
        player = Player(trace, daemon.port[trace.settings["port"]], self.lenient_context())
        try:
            player.play()
        finally:
            player.stop()
            daemon.stop()  # all is said and logged, nothing is under way
        for number, kind, text in trace.checks:
            with self.subTest(line=number, check=text):
                getattr(self, "check_" + kind)(text, player, host, daemon)

    def check_arrives(self, text, player, host, _):
        if text == "nothing":
            self.assertEqual(host.messages, [])
            return
        self.assertEqual(len(host.messages), 1)
        message = host.messages[0]
        if text == "same":
            self.assertEqual(message.below_trace(), player.sent_content())
        else:
            words = text.split()
            self.assertEqual([words[0], words[2]], ["from", "to"])
            self.assertEqual(message.sender, words[1])
            self.assertEqual(message.recipients, words[3:])

    def check_content(self, text, _, host, __):
        self.assertRegex(host.messages[0].content.decode("utf-8", "surrogateescape"), text)

    def check_log(self, text, _, __, daemon):
        what, *fields = text.split()
        wanted = dict(f.split("=", 1) for f in fields)
        found = [e["line"] for e in daemon.lines() if all(e.get(k) == v for k, v in wanted.items())]
        if what == "no":
            self.assertEqual(found, [])
        else:
            self.assertEqual(what, "has")
            self.assertTrue(found, "no such line: %s" % wanted)


def add(path):
    name = "test_" + re.sub(r"\W", "_", os.path.splitext(os.path.basename(path))[0])

    def test(self):
        self.play(path)
    setattr(Traces, name, test)


for each in sorted(glob.glob(os.path.join(HERE, "traces", "*.trace"))):
    add(each)


class Strictness(unittest.TestCase):
    """What reads the replies must be able to find fault."""

    GOOD = ((b"250 2.1.0 Ok\r\n", b"MAIL FROM:<a@b>"), (b"334 VXNlcm5hbWU6\r\n", b"AUTH LOGIN"),
            (b"250-relay.test\r\n250 DSN\r\n", b"EHLO x"), (b"550 5.1.1 <a@b>: none (ref X-1)\r\n", b"RCPT TO:<a@b>"),
            (b"550 5.1.1 <a@b>: none (ref X-1)\r\n", b"RCPT TO:a@b"), (b"220 relay.test ESMTP\r\n", None))
    BAD = ((b"251 2.1.0 Ok\r\n", b"MAIL FROM:<a@b>"), (b"252 2.0.0 Ok\r\n", b"."), (b"250 Ok\r\n", b"MAIL FROM:<a@b>"),
           (b"550-5.1.1 <a@b>\r\n550 5.1.1 none\r\n", b"RCPT TO:<a@b>"), (b"550 5.1.1 none\r\n", b"RCPT TO:<a@b>"),
           (b"550 none\r\n", b"."), (b"550 4.1.1 later\r\n", b"DATA"), (b"250 2.0.0 gr\xc3\xbcn\r\n", b"NOOP"),
           (b"250 2.0.0 " + b"x" * 501 + b"\r\n", b"NOOP"), (b"250-2.0.0 a\r\n250 2.1.0 b\r\n", b"NOOP"),
           (b"250-2.0.0 a\r\n251 2.0.0 b\r\n", b"NOOP"), (b"334 Username:\r\n", b"AUTH LOGIN"))

    def test_what_is_told_apart(self):
        for raw, command in self.GOOD:
            Strict.look(raw, command)
        for raw, command in self.BAD:
            with self.subTest(raw=raw), self.assertRaises(AssertionError):
                Strict.look(raw, command)
