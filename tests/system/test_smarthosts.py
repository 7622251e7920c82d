"""The way out: real Postfix, and smarthosts that fail in every way they can."""

import email
import unittest

from rig import postfix
from rig.base import wait_for
from rig.case import SIMPLE, Case, hard_body, letter
from rig.letters import signed_8bit
from rig.smarthost import CLOSE


class Stored(Case):
    """With queue hand-off: every message is in the queue first, so that notices tell what became of it."""

    def postern(self, smarthost=None, **options):
        daemon = super().postern(smarthost, **options)
        daemon.config.section("queue")["handoff"] = "queue"
        return daemon


class RealPostfix(Stored):
    @unittest.skipUnless(postfix.is_possible(), "needs root and Postfix")
    def test_starttls_verified_and_login(self):
        host = postfix.Postfix(self.new_dir("postfix"), self.certificates.smarthost)
        self.addCleanup(host.stop)
        host.start()
        daemon = self.running(host)
        octets = [letter("p%d" % i, hard_body(i, 20000 * (i + 1))) for i in range(3)]
        for listener, content in zip(daemon.LISTENERS, octets):
            self.session(daemon, listener, ehlo="hotel.invalid").mail(content)
        came = host.wait(3)
        self.assertEqual(sorted(m.below_trace() for m in came), sorted(octets))
        for message in came:
            self.assertIn(b"(Example Corp)", message.trace())
            self.assertNotIn(b"hotel", message.content)
        self.assertRegex(host.log(), r"sasl_method=\w+, sasl_username=relay@smarthost\.test")
        self.assertIn("Anonymous TLS connection established from", host.log())
        daemon.wait_empty()

    @unittest.skipUnless(postfix.is_possible(), "needs root and Postfix")
    def test_what_it_refuses_comes_back_as_a_notice(self):
        """The notice goes out through Postfix as well, to the sender's mailbox."""
        where = self.new_dir("postfix")
        host = postfix.Postfix(where, self.certificates.smarthost, "smtpd_recipient_restrictions = "
                               "check_recipient_access regexp:%s/recipients\n" % where)
        host.write("recipients", "/^bad@/ 550 5.1.1 nobody of that name\n")
        self.addCleanup(host.stop)
        host.start()
        daemon = self.running(host)
        self.session(daemon).mail(letter("half"), recipients=["bad@example.org", "good@example.org"])
        came = host.wait(2)
        notice = next(m for m in came if m.sender == "")
        self.assertEqual(notice.recipients, ["alice@example.com"])
        self.assertIn(b"nobody of that name", notice.content)
        daemon.wait_empty()


class Trouble(Case):
    """While the smarthost is of no use, mail waits, the queue says why, and later it arrives."""

    def waits(self, host, reason, mend, daemon=None, count=1):
        daemon = daemon or self.running(host)
        self.session(daemon).mail(letter("waits"))
        qid = daemon.wait_event("accepted")["qid"]
        wait_for(lambda: daemon.events("deferred", qid=qid) or daemon.events("waiting", qid=qid),
                 "event=deferred or event=waiting")
        shown = wait_for(lambda: self.shown(daemon, qid, reason), "reason %s in the queue:\n%s"
                         % (reason, daemon.ctl("queue", "show", qid).out))
        self.assertIn(qid, daemon.ctl("queue").out)
        self.assertIn("bob@example.org", shown)
        self.assertEqual(host.messages, [])
        mend()
        message = host.wait(count, 60)[-1]
        self.assertEqual(message.below_trace(), letter("waits"))
        daemon.wait_empty()
        self.assertNotIn(qid, daemon.ctl("queue").out)
        return daemon

    @staticmethod
    def shown(daemon, qid, reason):
        out = daemon.ctl("queue", "show", qid).out
        words = out.lower()
        return out if all(any(w in words for w in alternatives.split("|"))
                          for alternatives in reason.split()) else None

    def test_down(self):
        host = self.smarthost()
        host.down()
        self.waits(host, "refused", host.up)

    def test_name_that_does_not_resolve(self):
        host = self.smarthost()
        daemon = self.postern(host, host="smarthost.invalid")
        daemon.start()

        def mend():
            daemon.config.section("smarthost", "main")["host"] = "localhost"
            daemon.reload()
        self.waits(host, "smarthost.invalid", mend, daemon)

    def test_greeting_refused(self):
        host = self.smarthost()
        host.at["CONNECT"] = "421 4.3.2 closed for the night"
        self.waits(host, "night", host.at.clear)

    def test_greeting_refused_for_good(self):
        """A 554 greeting speaks of the connection, not of the message."""
        host = self.smarthost()
        host.at["CONNECT"] = "554 5.7.1 you are not welcome"
        self.waits(host, "welcome", host.at.clear)

    def test_wrong_password(self):
        host = self.smarthost()
        host.at["AUTH"] = "535 5.7.8 wrong name or password"
        self.waits(host, "535|password", host.at.clear)

    def test_no_usable_mechanism(self):
        host = self.smarthost(mechanisms="X-UNHEARD-OF")

        def mend():
            host.mechanisms = "LOGIN"
        self.waits(host, "mechanism", mend)

    def test_no_login_offered(self):
        host = self.smarthost(mechanisms="")

        def mend():
            host.mechanisms = "PLAIN"
        self.waits(host, "mechanism|auth|login", mend)

    def test_certificate_of_another_authority(self):
        host = self.smarthost(self.certificates.stranger)
        daemon = self.waits(host, "certificate|trust|issuer|verif", lambda: host.present(self.certificates.smarthost))
        self.no_secret_in_the_open(host, daemon)

    def test_certificate_of_another_host(self):
        host = self.smarthost(self.certificates.misnamed)
        self.waits(host, "certificate|name|verif", lambda: host.present(self.certificates.smarthost))

    def test_certificate_that_has_ended(self):
        host = self.smarthost(self.certificates.expired)
        self.waits(host, "certificate|expired|verif", lambda: host.present(self.certificates.smarthost))

    def test_implicit_tls_and_its_certificate(self):
        host = self.smarthost(self.certificates.stranger, tls="implicit")
        self.waits(host, "certificate|trust|issuer|verif", lambda: host.present(self.certificates.smarthost))

    def no_secret_in_the_open(self, host, daemon):
        for session in host.sessions:
            self.assertNotIn(b"AUTH", session.plaintext)
            self.assertNotIn(b"MAIL", session.plaintext)

    def test_starttls_not_offered(self):
        host = self.smarthost()
        host.offers.remove("STARTTLS")
        daemon = self.waits(host, "starttls|tls", lambda: host.offers.append("STARTTLS"))
        self.no_secret_in_the_open(host, daemon)

    def test_starttls_refused(self):
        host = self.smarthost()
        host.at["STARTTLS"] = "454 4.7.0 not now"
        daemon = self.waits(host, "tls|now", host.at.clear)
        self.no_secret_in_the_open(host, daemon)

    def test_octets_behind_its_220(self):
        """CVE-2021-38371: replies injected before the handshake."""
        host = self.smarthost()

        def inject(session, _):
            session.sock.sendall(b"220 ok\r\n250-smarthost.test\r\n250 AUTH PLAIN\r\n")
            return CLOSE
        host.at["STARTTLS"] = inject
        daemon = self.waits(host, "starttls|tls|repl", host.at.clear)
        self.no_secret_in_the_open(host, daemon)

    def test_closes_in_the_middle_of_a_message(self):
        host = self.smarthost()
        host.at["BODY"] = CLOSE
        self.waits(host, "clos|lost|connection|end", host.at.clear)

    def test_closes_after_the_final_dot(self):
        """It may have taken the message: it is sent again."""
        host = self.smarthost()

        def forget(session, message):
            host.at.clear()
            return CLOSE
        host.at["EOD"] = forget
        daemon = self.running(host)
        self.session(daemon).mail(letter("twice"))
        self.assertEqual(host.wait(1, 60)[0].below_trace(), letter("twice"))
        daemon.wait_empty()

    def test_4xx_at_each_step(self):
        for step in ("MAIL", "RCPT", "DATA", "EOD"):
            with self.subTest(step=step):
                host = self.smarthost()
                host.at[step] = "451 4.3.2 come back in the %s evening" % step.lower()
                self.waits(host, "evening", host.at.clear)

    def test_421_at_each_step(self):
        for step in ("MAIL", "RCPT", "DATA", "EOD"):
            with self.subTest(step=step):
                host = self.smarthost()
                told = []

                def closing(session, _):
                    if told:
                        return None
                    told.append(1)
                    session.say("421 4.3.2 shutting down at sunset")
                    return CLOSE
                host.at[step] = closing
                daemon = self.running(host)
                self.session(daemon).mail(letter("waits"))
                self.assertEqual(host.wait(1, 60)[0].below_trace(), letter("waits"))
                daemon.wait_empty()

    def test_replies_that_are_none(self):
        for octets in (b"hello\r\n", b"2\r\n", b"999 what\r\n", b"250-" + b"x" * 200000, b"\0\0\0\r\n",
                       b"250-ok\r\n" * 50000, b"\x1b[2J250 ok\r\n"):
            with self.subTest(octets=octets[:10]):
                host = self.quick_smarthost()

                def garbage(session, _):
                    session.sock.sendall(octets)
                    return CLOSE
                host.at["MAIL"] = garbage
                daemon = self.running(host)
                self.session(daemon).mail(letter("waits"))
                daemon.wait_event("deferred")
                self.assertNotIn("\x1b", daemon.text())
                host.at.clear()
                self.assertEqual(host.wait(1, 60)[0].below_trace(), letter("waits"))

    def test_a_login_never_goes_over_plain_text(self):
        """tls = none to a host that wants a login: only mechanisms that hide the password."""
        host = self.smarthost(tls="none", mechanisms="PLAIN LOGIN")
        daemon = self.running(host)
        self.session(daemon).mail(letter("open"))
        daemon.wait_event("waiting")
        for session in host.sessions:
            self.assertNotIn("AUTH", session.commands)
        self.assertEqual(host.messages, [])


class Routes(Stored):
    def test_fail_over_and_come_back(self):
        first, second = self.smarthost(), self.smarthost()
        first.down()
        daemon = self.running([first, second])
        client = self.session(daemon)
        client.mail(letter("one"))
        self.assertEqual(second.wait(1)[0].below_trace(), letter("one"))
        first.up()
        sent = []

        def to_first():
            client.mail(letter("again"))
            sent.append(1)
            wait_for(lambda: len(first.messages) + len(second.messages) > len(sent), "a delivery")
            return first.messages
        wait_for(to_first, "a message at the first smarthost", 90)
        daemon.wait_empty()

    def test_fail_over_for_a_wrong_certificate(self):
        first, second = self.smarthost(self.certificates.stranger), self.smarthost()
        daemon = self.running([first, second])
        self.session(daemon).mail(SIMPLE)
        second.wait(1)
        self.assertEqual(first.messages, [])
        down = daemon.wait_event("smarthost-down")
        self.assertEqual(down["smarthost"], "main")
        self.assertTrue(down["reason"])

    def test_fail_over_for_a_refused_login(self):
        first, second = self.smarthost(), self.smarthost()
        first.at["AUTH"] = "535 5.7.8 no"
        daemon = self.running([first, second])
        self.session(daemon).mail(SIMPLE)
        second.wait(1)

    def test_no_fail_over_for_a_refused_message(self):
        first, second = self.smarthost(), self.smarthost()
        first.at["RCPT"] = lambda s, path: "550 5.1.1 unknown" if path == "bob@example.org" else None
        daemon = self.running([first, second])
        self.session(daemon).mail(SIMPLE)
        notice = first.wait(1)[0]
        self.assertEqual(notice.sender, "")
        self.assertEqual(second.messages, [])

    def carrying(self, host):
        """Connections with mail: one more may have asked what the smarthost can do."""
        return sum("MAIL" in s.commands for s in host.sessions)

    def one_by_one(self, daemon, count):
        """Each is delivered, and its connection free again, before the next."""
        client = self.session(daemon)
        for i in range(count):
            client.mail(letter("m%d" % i))
            wait_for(lambda n=i + 1: len(daemon.events("delivered")) == n, "%d deliveries" % (i + 1))

    def test_a_warm_connection_is_used_again(self):
        host = self.smarthost()
        self.one_by_one(self.running(host), 5)
        self.assertEqual(self.carrying(host), 1)

    def test_messages_over_one_connection(self):
        host = self.smarthost()
        self.one_by_one(self.running(host, messages=2), 6)
        self.assertEqual(self.carrying(host), 3)

    def test_no_more_connections_than_allowed(self):
        host = self.smarthost()
        seen = []

        def slow(session, _):
            with host.lock:
                seen.append(sum(s.message is not None for s in host.sessions))
        host.at["EOD"] = slow
        daemon = self.running(host, connections=2)
        clients = [self.session(daemon) for _ in range(10)]
        for i, client in enumerate(clients):
            client.mail(letter("m%d" % i))
        host.wait(10)
        self.assertLessEqual(max(seen), 2)
        # One that was given up by the daemon may still be open on the smarthost's side.
        wait_for(lambda: len([s for s in host.sessions if s.sock.fileno() >= 0]) <= 2, "two connections at most")

    def test_a_dead_warm_connection_costs_nothing(self):
        """Closed by the smarthost while idle: the next message takes a new one at once."""
        host = self.smarthost()
        daemon = self.running(host)
        client = self.session(daemon)
        client.mail(letter("one"))
        host.wait(1)
        host.drop()
        client.mail(letter("two"))
        host.wait(2, 10)
        self.assertEqual(daemon.events_so_far("failed"), [])

    def test_ehlo_name_and_login(self):
        host = self.smarthost()
        self.session(self.running(host)).mail(SIMPLE)
        session = host.wait(1)[0].session
        self.assertEqual(session.ehlo, "relay.test")
        self.assertEqual(session.user, "relay")
        self.assertTrue(session.tls)

    def test_login_only_mechanism(self):
        host = self.smarthost(mechanisms="LOGIN")
        self.session(self.running(host)).mail(SIMPLE)
        self.assertEqual(host.wait(1)[0].session.user, "relay")

    def test_a_peer_without_extensions(self):
        host = self.quick_smarthost(offers=())
        daemon = self.running(host)
        client = self.session(daemon)
        client.mail(letter("plain"))
        self.assertEqual(host.wait(1)[0].parameters, "")
        # 8-bit content is made fit for it; where a signature forbids that, the sender is told.
        client.mail(letter("eight", b"\xfcber\r\n"))
        message = host.wait(2)[1]
        self.assertEqual((message.sender, message.parameters), ("alice@example.com", ""))
        self.assertIn(b"\r\n\r\n=FCber\r\n", message.content)
        client.mail(signed_8bit())
        notice = host.wait(3)[2]
        self.assertEqual(notice.sender, "")
        self.assertIn(b"5.6.3", notice.content)

    def test_8bitmime_and_size_are_passed_on(self):
        host = self.quick_smarthost()
        self.session(self.running(host)).mail(letter("eight", b"\xfcber\r\n"))
        message = host.wait(1)[0]
        self.assertIn("BODY=8BITMIME", message.parameters)
        self.assertIn("SIZE=%d" % len(message.content), message.parameters)

    def test_each_recipient_has_its_own_end(self):
        host = self.quick_smarthost()

        def by_name(session, path):
            if path.startswith("bad"):
                return "550 5.1.1 no such user here"
            if path.startswith("later") and not host.at.get("open"):
                return "450 4.2.1 mailbox busy"
            return None
        host.at["RCPT"] = by_name
        daemon = self.running(host)
        self.session(daemon).mail(letter("mixed"), recipients=["good@example.org", "bad@example.org",
                                                               "later@example.org", "also@example.org"])
        first = host.wait_for(lambda m: m.sender, "the first delivery")
        self.assertEqual(first.recipients, ["good@example.org", "also@example.org"])
        notice = host.wait_for(lambda m: not m.sender, "the notice")
        self.assertEqual(notice.recipients, ["alice@example.com"])
        self.assertIn(b"bad@example.org", notice.content)
        self.assertNotIn(b"Final-Recipient: rfc822;later@example.org", notice.content)
        qid = daemon.wait_event("accepted")["qid"]
        shown = daemon.ctl("queue", "show", qid).out
        self.assertIn("mailbox busy", shown)
        host.at["open"] = True
        last = host.wait_for(lambda m: m.recipients == ["later@example.org"], "the late delivery")
        self.assertEqual(last.below_trace(), letter("mixed"))
        daemon.wait_empty()
        self.assertEqual(len(host.messages), 3)


class Notices(Stored):
    def notice(self, host, daemon, sender="alice@example.com"):
        message = host.wait_for(lambda m: m.sender == "", "a notice", 40)
        self.assertEqual(message.recipients, [sender])
        parsed = email.message_from_bytes(message.content)
        self.assertEqual(parsed.get_content_type(), "multipart/report")
        self.assertEqual(parsed.get_param("report-type"), "delivery-status")
        self.assertEqual(parsed.defects, [])
        self.assertTrue(parsed["Auto-Submitted"].startswith("auto-"))
        for name in ("From", "To", "Subject", "Date", "Message-ID"):
            self.assertEqual(len(parsed.get_all(name, [])), 1, name)
        words, status, original = parsed.get_payload()
        self.assertEqual(words.get_content_type(), "text/plain")
        self.assertEqual(status.get_content_type(), "message/delivery-status")
        self.assertIn(original.get_content_type(), ("text/rfc822-headers", "message/rfc822"))
        whole, *each = status.get_payload()
        self.assertRegex(whole["Reporting-MTA"], r"^dns; ?relay\.test$")
        for fields in each:
            self.assertEqual(fields["Action"], "failed")
        self.assertTrue(all(len(l) <= 998 for l in message.content.split(b"\r\n")))
        return words.get_payload(decode=True).decode(), each, original.get_payload(), parsed

    def test_refused_recipients(self):
        host = self.smarthost()
        host.at["RCPT"] = lambda s, path: "550 5.1.1 <%s> unknown here" % path if "bad" in path else None
        daemon = self.running(host)
        octets = letter("to nobody", b"The secret of the body.\r\n")
        self.session(daemon).mail(octets, recipients=["bad1@example.org", "good@example.org", "bad2@example.org"])
        words, each, original, _ = self.notice(host, daemon)
        self.assertEqual([f["Final-Recipient"].replace(" ", "") for f in each],
                         ["rfc822;bad1@example.org", "rfc822;bad2@example.org"])
        for fields in each:
            self.assertEqual(fields["Status"], "5.1.1")
            self.assertIn("unknown here", fields["Diagnostic-Code"])
            self.assertTrue(fields["Diagnostic-Code"].replace(" ", "").startswith("smtp;550"))
            self.assertIn("localhost", fields["Remote-MTA"])
        self.assertIn("bad1@example.org", words)
        self.assertIn("unknown here", words)
        self.assertIn("to nobody", str(original))
        self.assertNotIn("secret of the body", str(original))
        daemon.wait_empty()
        daemon.wait_event("bounced")
        self.assertEqual(len(host.messages), 2)

    def test_refused_content(self):
        host = self.smarthost()
        host.at["EOD"] = lambda s, m: "554 5.7.1 looks like spam" if m.sender else None
        daemon = self.running(host)
        self.session(daemon).mail(SIMPLE, recipients=["a@example.org", "b@example.org"])
        _, each, _, _ = self.notice(host, daemon)
        self.assertEqual(len(each), 2)
        self.assertEqual(each[0]["Status"], "5.7.1")

    def test_refused_sender(self):
        host = self.smarthost()
        host.at["MAIL"] = lambda s, rest: "550 5.1.8 who are you" if "alice" in rest else None
        daemon = self.running(host)
        self.session(daemon).mail(SIMPLE)
        _, each, _, _ = self.notice(host, daemon)
        self.assertEqual(each[0]["Status"], "5.1.8")

    def test_no_enhanced_code(self):
        host = self.smarthost()
        host.at["RCPT"] = lambda s, path: "550 no" if path.startswith("bob") else None
        daemon = self.running(host)
        self.session(daemon).mail(SIMPLE)
        _, each, _, _ = self.notice(host, daemon)
        self.assertRegex(each[0]["Status"], r"^5\.\d+\.\d+$")

    def test_expired(self):
        host = self.smarthost()
        host.at["RCPT"] = lambda s, path: "451 4.2.1 still busy" if path.startswith("bob") else None
        daemon = self.postern(host)
        daemon.config.section("queue")["expire"] = "2s"
        daemon.start()
        self.session(daemon).mail(SIMPLE)
        words, each, _, _ = self.notice(host, daemon)
        self.assertRegex(each[0]["Status"], r"^[45]\.4\.7$")
        self.assertIn("still busy", words + str(each[0]))
        daemon.wait_empty()

    def test_never_a_notice_for_a_notice(self):
        host = self.smarthost()
        host.at["RCPT"] = "550 5.1.1 nobody here at all"
        daemon = self.running(host)
        client = self.session(daemon)
        client.mail(letter("one"))
        client.mail(letter("two"), sender="")
        daemon.wait_empty(40)
        self.assertEqual(len(daemon.events("bounced")), 1)
        self.assertEqual(host.messages, [])

    def test_hostile_words_stay_in_their_place(self):
        host = self.smarthost()
        words = "550-5.1.1 first\x07 line\r\n550-5.1.1 Action: delivered\r\n550 5.1.1 " + "long " * 150
        host.at["RCPT"] = lambda s, path: words if path.startswith("bob") else None
        daemon = self.running(host)
        octets = letter("odd", head=b"X-Boundary: --\xff\xfe\r\n")
        self.session(daemon).mail(octets)
        _, each, _, parsed = self.notice(host, daemon)
        self.assertEqual(len(each), 1)
        self.assertEqual(len(each[0].get_all("Action")), 1)

    def test_many_recipients(self):
        host = self.smarthost()
        host.at["RCPT"] = lambda s, path: "550 5.1.1 no" if path.startswith("r") else None
        daemon = self.running(host)
        self.session(daemon).mail(SIMPLE, recipients=["r%d@example.org" % i for i in range(300)])
        _, each, _, _ = self.notice(host, daemon)
        self.assertEqual(len(each), 300)
