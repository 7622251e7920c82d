"""Attacks on the whole daemon that found something once."""

import os
import resource
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor, wait

from rig.base import LOCAL, PATIENCE, wait_for
from rig.case import SIMPLE, Case
from rig.smtp import Ended


def limit_files(most):
    """For the daemon, soft and hard."""
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Slow(Case):
    """Who sends something now and then does not hold a session for ever."""

    def held(self, client, octets, most=20):
        """Seconds until the daemon ends the connection, and its last words."""
        started = time.monotonic()
        words = b""
        client.sock.settimeout(0.2)
        try:
            while time.monotonic() < started + most * PATIENCE:
                client.send(octets)
                try:
                    part = client.sock.recv(65536)
                    if not part:
                        break
                    words = part
                except (socket.timeout, TimeoutError, ssl.SSLWantReadError):
                    pass
            else:
                self.fail("held for %d s by %r" % (most * PATIENCE, octets))
        except (OSError, Ended):
            pass
        return words

    def short(self):
        daemon = self.postern()
        daemon.config.section("limits").update(greeting_timeout="2s", login_timeout="2s", command_timeout="2s")
        return daemon.start()

    def greeted(self, daemon, listener="starttls"):
        client = self.client(daemon, listener)
        client.ehlo()
        return client

    def test_before_the_login(self):
        """Side by side, each held by a thread of its own."""
        daemon = self.short()
        with ThreadPoolExecutor(16) as pool:
            plain = [pool.submit(self.held, self.client(daemon), b"NOOP\r\n")]
            inside = []
            for octets in (b"NOOP\r\n", b"N", b"EHLO again\r\n", b"RSET\r\n"):
                plain.append(pool.submit(self.held, self.greeted(daemon), octets))
                inside.append(pool.submit(self.held, self.greeted(daemon, "implicit"), octets))
            client = self.greeted(daemon, "implicit")
            client.want(334, "AUTH LOGIN")
            plain.append(pool.submit(self.held, client, b"b"))
            inside.append(pool.submit(self.held, self.greeted(daemon, "implicit"), b"AUTH LOGIN\r\n*\r\n"))
            for each in plain:
                each.result()
            for each in inside:
                self.assertIn(b"421 4.", each.result())

    def test_a_command_that_does_not_end(self):
        """Whole commands keep a known client's session, octets of one do not."""
        daemon = self.short()
        slow, client = self.session(daemon), self.session(daemon)
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(self.held, slow, b"N")
            while not wait([held], 0.2).done:
                self.assertReply(client.ask("NOOP"), 250)
            held.result()
        self.assertReply(client.ask("NOOP"), 250)


class Gone(Case):
    def test_who_leaves_before_the_answer_is_in_the_log(self):
        """The message is on its way: account and session must be found."""
        host = self.quick_smarthost()
        daemon = self.running(host)
        for i in range(30):
            client = self.session(daemon, "implicit")
            client.envelope()
            client.want(354, "DATA")
            client.send(SIMPLE + b".\r\n")
            client.close()

        def logged(event):
            return {e["qid"] for e in daemon.events(event) if e.get("account", "alice") == "alice"}

        def all_in_the_log():
            return len(daemon.events("closed")) == 30 and daemon.is_at_rest() and host.messages and \
                len(host.messages) == len(logged("accepted")) == len(logged("delivered"))

        # A message may come to its end after its session.
        wait_for(all_in_the_log, "each message that arrived in the log")
        self.assertEqual(logged("accepted"), logged("delivered"))
        self.assertEqual(daemon.status()["counters"]["messages_accepted"], len(host.messages))


class Handshake(Case):
    def test_a_hello_that_does_not_end(self):
        """One of 16 MiB, as the first octets claim, is not gathered."""
        daemon = self.running()
        sock = socket.create_connection((LOCAL, daemon.port["implicit"]), 20)
        self.addCleanup(sock.close)
        hello = b"\x01\xff\xff\xff\x03\x03" + bytes(16384 * 1024 - 6)
        with self.assertRaises(OSError):
            for at in range(0, len(hello), 16384):
                sock.sendall(b"\x16\x03\x01\x40\x00" + hello[at:at + 16384])
            sock.recv(1)
        self.assertIn("too much", daemon.wait_event("closed")["reason"])
        self.session(daemon).mail(SIMPLE)


class Crowds(Case):
    def descriptors(self, daemon):
        return len(os.listdir("/proc/%d/fd" % daemon.pid))

    def test_mail_goes_on_when_a_crowd_takes_the_descriptors(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.start(preexec_fn=limit_files(256))
        daemon.wait_event("few-descriptors")
        client = self.session(daemon, "implicit")
        crowd = []
        for _ in range(400):
            crowd.append(socket.create_connection((LOCAL, daemon.port["starttls"])))
        client.mail(SIMPLE)
        host.wait(1)
        self.assertIn("counters", daemon.status())
        for s in crowd:
            s.close()
        self.session(daemon).mail(SIMPLE)
        host.wait(2)

    def test_those_turned_away_do_not_pile_up(self):
        daemon = self.postern()
        daemon.config.section("limits")["sessions_per_address"] = 2
        daemon.start()
        inside = [self.client(daemon) for _ in range(2)]
        self.assertReply(self.client(daemon).greeting, 421, "4.7.0")
        before = self.descriptors(daemon)
        crowd = [socket.create_connection((LOCAL, daemon.port["starttls"])) for _ in range(300)]
        wait_for(lambda: len(daemon.events("turned-away")) >= 301, "all turned away")
        self.assertLess(self.descriptors(daemon), before + 60)
        for s in crowd + inside:
            s.close()
        wait_for(lambda: self.client(daemon).greeting.code == 220, "room again")
