"""What clients are offered, and refused, because of what lies behind: smarthosts and login back ends."""

import shutil
import unittest

from rig.base import wait_for
from rig.case import SIMPLE, Case, letter
from rig.saslauthd import Saslauthd

PLAIN_OFFERS = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "STARTTLS")


class Smarthosts(Case):
    def offered(self, daemon, listener="starttls"):
        client = self.session(daemon, listener)
        return client, client.ehlo() and client.offers

    def learned(self, *hosts):
        """A daemon that has talked to each of its smarthosts, without a message."""
        daemon = self.running(list(hosts))
        for host in hosts:
            wait_for(lambda h=host: any("EHLO" in s.commands for s in h.sessions), "a look at the smarthost")
        return daemon

    def test_each_is_looked_at_before_the_first_message(self):
        first, second = self.quick_smarthost(offers=PLAIN_OFFERS), self.quick_smarthost(offers=PLAIN_OFFERS)
        self.learned(first, second)
        self.assertEqual(first.messages + second.messages, [])

    def test_size_is_the_smallest_of_all(self):
        first = self.quick_smarthost(offers=PLAIN_OFFERS + ("SIZE 3000000",))
        second = self.quick_smarthost(offers=PLAIN_OFFERS + ("SIZE 2000000",))
        daemon = self.learned(first, second)
        wait_for(lambda: int(self.offered(daemon)[1]["SIZE"]) < 2000000, "SIZE to follow")
        client, offers = self.offered(daemon)
        self.assertGreater(int(offers["SIZE"]), 1990000)
        self.assertRefused(client.ask("MAIL FROM:<alice@example.com> SIZE=2000001"), 552, "5.3.4", daemon)
        self.assertReply(client.ask("MAIL FROM:<alice@example.com> SIZE=1900000"), 250)

    def test_a_smarthost_without_a_limit_leaves_ours(self):
        host = self.quick_smarthost(offers=PLAIN_OFFERS + ("SIZE",))
        daemon = self.postern(host)
        daemon.config.section("limits")["message_size"] = "5M"
        daemon.start()
        self.assertEqual(self.offered(daemon)[1]["SIZE"], str(5 << 20))

    def test_letters_beyond_ascii_are_refused_at_once(self):
        host = self.quick_smarthost(offers=PLAIN_OFFERS)
        daemon = self.learned(host)
        client = self.session(daemon)
        wait_for(lambda: client.ask("MAIL FROM:<jürgen@example.com> SMTPUTF8").code == 550 or
                 client.ask("RSET").code == 0, "the smarthost to be known")
        self.assertRefused(client.ask("MAIL FROM:<jürgen@example.com> SMTPUTF8"), 550, "5.6.7", daemon)
        self.assertReply(client.ask("MAIL FROM:<alice@example.com> SMTPUTF8"), 250)
        reply = client.ask("RCPT TO:<jürgen@example.org>")
        self.assertRefused(reply, 550, "5.6.7", daemon)
        self.assertIn("<jürgen@example.org>", reply.text)
        self.assertReply(client.ask("RCPT TO:<bob@bücher.example>"), 250)
        self.assertReply(client.content(SIMPLE), 250)
        message = host.wait(1)[0]
        self.assertEqual(message.recipients, ["bob@xn--bcher-kva.example"])

    def test_letters_beyond_ascii_pass_where_they_can(self):
        host = self.quick_smarthost(offers=PLAIN_OFFERS + ("SMTPUTF8",))
        daemon = self.learned(host)
        client = self.session(daemon)
        self.assertReply(client.ask("MAIL FROM:<jürgen@bücher.example> SMTPUTF8"), 250)
        self.assertReply(client.ask("RCPT TO:<käthe@example.org>"), 250)
        self.assertReply(client.content(SIMPLE), 250)
        message = host.wait(1)[0]
        self.assertEqual(message.sender, "jürgen@bücher.example")
        self.assertEqual(message.recipients, ["käthe@example.org"])
        self.assertIn(b"with UTF8SMTPSA", message.trace())

    def test_requiretls_follows_the_smarthost(self):
        without = self.smarthost(offers=PLAIN_OFFERS)
        with_it = self.smarthost(offers=PLAIN_OFFERS + ("REQUIRETLS",))
        self.assertNotIn("REQUIRETLS", self.known_offers(without))
        self.assertIn("REQUIRETLS", self.known_offers(with_it))

    def test_status_tells_what_each_offers(self):
        host = self.quick_smarthost(offers=PLAIN_OFFERS + ("SMTPUTF8", "LIMITS RCPTMAX=7"))
        silent = self.quick_smarthost()
        silent.down()
        daemon = self.running([host, silent])
        wait_for(lambda: daemon.status()["smarthosts"][0]["offers"], "the look at the smarthost")
        first, second = daemon.status()["smarthosts"]
        self.assertIn("SMTPUTF8", first["offers"])
        self.assertIn("LIMITS RCPTMAX=7", first["offers"])
        self.assertIsNone(second["offers"])
        self.assertIn("SMTPUTF8, LIMITS RCPTMAX=7", daemon.ctl("status").out)

    def known_offers(self, host):
        daemon = self.learned(host)
        client = self.session(daemon)
        client.mail(letter("known"))
        host.wait(1)
        return self.offered(daemon)[1]

    def test_offers_change_with_a_reload(self):
        first = self.quick_smarthost(offers=PLAIN_OFFERS + ("SIZE 1000000",))
        second = self.quick_smarthost(offers=PLAIN_OFFERS + ("SIZE 4000000",))
        daemon = self.learned(first)
        wait_for(lambda: int(self.offered(daemon)[1]["SIZE"]) < 1000000, "SIZE of the first")
        daemon.use(second)
        daemon.reload()
        wait_for(lambda: int(self.offered(daemon)[1]["SIZE"]) > 3900000, "SIZE of the second")


class Backends(Case):
    @unittest.skipUnless(shutil.which("saslauthd"), "saslauthd is not installed")
    def test_one_that_is_down_is_told_at_the_greeting(self):
        saslauthd = Saslauthd(self.path("sa"), {"alice": "secret"}).start()
        self.addCleanup(saslauthd.stop)
        daemon = self.postern()
        daemon.config.section("login").update(backend="saslauthd", saslauthd_socket=saslauthd.socket)
        daemon.start()
        self.session(daemon)
        early = self.client(daemon)
        early.ehlo()
        saslauthd.end()
        early.starttls()
        early.ehlo()
        self.assertRefused(early.login(), 454, "4.7.0", daemon)
        wait_for(lambda: daemon.events("logins-down"), "the daemon to know")
        down = daemon.status()["logins_down"]
        self.assertIn(saslauthd.socket, down["reason"])
        self.assertIn("logins        down since %s, new sessions get 421: " % down["since"], daemon.ctl("status").out)
        for listener in ("starttls", "implicit"):
            late = self.client(daemon, listener, greet=False)
            self.assertRefused(late.reply(), 421, "4.3.2", daemon)
            self.assertTrue(late.ended())
        wait_for(lambda: len(daemon.events("closed", reason="logins cannot be checked")) == 2, "both to be closed")
        self.assertEqual(daemon.events("violation"), [])
        # Who was there before keeps the connection.
        self.assertReply(early.ask("NOOP"), 250)
        saslauthd.start()
        wait_for(lambda: daemon.events("logins-up"), "the daemon to know")
        self.session(daemon)
        self.assertEqual(daemon.status()["counters"]["sessions_unserved"], 2)
        self.assertIsNone(daemon.status()["logins_down"])


class Listeners(Case):
    def test_only_those_named_may_use_it(self):
        daemon = self.postern()
        daemon.ctl("user", "add", "bob", data="hush\n")
        daemon.config.section("listen", "submit25")["users"] = ["bob"]
        daemon.start()
        self.session(daemon, "submit25", user="bob@example.com", password="hush")
        self.session(daemon, "starttls", user="alice")
        client = self.client(daemon, "submit25")
        client.ehlo()
        client.starttls()
        client.ehlo()
        reply = client.login("alice")
        self.assertRefused(reply, 535, "5.7.8", daemon)
        self.assertRegex(reply.text, r"use another port of this server: SSL/TLS on port %d \(ref" % daemon.port["implicit"])
        self.assertRefused(client.ask("MAIL FROM:<alice@example.com>"), 530, "5.7.0", daemon)

    def test_each_offers_its_own_mechanisms(self):
        daemon = self.postern()
        daemon.config.section("listen", "submit25")["mechanisms"] = ["LOGIN"]
        daemon.config.section("listen", "submit25")["auth_line"] = True
        daemon.start()
        for listener, line in (("submit25", ["AUTH LOGIN", "AUTH=LOGIN"]), ("starttls", ["AUTH PLAIN LOGIN"]),
                               ("implicit", ["AUTH PLAIN LOGIN"])):
            client = self.client(daemon, listener)
            if listener != "implicit":
                client.ehlo()
                client.starttls()
            lines = [part[4:].decode() for part in client.ask("EHLO x").raw.split(b"\r\n") if b"AUTH" in part]
            self.assertEqual(lines, line, listener)

    def test_the_footer_stands_in_every_refusal(self):
        footer = "Help: https://help.example.com/mail"
        daemon = self.postern()
        daemon.config.top["refusal_footer"] = footer
        daemon.start()
        client = self.client(daemon)
        client.ehlo()
        refusals = [client.ask(line) for line in ("MAIL FROM:<a@example.com>", "AUTH PLAIN", "NONSENSE")]
        client.starttls()
        client.ehlo()
        refusals += [client.login("alice", "wrong"), client.ask("MAIL FROM:<a@example.com>")]
        for reply in refusals:
            self.assertGreaterEqual(reply.code, 400)
            self.assertIn(footer, reply.text)
            self.assertEqual(len(reply.raw.split(b"\r\n")), 2, reply)
            self.assertTrue(reply.ref)

    def test_after_a_failed_login_mail_says_why(self):
        daemon = self.running()
        client = self.client(daemon)
        client.ehlo()
        client.starttls()
        client.ehlo()
        refused = client.login("alice", "wrong")
        reply = client.ask("MAIL FROM:<alice@example.com>")
        self.assertRefused(reply, 530, "5.7.0", daemon)
        self.assertIn("User name or password not accepted", refused.text)
        self.assertIn("User name or password not accepted", reply.text)
