"""Listeners behind a load balancer: the client's own address counts, and only the balancer may connect."""

import shutil
import unittest

from rig.base import run, wait_for
from rig.case import SIMPLE, Case
from rig.proxy import LOCAL_2, Proxy, version_1, version_2
from rig.setups import Setups
from rig.smtp import Ended

CLIENT, CLIENT6, HERE, HERE6 = ("203.0.113.7", 50123), ("2001:db8::7", 50123), ("192.0.2.1", 587), ("2001:db8::1", 587)


class Behind(Setups, Case):
    def daemon(self, host, **listen):
        daemon = self.postern(host)
        for listener in ("starttls", "implicit"):
            daemon.config.section("listen", listener).update(dict({"proxies": ["127.0.0.1/32"]}, **listen))
        return daemon.start()

    def proxy(self, daemon, listener, header):
        proxy = Proxy(daemon.port[listener], header)
        self.addCleanup(proxy.close)
        return proxy

    @unittest.skipUnless(shutil.which("swaks"), "swaks is not installed")
    def test_swaks(self):
        host = self.receiver()
        daemon = self.daemon(host)
        daemon.config.top["trace"] = "full"
        daemon.reload()
        count = 0
        for listener, header, address in (("starttls", version_1(CLIENT, HERE), CLIENT[0]),
                                          ("implicit", version_1(CLIENT, HERE), CLIENT[0]),
                                          ("starttls", version_2(CLIENT, HERE), CLIENT[0]),
                                          ("implicit", version_2(CLIENT6, HERE6, b"\x04\x00\x03abc"), CLIENT6[0])):
            with self.subTest(listener=listener, header=header):
                proxy = self.proxy(daemon, listener, header)
                run(["swaks", "--server", "127.0.0.1", "--port", proxy.port,
                     "--tls-on-connect" if listener == "implicit" else "--tls", "--auth", "PLAIN", "--auth-user", "alice",
                     "--auth-password", "secret", "--from", "alice@example.com", "--to", "bob@example.org"])
                count += 1
                trace = host.wait(count)[-1].trace()
                self.assertIn(address.encode(), trace)
                daemon.wait_event("login", verdict="ok", address=address)

    def test_the_balancers_own_connection(self):
        """A health check of version 2 speaks for nobody: the address of the socket holds."""
        daemon = self.daemon(self.receiver())
        client = self.client(daemon, greet=False)
        client.send(LOCAL_2)
        self.assertEqual(client.reply().code, 220)
        client.ehlo()
        client.want(221, "QUIT")

    def test_without_a_header_there_is_no_session(self):
        daemon = self.daemon(self.receiver())
        for octets in (b"EHLO laptop\r\n", b"PROXY TCP4 " + b"1" * 200, b"\r\n\r\n\0\r\nQUIX\n",
                       b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", b"\x16\x03\x01\x02\x00\x01"):
            with self.subTest(octets=octets):
                client = self.client(daemon, greet=False)
                client.send(octets)
                try:
                    self.assertNotIn(b"220", client.rest())
                except OSError:
                    pass
        wait_for(lambda: len(daemon.events("not-a-proxy", address="127.0.0.1", listener="starttls")) == 5,
                 "a line for each in the log")
        # A balancer that only looks whether we live gives no cause to worry.
        client = self.client(daemon, greet=False)
        client.close()
        daemon.wait_event("closed", reason="the peer closed the connection before its PROXY header")
        self.assertEqual(len(daemon.events("not-a-proxy")), 5)

    def test_one_that_says_nothing_is_told_of(self):
        daemon = self.postern(self.receiver())
        daemon.config.section("listen", "starttls")["proxies"] = ["127.0.0.1"]
        daemon.config.section("limits")["handshake_timeout"] = "1s"
        daemon.start()
        self.client(daemon, greet=False)
        daemon.wait_event("not-a-proxy", address="127.0.0.1", listener="starttls", reason="no PROXY header in time")

    def test_nobody_but_the_balancer(self):
        daemon = self.daemon(self.receiver(), proxies=["192.0.2.0/24", "2001:db8::/32"])
        client = self.client(daemon, greet=False)
        try:
            client.send(version_1(CLIENT, HERE))
            self.assertNotIn(b"220", client.rest())
        except (Ended, OSError):
            pass
        # The port without balancers is open as ever, and takes no header for the truth.
        self.session(daemon, "submit25").mail(SIMPLE)
        client = self.client(daemon, "submit25")
        self.assertEqual(client.ask(version_1(CLIENT, HERE)).code, 500)

    def test_limits_count_the_client(self):
        """Sessions per address: two behind the same balancer do not take each other's place."""
        daemon = self.postern(self.receiver())
        daemon.config.section("listen", "starttls")["proxies"] = ["127.0.0.1"]
        daemon.config.section("limits")["sessions_per_address"] = 2
        daemon.start()
        greetings = []
        for header in (version_1(CLIENT, HERE), version_1(CLIENT, HERE), version_1(CLIENT, HERE),
                       version_1(("203.0.113.8", 50124), HERE)):
            client = self.client(daemon, greet=False)
            client.send(header)
            greetings.append(client.reply().code)
        self.assertEqual(greetings, [220, 220, 421, 220])
