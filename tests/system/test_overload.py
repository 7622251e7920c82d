"""More come than can be served: who is logged in goes on, the others are told so at once."""

import os
import re
import signal
import socket
import ssl
import time

from rig.base import LOCAL, PATIENCE, children_of, command_line, wait_for
from rig.case import SIMPLE, Case
from rig.smtp import plain

CROWD = 40
ELSEWHERE = "127.0.0.2"


def client_hello():
    """The first octets of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="relay.test")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Overload(Case):
    def crowd(self, daemon):
        """Connections that all begin a handshake at the same time, and leave it at that."""
        crowd = [socket.create_connection((LOCAL, daemon.port["implicit"])) for _ in range(CROWD)]
        hello = client_hello()
        for one in crowd:
            try:
                one.sendall(hello)
            except OSError:
                pass  # turned away already
        return crowd

    def refusal(self, daemon):
        """The greeting of one who comes behind a crowd, once that is a 421."""
        end = time.monotonic() + 20 * PATIENCE
        while time.monotonic() < end:
            crowd = self.crowd(daemon)
            greetings = []
            for _ in range(3):
                with socket.create_connection((LOCAL, daemon.port["starttls"])) as late:
                    late.settimeout(20 * PATIENCE)
                    greetings.append(late.makefile("rb").readline())
            for one in crowd:
                one.close()
            for greeting in greetings:
                if not greeting.startswith(b"220 "):
                    return greeting
        self.fail("nobody was turned away")

    def test_who_is_logged_in_goes_on(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.config.top["loops"] = 1
        daemon.config.section("limits")["overload"] = "1ms"
        daemon.start()
        client = self.session(daemon)
        greeting = self.refusal(daemon)
        told = re.fullmatch(rb"421 4\.3\.2 Too many connect at once; try again in a minute "
                            rb"\(ref ([0-9A-Z]{13})\)\r\n", greeting)
        self.assertTrue(told, greeting)
        self.assertReply(client.mail(SIMPLE), 250)
        self.assertEqual(len(host.wait(1)), 1)
        status = daemon.status()
        self.assertGreaterEqual(status["counters"]["sessions_overload"], 1)
        # It is over ten seconds after the last refusal.
        self.assertTrue(status["overload"] or daemon.events("overload-over"), status)
        # There may have been others before, at which only the crowd itself was turned away.
        begun = daemon.wait_event("overload", sid=told.group(1).decode())
        client.want(221, "QUIT")
        daemon.stop()
        # Not a line for each: one for all of them, at the latest when the daemon stops.
        over = daemon.events("overload-over", sid=begun["sid"])
        self.assertEqual(len(over), 1)
        self.assertGreaterEqual(int(over[0]["refused"]), 1)
        self.assertEqual(len(daemon.events("overload")), len(daemon.events("overload-over")))
        self.assertEqual(daemon.events("turned-away"), [])

    def test_one_address_does_not_fill_the_line_of_logins(self):
        daemon = self.postern(self.quick_smarthost())
        daemon.config.top["loops"] = 1
        daemon.config.section("login").update(workers=1, waiting=16)
        daemon.start()
        self.session(daemon)
        many = [self.client(daemon) for _ in range(9)]
        for one in many:
            one.ehlo()
            one.starttls()
            one.ehlo()
        workers = [p for p in children_of(daemon.pid) if "--login-worker" in command_line(p)]
        self.assertEqual(len(workers), 1)
        os.kill(workers[0], signal.SIGSTOP)
        try:
            for one in many:
                one.send("AUTH PLAIN %s\r\n" % plain("alice", "wrong"))
            # From half of a crowd on it gets no further one, while others do.
            wait_for(lambda: self.greeting(daemon, LOCAL) == 421, "a refusal")
            self.assertEqual(self.greeting(daemon, ELSEWHERE), 220)
            # The logins of those who have left wait no longer.
            for one in many:
                one.close()
            wait_for(lambda: self.greeting(daemon, LOCAL) == 220, "room for the address")
            self.assertEqual([self.client(daemon).greeting.code for _ in range(10)], [220] * 10)
        finally:
            os.kill(workers[0], signal.SIGCONT)

    def greeting(self, daemon, source):
        with socket.socket() as late:
            late.settimeout(20 * PATIENCE)
            late.bind((source, 0))
            late.connect((LOCAL, daemon.port["starttls"]))
            return int(late.makefile("rb").readline()[:3])

    def test_without_a_limit_all_are_let_in(self):
        daemon = self.postern(self.quick_smarthost())
        daemon.config.top["loops"] = 1
        daemon.config.section("limits")["overload"] = 0
        daemon.start()
        crowd = self.crowd(daemon)
        self.session(daemon).want(221, "QUIT")
        for one in crowd:
            one.close()
        self.assertEqual(daemon.status()["counters"]["sessions_overload"], 0)
