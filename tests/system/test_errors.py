"""Mistakes, limits and silence: what each refusal says."""

import time

from rig.base import wait_for
from rig.case import SIMPLE, Case, letter
from rig.smtp import Ended


class Order(Case):
    def test_commands_out_of_order(self):
        daemon = self.running()
        client = self.session(daemon)
        self.assertRefused(client.ask("RCPT TO:<a@example.org>"), 503, "5.5.1", daemon)
        self.assertRefused(client.ask("DATA"), 503, "5.5.1", daemon)
        client.want(250, "MAIL FROM:<alice@example.com>")
        self.assertReply(client.ask("MAIL FROM:<alice@example.com>"), 503, "5.5.1")
        self.assertIn(client.ask("DATA").code, (503, 554))
        client.want(250, "RCPT TO:<a@example.org>")
        client.want(250, "RSET")
        self.assertReply(client.ask("RCPT TO:<a@example.org>"), 503, "5.5.1")
        client.mail(SIMPLE)
        # After a message the transaction is over.
        self.assertReply(client.ask("RCPT TO:<a@example.org>"), 503, "5.5.1")
        self.assertReply(client.ask("DATA"), 503, "5.5.1")

    def test_before_the_first_ehlo(self):
        daemon = self.running()
        client = self.client(daemon, "implicit")
        for line in ("MAIL FROM:<alice@example.com>", "AUTH PLAIN AAAA"):
            self.assertIn(client.ask(line).code, (503, 530))

    def test_ehlo_ends_a_transaction(self):
        client = self.session(self.running())
        client.envelope()
        client.ehlo()
        self.assertReply(client.ask("DATA"), 503, "5.5.1")

    def test_unknown_and_unused_verbs(self):
        daemon = self.running()
        client = self.session(daemon)
        for verb in ("FROB", "XCLIENT ADDR=1.2.3.4", "XFORWARD NAME=x", "ETRN example.org", "TURN", "DEBUG",
                     "WIZ", "EXPN alice"):
            self.assertIn(client.ask(verb).code, (500, 502), verb)
        self.assertEqual(client.ask("VRFY alice").code, 252)
        self.assertEqual(client.ask("HELP").code, 214)
        self.assertEqual(client.ask("NOOP with words").code, 250)
        client.mail(SIMPLE)

    def test_offers(self):
        client = self.session(self.running())
        for word in ("PIPELINING", "SIZE", "8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8", "ENHANCEDSTATUSCODES",
                     "DSN", "LIMITS", "FUTURERELEASE", "AUTH"):
            self.assertIn(word, client.offers)
        for word in ("STARTTLS", "XCLIENT", "XFORWARD", "ETRN", "AUTH=PLAIN"):
            self.assertNotIn(word, client.offers)

    def test_every_refusal_has_a_reference_of_its_own(self):
        daemon = self.running()
        client = self.session(daemon)
        refs = [client.ask("DATA").ref for _ in range(3)] + [client.ask("FROB").ref]
        self.assertEqual(len(set(refs)), 4, refs)
        self.assertEqual(len({r.split("-")[0] for r in refs}), 1)
        for ref in refs:
            entry = daemon.wait_event("refused", ref=ref)
            self.assertEqual(entry["sid"], ref.split("-")[0])


class Arguments(Case):
    def test_addresses_that_are_none(self):
        daemon = self.postern()
        daemon.config.section("limits")["errors"] = 1000
        daemon.start()
        client = self.session(daemon)
        for path in ("<a@b", "<a@b>junk", "< >", "<@>", "<a@>", "<a..b@example.org>", "<a b@example.org>",
                     "<" + "a" * 65 + "@example.org>", "<a@" + "b." * 140 + "org>", "", "<a@b@c>",
                     '<"a@example.org>', "<a\\>"):
            reply = client.ask("MAIL FROM:" + path)
            self.assertIn(reply.code, (501, 553), (path, reply))
            self.assertTrue(reply.status.startswith("5."), reply)
        client.want(250, "MAIL FROM:<>")
        client.want(250, "RSET")
        client.want(250, "MAIL FROM:<alice@example.com>")
        for path in ("<>", "<a@b", "<a@example.org>junk", "<a..b@example.org>", "<;sleep 66;>@x", '<""@d'):
            reply = client.ask("RCPT TO:" + path)
            self.assertIn(reply.code, (501, 550, 553), (path, reply))
        # A source route is refused, not followed.
        self.assertIn(client.ask("RCPT TO:<@example.net:u@example.org>").code, (501, 550, 553))
        client.want(250, "RCPT TO:<bob@example.org>")

    def test_parameters(self):
        client = self.session(self.running())
        for parameters, codes in (("SIZE=-1", (501,)), ("SIZE=x", (501,)), ("SIZE=18446744073709551616", (501, 552)),
                                  ("SIZE=99999999999", (552,)), ("BODY=X", (501, 504, 555)), ("FOO=1", (555, 504, 501)),
                                  ("SMTPUTF8=1", (501,)), ("HOLDFOR=x", (501,)), ("BODY=8BITMIME BODY=7BIT", (501,))):
            reply = client.ask("MAIL FROM:<alice@example.com> " + parameters)
            self.assertIn(reply.code, codes, (parameters, reply))
        client.want(250, "MAIL FROM:<alice@example.com> BODY=8BITMIME SIZE=0")
        self.assertIn(client.ask("RCPT TO:<a@example.org> FOO=1").code, (555, 504, 501))

    def test_ehlo_names(self):
        client = self.client(self.running())
        for name in ("[127.0.0.1]", "10.0.0.5", "DESKTOP_1", "[IPV6:::1]", "x" * 255, "::1"):
            self.assertEqual(client.ask("EHLO " + name).code, 250, name)
        for name in ("", "x" * 256):
            self.assertEqual(client.ask("EHLO " + name).code, 501, name)


class Limits(Case):
    def limited(self, **limits):
        self.host = self.quick_smarthost()
        daemon = self.postern(self.host)
        daemon.config.section("limits").update(limits)
        return daemon.start()

    def test_a_long_line_is_swallowed(self):
        daemon = self.limited()
        client = self.session(daemon)
        for size in (5000, 70000):
            client.send(b"NOOP " + b"x" * size + b"\r\n")
            self.assertRefused(client.reply(), 500, "5.5.2", daemon)
            self.assertEqual(client.ask("NOOP").code, 250)
        client.mail(SIMPLE)
        self.host.wait(1)

    def test_size(self):
        daemon = self.limited(message_size="100K")
        client = self.session(daemon)
        self.assertEqual(client.offers["SIZE"], "102400")
        self.assertRefused(client.ask("MAIL FROM:<alice@example.com> SIZE=102401"), 552, "5.3.4", daemon)
        # Told nothing, or less than came: refused at the end, and the whole content is read.
        for parameters in ("", "SIZE=10"):
            client.envelope(params=parameters)
            self.assertRefused(client.content(letter("big", b"x" * 998 + b"\r\n" + b"y\r\n" * 100000)), 552, "5.3.4",
                               daemon)
            self.assertEqual(client.ask("NOOP").code, 250)
        client.mail(letter("fits", b"y\r\n" * 20000))
        self.assertEqual(self.host.wait(1)[0].below_trace(), letter("fits", b"y\r\n" * 20000))

    def test_recipients(self):
        daemon = self.limited(recipients=100)
        client = self.session(daemon)
        client.envelope(recipients=["r%d@example.org" % i for i in range(100)])
        self.assertRefused(client.ask("RCPT TO:<more@example.org>"), 452, "4.5.3", daemon)
        self.assertReply(client.content(SIMPLE), 250)
        self.assertEqual(len(self.host.wait(1)[0].recipients), 100)

    def test_header_section(self):
        daemon = self.limited(header_size="16K")
        client = self.session(daemon)
        client.envelope()
        reply = client.content(letter("long", head=b"X-Filler: " + b"a" * 70 + b"\r\n" * 1
                                      + b"X-More: x\r\n" * 3000))
        self.assertIn(reply.code, (552, 554), reply)
        self.assertTrue(reply.ref)
        client.mail(SIMPLE)
        self.host.wait(1)

    def test_errors(self):
        daemon = self.limited(errors=5)
        client = self.session(daemon)
        codes = []
        try:
            for _ in range(8):
                codes.append(client.ask("FROB").code)
        except (Ended, OSError):
            pass
        self.assertEqual(codes[-1], 421, codes)
        self.assertLessEqual(len(codes), 7)

    def test_sessions_per_address(self):
        daemon = self.limited(sessions_per_address=3)
        first = [self.session(daemon) for _ in range(3)]
        fourth = self.client(daemon)
        self.assertRefused(fourth.greeting, 421, "4.7.0", daemon)
        self.assertTrue(fourth.ended())
        first[0].want(221, "QUIT")
        first[0].rest()
        first[0].close()
        wait_for(lambda: self.client(daemon).greeting.code == 220, "a free place")
        first[1].mail(SIMPLE)
        self.host.wait(1)

    def test_sessions_in_all(self):
        daemon = self.limited(sessions=3)
        for listener in daemon.LISTENERS:
            self.session(daemon, listener)
        self.assertEqual(self.client(daemon).greeting.code, 421)
        # On the port with TLS from the first octet the refusal comes inside TLS, or the connection just ends.
        try:
            self.assertEqual(self.client(daemon, "implicit").greeting.code, 421)
        except (Ended, OSError):
            pass


class Silence(Case):
    """Each wait has its deadline; the client is told, then the connection ends."""

    def limited(self, **limits):
        daemon = self.postern(self.quick_smarthost())
        daemon.config.section("limits").update(limits)
        return daemon.start()

    def falls_silent(self, daemon, client, started):
        """started: a time before the client's last octet."""
        self.assertRefused(client.reply(), 421, "4.4.2", daemon)
        self.assertGreater(time.monotonic() - started, 0.9)
        self.assertTrue(client.ended())

    def test_before_ehlo(self):
        daemon = self.limited(greeting_timeout="1s")
        started = time.monotonic()
        self.falls_silent(daemon, self.client(daemon), started)

    def test_between_commands(self):
        daemon = self.limited(command_timeout="1s")
        started = time.monotonic()
        self.falls_silent(daemon, self.session(daemon), started)

    def test_within_a_command(self):
        daemon = self.limited(command_timeout="1s")
        client = self.session(daemon)
        started = time.monotonic()
        client.send("NOO")
        self.falls_silent(daemon, client, started)

    def test_within_a_login(self):
        daemon = self.limited(login_timeout="2s")
        started = time.monotonic()
        client = self.client(daemon, "implicit")
        client.ehlo()
        self.assertEqual(client.ask("AUTH LOGIN").code, 334)
        self.falls_silent(daemon, client, started)

    def test_within_the_content(self):
        daemon = self.limited(body_timeout="1s")
        client = self.session(daemon)
        client.envelope()
        client.want(354, "DATA")
        started = time.monotonic()
        client.send(SIMPLE)
        self.falls_silent(daemon, client, started)
        self.assertEqual(daemon.events_so_far("accepted"), [])

    def test_within_the_handshake(self):
        daemon = self.limited(handshake_timeout="1s")
        client = self.client(daemon, "implicit", tls=None, greet=False)
        client.send(b"\x16\x03\x01")
        self.assertNotIn(b"220", client.rest())
        client = self.client(daemon)
        client.ehlo()
        client.want(220, "STARTTLS")
        self.assertNotIn(b"220", client.rest())

    def test_a_client_that_drips_is_not_silent_forever(self):
        """A deadline is not pushed on by every octet of a command."""
        daemon = self.limited(command_timeout="1s")
        client = self.session(daemon)

        def drip():
            try:
                client.sock.settimeout(0.1)
                client.send("x")
                client.receive()
            except TimeoutError:
                return False
            except (Ended, OSError):
                return True
            return b"421" in client.buffer
        wait_for(drip, "the end of a dripping client", 10)
