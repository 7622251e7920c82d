"""What attackers and broken programs send."""

import os
import shutil
import socket
import ssl
import struct
import subprocess
import time
import unittest

from rig.base import LOCAL, PATIENCE, end_process, free_port, run, wait_for
from rig.case import SIMPLE, Case, letter
from rig.smtp import Ended, plain

# The twelve end-of-data confusions of SEC Consult's smuggling tools.
FALSE_ENDS = (b"\n.\n", b"\n.\r", b"\r.\n", b"\r.\r", b"\n.\r\n", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r",
              b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\r\n", b"\r\r\n.\r\r\n")
SMUGGLED = b"MAIL FROM:<e@example.com>\r\nRCPT TO:<v@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\ny\r\n.\r\n"


def has_bare_cr(octets):
    return b"\r" in octets.replace(b"\r\n", b"")


class Smuggling(Case):
    def submit(self, refuse_bare_lf):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.config.section("limits")["refuse_bare_lf"] = refuse_bare_lf
        daemon.start()
        taken = 0
        for end in FALSE_ENDS:
            with self.subTest(end=end):
                client = self.session(daemon)
                client.envelope()
                client.want(354, "DATA")
                client.send(letter("outer", b"x") + end + SMUGGLED)
                reply = client.reply()
                if has_bare_cr(b"x" + end + SMUGGLED) or b"\0" in end or refuse_bare_lf:
                    self.assertRefused(reply, 550, "5.6.0", daemon)
                else:
                    self.assertReply(reply, 250)
                    taken += 1
                # One transaction, one reply: what follows answers NOOP.
                self.assertEqual(client.ask("NOOP").code, 250)
                client.want(221, "QUIT")
                self.assertTrue(client.ended())
        return host, daemon, taken

    def test_bare_line_feeds_become_line_ends(self):
        host, daemon, taken = self.submit(False)
        self.assertEqual(taken, 3)
        for message in host.wait(taken):
            self.assertEqual(message.recipients, ["bob@example.org"])
            self.assertIn(b"Subject: smuggled", message.body())
            self.assertNotIn(b"\n", message.wire.replace(b"\r\n", b""))
            self.assertNotIn(b"\r\n.\r\n", message.wire)
            # The dot is stuffed again, or was itself the stuffing of an empty line.
            self.assertRegex(message.wire, rb"x\r\n(\.\.)?\r\nMAIL")
        daemon.wait_empty()
        self.assertEqual(len(host.messages), taken)

    def test_bare_line_feeds_refused(self):
        host, daemon, _ = self.submit(True)
        self.assertEqual(host.messages, [])

    def test_commands_with_odd_line_ends(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        for octets in (b"NOOP\nNOOP\r\n", b"NOOP\rNOOP\r\n", b"NOOP \0x\r\n", b"RCPT TO:<a\0b@example.org>\r\n",
                       b"MAIL FROM:<a@example.com>\nRCPT TO:<c@example.org>\r\n"):
            client = self.session(daemon)
            client.send(octets)
            self.assertIn(client.reply().code, (500, 501), octets)
            try:
                client.send("NOOP\r\n")
                self.assertEqual(client.reply().code, 250, octets)
            except (Ended, OSError):
                pass
        self.assertEqual(daemon.events_so_far("accepted"), [])


class OpenRelay(Case):
    """No MAIL is ever accepted without TLS and a login."""

    SENDERS = ("<alice@example.com>", "<>", "<alice>", "<alice@[127.0.0.1]>", "<alice@relay.test>",
               "<alice@localhost>", "<alice@example.com> AUTH=<>", "<alice@example.com> SIZE=100", "alice@example.com")
    RECIPIENTS = ("<u@example.org>", "<u%example.org@relay.test>", '<"u@example.org">', '<"u%example.org">',
                  "<u@example.org@relay.test>", '<"u@example.org"@relay.test>', "<@relay.test:u@example.org>",
                  "<@[127.0.0.1]:u@example.org>", "<example.org!u>", "<example.org!u@relay.test>",
                  "<example.org!u@[127.0.0.1]>", "<u%example.org@[127.0.0.1]>", "<u@localhost>", "<postmaster>")

    def test_every_way_without_a_login(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.config.section("limits")["errors"] = 1000
        daemon.start()
        for listener, tls in (("starttls", False), ("starttls", True), ("submit25", False), ("submit25", True),
                              ("implicit", True)):
            client = self.client(daemon, listener)
            client.ehlo()
            if tls and listener != "implicit":
                client.starttls()
                client.ehlo()
            for sender in self.SENDERS:
                self.assertReply(client.ask("MAIL FROM:" + sender), 530, "5.7.0")
            for recipient in self.RECIPIENTS:
                self.assertIn(client.ask("RCPT TO:" + recipient).code, (503, 530))
                self.assertReply(client.ask("MAIL FROM:<u@example.org>"), 530, "5.7.0")
            self.assertIn(client.ask("DATA").code, (503, 530))
            # What should be asked of the user stands in the reply.
            reply = client.ask("MAIL FROM:<alice@example.com>")
            self.assertRegex(reply.text, r"(?i)log ?in|auth|TLS")
            # A failed login changes nothing.
            if tls:
                self.assertReply(client.login("alice", "wrong"), 535)
                self.assertReply(client.ask("MAIL FROM:<alice@example.com>"), 530, "5.7.0")
                self.assertReply(client.ask("HELO x"), 250)
                self.assertReply(client.ask("MAIL FROM:<alice@example.com>"), 530, "5.7.0")
        self.assertEqual(daemon.events_so_far("accepted"), [])
        # The daemon asks by itself what the smarthost can do, and says no more.
        self.assertEqual({v for s in host.sessions for v in s.commands} - {"EHLO", "QUIT"}, set())

    def test_plain_text_on_the_tls_port(self):
        daemon = self.running()
        for octets in (b"EHLO x\r\nMAIL FROM:<a@example.com>\r\n", b"QUIT\r\n", os.urandom(10000),
                       b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
            client = self.client(daemon, "implicit", tls=None, greet=False)
            try:
                client.send(octets)
                rest = client.rest()
            except OSError:
                rest = b""
            self.assertNotIn(b"220", rest)
            self.assertNotIn(b"250", rest)
        self.assertEqual(self.client(daemon, "implicit").greeting.code, 220)

    def test_no_login_before_tls(self):
        daemon = self.running()
        for listener in ("starttls", "submit25"):
            client = self.client(daemon, listener)
            client.ehlo()
            self.assertNotIn("AUTH", client.offers)
            self.assertIn("STARTTLS", client.offers)
            for line in ("AUTH PLAIN " + plain("alice", "secret"), "AUTH LOGIN", "AUTH PLAIN"):
                reply = client.ask(line)
                self.assertReply(reply, 538, "5.7.11")
                self.assertIn("SSL/TLS on port %d" % daemon.port["implicit"], reply.text)
            reply = client.ask("MAIL FROM:<alice@example.com>")
            self.assertReply(reply, 530, "5.7.0")
            self.assertIn("SSL/TLS on port %d" % daemon.port["implicit"], reply.text)
            # The login is not remembered across the handshake either.
            client.starttls()
            client.ehlo()
            self.assertReply(client.ask("MAIL FROM:<alice@example.com>"), 530, "5.7.0")
        self.assertEqual(daemon.events_so_far("login"), [])


class WrongPort(Case):
    """TLS from the first octet where STARTTLS comes first, and the reverse: the log says what to set, and the end
    comes at once."""

    WORDS = r"^TLS was begun without STARTTLS; set the mail program to STARTTLS, or to SSL/TLS on port %d$"

    def is_told(self, daemon, count=1):
        wait_for(lambda: len(daemon.events("closed")) >= count, "the end of the session")
        self.assertEqual(len(daemon.events("refused")), count)
        self.assertEqual(len(daemon.events("violation")), count)
        for entry in daemon.events("refused") + daemon.events("violation"):
            self.assertRegex(entry["text"], self.WORDS % daemon.port["implicit"])
            self.assertEqual(entry["address"], LOCAL)

    def test_a_hello_where_a_command_is_awaited(self):
        daemon = self.running()
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.certificates.client_context().wrap_bio(inward, outward, server_hostname="relay.test")
        self.assertRaises(ssl.SSLWantReadError, tls.do_handshake)
        hello = outward.read()
        for count, (listener, first) in enumerate((("starttls", False), ("starttls", True), ("submit25", False)), 1):
            client = self.client(daemon, listener)
            if first:
                client.ehlo()
            client.send(hello)
            self.assertRefused(client.reply(), 530, "5.7.0", daemon)
            self.assertTrue(client.ended())
            client.close()
            self.is_told(daemon, count)
        self.session(daemon).mail(SIMPLE)

    def test_a_command_where_a_hello_is_awaited(self):
        daemon = self.running()
        client = self.client(daemon, "implicit", tls=None, greet=False)
        client.send("EHLO x\r\n")
        self.assertEqual(client.rest()[:1], b"\x15")  # an alert
        client.close()
        self.assertIn("set it to SSL/TLS", daemon.wait_event("closed")["reason"])
        self.assertEqual(daemon.status()["counters"]["tls_failures"], 1)

    def test_silence_where_a_hello_is_awaited(self):
        """So begins who is set to STARTTLS: it waits for a greeting, until one of both has had enough."""
        daemon = self.postern()
        daemon.config.section("limits")["handshake_timeout"] = "1s"
        daemon.start()
        self.client(daemon, "implicit", tls=None, greet=False).close()
        daemon.wait_event("closed")
        client = self.client(daemon, "implicit", tls=None, greet=False)
        self.assertEqual(client.rest(), b"")
        ends = wait_for(lambda: daemon.events("closed")[1:] and daemon.events("closed"), "the end of both")
        for end in ends:
            self.assertRegex(end["reason"], "^nothing came, and TLS comes first here; .* is to be set to SSL/TLS$")
        client = self.client(daemon, "implicit", tls=None, greet=False)
        client.send(b"\x16\x03\x01")
        client.close()
        end = wait_for(lambda: daemon.events("closed")[2:], "the end of a hello")[0]
        self.assertEqual(end["reason"], "the peer closed the connection in the TLS handshake")

    def test_no_port_is_named_where_there_is_none(self):
        daemon = self.postern()
        daemon.config.drop("listen", "implicit")
        daemon.start()
        client = self.client(daemon)
        client.send(b"\x16\x03\x01")
        self.assertRegex(client.reply().text, r"set the mail program to STARTTLS \(ref \S+\)$")

    def test_a_port_that_is_not_for_everybody_is_not_named(self):
        daemon = self.postern()
        fit = dict(daemon.config.section("listen", "implicit"))
        daemon.config.drop("listen", "implicit")
        for label, more in (("some", {"users": ["alice"]}), ("proxied", {"proxies": ["127.0.0.1"]}),
                            ("elsewhere", {"address": "127.0.0.2"}), ("last", {"port": fit["port"]})):
            daemon.config.section("listen", label).update(dict(fit, port=free_port([LOCAL, "127.0.0.2"])), **more)
        daemon.start()
        client = self.client(daemon)
        client.send(b"\x16\x03\x01")
        self.assertRegex(client.reply().text, r"on port %d \(ref" % fit["port"])

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
    def test_openssl_without_starttls(self):
        daemon = self.running()
        run(["openssl", "s_client", "-connect", "%s:%d" % (LOCAL, daemon.port["starttls"])], check=False)
        self.is_told(daemon)

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_curl_with_smtps(self):
        daemon = self.running()
        done = run(["curl", "-sS", "smtps://%s:%d/" % (LOCAL, daemon.port["starttls"])], check=False)
        self.assertNotEqual(done.returncode, 0)
        self.is_told(daemon)


class StartTls(Case):
    def test_octets_behind_starttls_are_never_executed(self):
        """RFC 3207 and CVE-2011-0411: the connection ends, with no reply inside TLS."""
        daemon = self.running()
        for listener in ("starttls", "submit25"):
            for behind in (b"EHLO injected\r\n", b"RSET\r\n", b"X", b"N" * 65536, b"\x16\x03\x01\x02\x00"):
                client = self.client(daemon, listener)
                client.ehlo()
                client.send(b"STARTTLS\r\n" + behind)
                try:
                    rest = client.rest()
                except OSError:
                    rest = b""
                self.assertFalse(rest.startswith(b"220"), (behind[:20], rest))
                self.assertNotIn(b"250", rest)

    def test_octets_between_220_and_the_handshake(self):
        """They are the handshake, and a bad one."""
        daemon = self.running()
        for octets in (b"RSET\r\n", b"QUIT\r\n", os.urandom(10000), b"GET / HTTP/1.1\r\n\r\n"):
            client = self.client(daemon)
            client.ehlo()
            client.want(220, "STARTTLS")
            try:
                client.send(octets)
                rest = client.rest()
            except OSError:
                rest = b""
            self.assertNotIn(b"250", rest)
            self.assertNotIn(b"221", rest)
        self.session(daemon).mail(SIMPLE)

    def test_half_a_command_does_not_cross_the_handshake(self):
        daemon = self.running()
        client = self.client(daemon)
        client.ehlo()
        client.starttls()
        client.send("T\r\n")
        self.assertEqual(client.reply().code, 500)

    def test_all_before_tls_is_forgotten(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.config.top["trace"] = "full"
        daemon.start()
        client = self.client(daemon)
        client.ehlo("before.example")
        client.starttls()
        self.assertReply(client.ask("MAIL FROM:<alice@example.com>"), 503, "5.5.1")
        client.ehlo("after.example")
        client.login()
        client.mail(SIMPLE)
        trace = host.wait(1)[0].trace()
        self.assertIn(b"after.example", trace)
        self.assertNotIn(b"before.example", trace)

    def test_starttls_where_it_does_not_belong(self):
        daemon = self.running()
        client = self.client(daemon)
        client.ehlo()
        self.assertReply(client.ask("STARTTLS now"), 501, "5.5.4")
        client.starttls()
        client.ehlo()
        self.assertNotIn("STARTTLS", client.offers)
        self.assertReply(client.ask("STARTTLS"), 503, "5.5.1")
        client.login()
        self.assertReply(client.ask("STARTTLS"), 503, "5.5.1")
        client.envelope()
        self.assertReply(client.ask("STARTTLS"), 503, "5.5.1")
        client = self.client(daemon, "implicit")
        client.ehlo()
        self.assertNotIn("STARTTLS", client.offers)
        self.assertReply(client.ask("STARTTLS"), 503, "5.5.1")

    def test_before_tls_almost_nothing_works(self):
        client = self.client(self.running())
        self.assertEqual(client.ask("EHLO x").code, 250)
        self.assertEqual(client.ask("HELO x").code, 250)
        self.assertEqual(client.ask("NOOP").code, 250)
        self.assertEqual(client.ask("RSET").code, 250)
        for line in ("RCPT TO:<a@example.org>", "DATA", "VRFY alice", "HELP"):
            self.assertIn(client.ask(line).code, (503, 530), line)
        client.want(221, "QUIT")


class TlsEnds(Case):
    """close_notify in the middle, then plain text on the same connection (CVE-2026-45185)."""

    def tls_then_plain(self, daemon, before, after):
        sock = socket.create_connection((LOCAL, daemon.port["implicit"]), 10 * PATIENCE)
        self.addCleanup(sock.close)
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.certificates.client_context().wrap_bio(inward, outward, server_hostname="relay.test")

        def flush():
            if outward.pending:
                sock.sendall(outward.read())

        def step(call):
            while True:
                try:
                    value = call()
                    flush()
                    return value
                except ssl.SSLWantReadError:
                    flush()
                    part = sock.recv(65536)
                    if not part:
                        raise Ended("end") from None
                    inward.write(part)

        step(tls.do_handshake)
        step(lambda: tls.read(4096))
        for octets, code in before:
            tls.write(octets)
            flush()
            if code:
                self.assertTrue(step(lambda: tls.read(4096)).startswith(code), octets)
        try:
            tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        flush()
        try:
            sock.sendall(after)
            while sock.recv(4096):
                pass
        except OSError:
            pass

    def test_close_notify_in_the_middle(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        login = [(b"EHLO x\r\n", b"250"), (b"AUTH PLAIN " + plain("alice", "secret").encode() + b"\r\n", b"235")]
        envelope = login + [(b"MAIL FROM:<alice@example.com>\r\n", b"250"),
                            (b"RCPT TO:<bob@example.org>\r\n", b"250"), (b"DATA\r\n", b"354")]
        tails = (b"X", b"\r\n.\r\nMAIL FROM:<e@example.com>\r\n", b".\r\n", b"QUIT\r\n")
        for before in (login, login + [(b"NO", None)], [(b"EHLO x\r\n", b"250"), (b"AUTH LOGIN\r\n", b"334")],
                       envelope, envelope + [(b"Subject: cut\r\n\r\nhalf a line", None)],
                       envelope + [(b"Subject: cut\r\n\r\nx\r\n.\r", None)]):
            for tail in tails:
                self.tls_then_plain(daemon, before, tail)
        wait_for(lambda: len(daemon.events("closed")) >= 24, "all sessions closed")
        self.assertEqual(daemon.events("accepted"), [])
        self.assertEqual(host.messages, [])

    def test_cut_one_octet_before_the_end(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        wire = letter("cut") + b".\r\n"
        for reset in (False, True):
            client = self.session(daemon)
            client.envelope()
            client.want(354, "DATA")
            client.send(wire[:-1])
            if reset:
                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        wait_for(lambda: len(daemon.events("closed")) >= 2, "both sessions closed")
        self.assertEqual(daemon.events("accepted"), [])
        # After the end the message counts, whether or not the client waits for the reply.
        client = self.session(daemon)
        client.envelope()
        client.want(354, "DATA")
        client.send(wire)
        client.close()
        self.assertEqual(host.wait(1)[0].below_trace(), letter("cut"))

    @unittest.skipUnless(shutil.which("openssl"), "openssl is not installed")
    def test_renegotiation_ends_the_connection(self):
        daemon = self.running()
        client = subprocess.Popen(
            ["openssl", "s_client", "-connect", "%s:%d" % (LOCAL, daemon.port["implicit"]), "-tls1_2", "-CAfile",
             self.certificates.ca.file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(end_process, client)
        out = b""
        while b"ESMTP" not in out:
            part = client.stdout.read1(4096)
            self.assertTrue(part, out)
            out += part
        client.stdin.write(b"R\n")
        client.stdin.flush()
        out = client.stdout.read()
        self.assertIn(b"RENEGOTIATING", out)
        self.assertNotIn(b"verify return:1", out.split(b"RENEGOTIATING")[1])
        client.stdin.close()
        client.stdout.close()
        daemon.wait_event("closed")
        self.session(daemon).mail(SIMPLE)

    def test_versions(self):
        daemon = self.running()
        for version, works in ((ssl.TLSVersion.TLSv1_3, True), (ssl.TLSVersion.TLSv1_2, True),
                               (ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1, False)):
            context = self.certificates.client_context()
            context.set_ciphers("DEFAULT:@SECLEVEL=0")
            context.minimum_version = ssl.TLSVersion.TLSv1
            context.maximum_version = version
            context.minimum_version = version
            try:
                client = self.client(daemon, "implicit", context=context)
                self.assertTrue(works, version)
                self.assertEqual(client.greeting.code, 220)
            except (OSError, Ended):
                self.assertFalse(works, version)

    def test_old_ciphers(self):
        daemon = self.running()
        for cipher in ("AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384",
                       "DHE-RSA-AES256-SHA", "AES256-SHA"):
            context = self.certificates.client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(cipher + ":@SECLEVEL=0")
            with self.assertRaises((OSError, Ended), msg=cipher):
                self.client(daemon, "implicit", context=context)


class SlowAndMany(Case):
    def assertGrowth(self, daemon, before, most=32 << 20):
        """AddressSanitizer keeps freed memory for a while: there the number means nothing."""
        if "asan" not in os.path.basename(daemon.build):
            self.assertLess(resident(daemon.pid) - before, most)

    def test_one_octet_at_a_time(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        client = self.session(daemon)
        client.envelope()
        client.want(354, "DATA")
        for octet in SIMPLE + b".\r\n":
            client.send(bytes([octet]))
        self.assertReply(client.reply(), 250)
        self.assertEqual(host.wait(1)[0].below_trace(), SIMPLE)

    def test_a_peer_that_never_reads(self):
        """Replies are not piled up: we stop reading what we cannot answer."""
        daemon = self.running()
        client, other = self.session(daemon), self.session(daemon)
        client.sock.settimeout(2)
        before = resident(daemon.pid)
        sent = 0
        try:
            while sent < 64 << 20:
                client.send(b"NOOP\r\n" * 20000)
                sent += 120000
        except (socket.timeout, TimeoutError, ssl.SSLError):
            pass
        self.assertLess(sent, 64 << 20)
        self.assertGrowth(daemon, before)
        other.mail(SIMPLE)

    def test_a_line_without_an_end(self):
        daemon = self.running()
        before = resident(daemon.pid)
        client = self.session(daemon)
        try:
            for _ in range(64):
                client.send(b"x" * (1 << 20))
            client.send(b"\r\nNOOP\r\n")
            self.assertEqual(client.reply().code, 500)
        except (Ended, OSError):
            pass
        self.assertGrowth(daemon, before)

    def test_half_open_crowd(self):
        """Hundreds of connections that say nothing do not keep out one that does."""
        host = self.quick_smarthost()
        daemon = self.running(host)
        crowd = [self.client(daemon, tls=None, greet=False) for _ in range(400)]
        self.session(daemon).mail(SIMPLE)
        host.wait(1)
        for client in crowd:
            client.close()
        started = time.monotonic()
        self.session(daemon).mail(SIMPLE)
        self.assertLess(time.monotonic() - started, 20 * PATIENCE)
        host.wait(2)


def resident(pid):
    with open("/proc/%d/statm" % pid) as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
