"""Who gets in: names, back ends, mechanisms, and what a refusal says."""

import base64
import os
import shutil
import unittest

from rig.base import children_of, run, wait_for
from rig.case import SIMPLE, Case, letter, need_root
from rig.saslauthd import Saslauthd
from rig.smtp import b64, plain

FORMS = ("alice", "alice@example.com", "EXAMPLE\\alice", "alice@EXAMPLE.com", "example\\alice")


def memory_of(pid):
    """What can be written, in parts. What a sanitizer reserves is far larger than what is used."""
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as memory:
        for line in maps:
            ends, rights = line.split()[:2]
            start, end = (int(n, 16) for n in ends.split("-"))
            if rights.startswith("rw") and end - start < 1 << 28:
                memory.seek(start)
                try:
                    yield memory.read(end - start)
                except OSError:
                    pass


class Memory(Case):
    """No password outlasts its login."""

    PASSWORD = "oj4Xa7NiehuQuaeph0ah"

    def forms(self):
        """As it stands in the protocol: alone, and in base64 from each of its first octets on."""
        yield self.PASSWORD.encode()
        for n in range(3):
            yield base64.b64encode(self.PASSWORD[n:n + 15].encode())

    @need_root
    def test_no_password_stays(self):
        daemon = self.postern()
        daemon.add_user("carol", self.PASSWORD)
        daemon.config.top["loops"] = 1
        daemon.start()
        try:
            self.found(daemon)
        except PermissionError:
            self.skipTest("memory may not be read here")
        logins = (("AUTH PLAIN " + plain("carol", self.PASSWORD) + "\r\n", [235]),
                  ("AUTH LOGIN " + b64("carol") + "\r\n" + b64(self.PASSWORD) + "\r\n", [334, 235]))
        for login, replies in logins:
            # The first record of TLS ends with the login, or is as long as those of content.
            for behind in (0, 200):
                client = self.client(daemon, "implicit")
                client.ehlo()
                client.send(login + ("NOOP " + "x" * 60 + "\r\n") * behind)
                self.assertEqual([client.reply().code for _ in range(len(replies) + behind)],
                                 replies + [250] * behind)
                # The worker is done with it a little later.
                wait_for(lambda: not self.found(daemon), "memory without %s and %d lines" % (login[:10], behind), 2)

    def found(self, daemon):
        return [pid for pid in [daemon.pid] + children_of(daemon.pid) for part in memory_of(pid)
                if any(form in part for form in self.forms())]


class Names(Case):
    def test_all_forms_are_one_account(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        for i, form in enumerate(FORMS):
            for mechanism in ("PLAIN", "LOGIN"):
                client = self.client(daemon)
                client.ehlo()
                client.starttls()
                client.ehlo()
                self.assertReply(client.login(form, "secret", mechanism), 235, "2.7.0")
                client.mail(letter("%s-%d" % (mechanism, i)))
        host.wait(2 * len(FORMS))
        accounts = [e.get("account") for e in daemon.events_so_far("accepted")]
        self.assertEqual(accounts, ["alice"] * 2 * len(FORMS))

    def test_other_domains_are_other_accounts(self):
        daemon = self.running()
        for form in ("alice@example.net", "OTHER\\alice", "bob", "alice@example.com@example.com", ""):
            client = self.client(daemon)
            client.ehlo()
            client.starttls()
            client.ehlo()
            self.assertIn(client.login(form, "secret").code, (501, 535), form)

    def test_case(self):
        daemon = self.postern()
        daemon.config.section("login")["ignore_case"] = True
        daemon.start()
        self.session(daemon, user="ALICE@example.com")
        daemon.config.section("login")["ignore_case"] = False
        daemon.restart()
        client = self.client(daemon)
        client.ehlo()
        client.starttls()
        client.ehlo()
        self.assertRefused(client.login("ALICE"), 535, "5.7.8", daemon)


class Refusals(Case):
    def before_login(self, daemon, listener="starttls"):
        client = self.client(daemon, listener)
        client.ehlo()
        if listener != "implicit":
            client.starttls()
            client.ehlo()
        return client

    def test_wrong_password_on_every_listener(self):
        daemon = self.running()
        for listener in daemon.LISTENERS:
            for mechanism in ("PLAIN", "LOGIN"):
                client = self.before_login(daemon, listener)
                reply = client.login("alice", "wrong-" + mechanism, mechanism)
                self.assertRefused(reply, 535, "5.7.8", daemon)
                # The same session may try again.
                self.assertReply(client.login("alice", "secret", mechanism), 235)
        self.assertEqual(len(daemon.events_so_far("login")), 4 * len(daemon.LISTENERS))
        self.assertNotIn("wrong-", daemon.text())
        self.assertNotIn("secret", daemon.text())

    def test_unknown_user_looks_the_same(self):
        daemon = self.running()
        client = self.before_login(daemon)
        known = client.login("alice", "wrong")
        unknown = client.login("nobody-here", "wrong")
        self.assertEqual(known.text.replace(known.ref, ""), unknown.text.replace(unknown.ref, ""))
        self.assertReply(unknown, 535, "5.7.8")

    def test_too_many_failures_end_the_connection(self):
        daemon = self.postern()
        daemon.config.section("limits")["login_failures"] = 3
        daemon.start()
        client = self.before_login(daemon)
        codes = []
        while 421 not in codes and len(codes) < 6:
            codes.append(client.login("alice", "wrong").code)
        self.assertIn(codes, ([535, 535, 421], [535, 535, 535, 421]))
        self.assertTrue(client.ended())

    def test_only_the_allowed_mechanisms(self):
        daemon = self.running()
        for listener in daemon.LISTENERS:
            client = self.before_login(daemon, listener)
            self.assertEqual(sorted(client.offers["AUTH"].split()), ["LOGIN", "PLAIN"])
        for mechanism in ("ANONYMOUS", "NTLM", "EXTERNAL", "DIGEST-MD5", "CRAM-MD5", "GSSAPI", "OTP",
                          "SCRAM-SHA-256", "X" * 21):
            self.assertReply(client.ask("AUTH " + mechanism), 504, "5.5.4")
        self.assertReply(client.ask("auth plain " + plain("alice", "secret")), 235)

    def test_malformed_responses(self):
        daemon = self.postern()
        daemon.config.section("limits")["errors"] = 100
        daemon.config.section("limits")["login_failures"] = 100
        daemon.start()
        client = self.before_login(daemon)
        for octets in ("A", "AA", "AAA", "AA=A", "AAAA=AAAA", "!!!!", "====", "AA\tA"):
            self.assertReply(client.ask("AUTH PLAIN " + octets), 501, "5.5.2")
        # RFC 4954, 4: a "=" is an empty initial response.
        self.assertIn(client.ask("AUTH PLAIN =").code, (501, 535))
        self.assertEqual(client.ask("AUTH LOGIN").code, 334)
        self.assertReply(client.ask("*"), 501)
        self.assertEqual(client.ask("AUTH PLAIN").code, 334)
        self.assertReply(client.ask("*"), 501)
        for response in (b"no separators", b"\0alice", b"\0\0secret", b"root\0alice\0secret",
                         b"\0" + b"a" * 256 + b"\0secret", b"\0alice\r\nX: y\0secret"):
            self.assertIn(client.ask("AUTH PLAIN " + base64.b64encode(response).decode()).code, (501, 535),
                          response)
        self.assertReply(client.login(), 235)

    def test_lenient_forms_that_real_clients_send(self):
        daemon = self.running()
        for line in ("AUTH PLAIN  " + plain("alice", "secret"), "auth Plain " + plain("alice", "secret"),
                     "AUTH PLAIN " + plain("alice", "secret", "alice")):
            client = self.before_login(daemon)
            self.assertReply(client.ask(line), 235)
        client = self.before_login(daemon)
        self.assertEqual(client.ask("AUTH login " + b64("alice")).text, b64("Password:"))
        self.assertReply(client.ask(b64("secret")), 235)
        client = self.before_login(daemon)
        self.assertEqual(client.ask("AUTH PLAIN").code, 334)
        self.assertReply(client.ask(plain("alice", "secret")), 235)

    def test_login_only_once(self):
        client = self.session(self.running())
        self.assertReply(client.ask("AUTH PLAIN " + plain("alice", "secret")), 503, "5.5.1")

    def test_a_password_with_every_kind_of_octet(self):
        password = "p\u00e4ss w\u00f6rd\\\"'%$`:;{}"
        daemon = self.postern()
        daemon.add_user("carol", password)
        daemon.start()
        self.session(daemon, user="carol", password=password)

    def test_user_changes_take_effect_without_a_reload(self):
        daemon = self.running()
        self.session(daemon)
        daemon.ctl("user", "passwd", "alice", data="other\n")
        client = self.before_login(daemon)
        self.assertReply(client.login("alice", "secret"), 535)
        self.assertReply(client.login("alice", "other"), 235)
        daemon.ctl("user", "add", "dora", data="hello\n")
        self.session(daemon, user="dora", password="hello")
        daemon.ctl("user", "rm", "dora")
        self.assertReply(self.before_login(daemon).login("dora", "hello"), 535)


class BackEnds(Case):
    def before_login(self, daemon):
        client = self.client(daemon)
        client.ehlo()
        client.starttls()
        client.ehlo()
        return client

    def send_as_each(self, daemon, host, forms):
        for i, form in enumerate(forms):
            self.session(daemon, user=form).mail(letter("m%d" % i))
        host.wait(len(forms))
        self.assertRefused(self.before_login(daemon).login("alice", "wrong"), 535, "5.7.8", daemon)

    @unittest.skipUnless(shutil.which("saslpasswd2"), "saslpasswd2 is not installed")
    def test_sasldb(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        db = self.path("sasldb2")
        run(["saslpasswd2", "-c", "-p", "-f", db, "-u", "relay.test", "alice"], data="secret")
        os.chmod(db, 0o600)
        daemon.config.section("login").update(backend="sasldb", sasldb_file=db, realm="relay.test")
        daemon.start()
        self.send_as_each(daemon, host, FORMS[:3])

    @unittest.skipUnless(shutil.which("saslauthd"), "saslauthd is not installed")
    def test_saslauthd(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        saslauthd = Saslauthd(self.path("sa"), {"alice": "secret"}).start()
        self.addCleanup(saslauthd.stop)
        daemon.config.section("login").update(backend="saslauthd", saslauthd_socket=saslauthd.socket)
        daemon.start()
        self.send_as_each(daemon, host, FORMS[:3])
        # A back end that is down: 454 and a log line, never 535.
        saslauthd.end()
        client = self.before_login(daemon)
        self.assertRefused(client.login(), 454, "4.7.0", daemon)
        self.assertEqual(client.ask("NOOP").code, 250)
        down = daemon.wait_event("login", verdict="unavailable")
        self.assertTrue(down.get("detail"), down)
        saslauthd.start()
        self.assertReply(client.login(), 235)

    def test_one_that_is_down_from_the_start_is_told_to_the_first(self):
        daemon = self.postern()
        daemon.config.section("login").update(backend="saslauthd", saslauthd_socket=self.path("nobody", "mux"))
        daemon.start()
        daemon.wait_event("logins-down")
        self.assertRefused(self.client(daemon, greet=False).reply(), 421, "4.3.2", daemon)
        # Nobody needs it for an app password.
        daemon.config.section("login")["app_passwords"] = "required"
        daemon.reload()
        daemon.wait_event("logins-up")
        password = daemon.ctl("app-password", "add", "alice").out.strip()
        self.session(daemon, password=password)

    @unittest.skipUnless(shutil.which("saslauthd"), "saslauthd is not installed")
    def test_a_slow_back_end_delays_nobody_else(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        saslauthd = Saslauthd(self.path("sa"), {"alice": "secret"}).start()
        self.addCleanup(saslauthd.stop)
        daemon.config.section("login").update(backend="saslauthd", saslauthd_socket=saslauthd.socket,
                                              deadline="2s", workers=2)
        daemon.start()
        inside = self.session(daemon)
        saslauthd.imap.stalls = True
        stuck = self.before_login(daemon)
        logins = saslauthd.imap.logins
        stuck.send("AUTH PLAIN " + plain("alice", "secret") + "\r\n")
        wait_for(lambda: saslauthd.imap.logins > logins, "the back end to be asked")
        inside.mail(SIMPLE)
        host.wait(1)
        self.assertRefused(stuck.reply(), 454, "4.7.0", daemon)
        self.assertEqual(stuck.ask("NOOP").code, 250)
