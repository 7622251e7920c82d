"""Notices as a mail program and a list manager read them: RFC 3464, 3461, 6522, 6533, 3834."""

import email
import email.errors
import email.policy
import email.utils
import re
import unittest

from rig.base import PATIENCE
from rig.case import Case, hard_body, letter
from rig.letters import signed_8bit

TEXT = r"[\x20-\x7e]+"
MTA = r"dns; (\[(IPv6:)?[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)"
ADDRESS = r"(rfc822; [\x21-\x7e]+|utf-8; [\x21-\x2a\x2c-\x3c\x3e-\x7e]+)"

# Of RFC 3464 2.2 and 2.3, that we write; "X-" is for extensions.
PER_MESSAGE = {"Original-Envelope-Id": TEXT, "Reporting-MTA": MTA, "X-Postern-Id": r"[0-9A-Z]{13}",
               "Arrival-Date": None}
PER_RECIPIENT = {"Original-Recipient": ADDRESS, "Final-Recipient": ADDRESS, "Action": "failed|delayed|relayed",
                 "Status": r"[245]\.\d{1,3}\.\d{1,3}", "Remote-MTA": MTA,
                 "Diagnostic-Code": r"(smtp|x-postern); " + TEXT, "Last-Attempt-Date": None,
                 "Will-Retry-Until": None}
CLASSES = {"failed": "45", "delayed": "4", "relayed": "2"}


class Notice:
    """What came, taken apart; everything that the RFCs demand of it has been looked at."""

    def __init__(self, test, message):
        self.test = test
        self.message = message
        self.octets = message.content
        self.check_lines()
        if self.octets.isascii():
            self.parsed = email.message_from_bytes(self.octets, policy=email.policy.SMTP)
        else:
            text = self.octets.decode("utf-8", "surrogateescape")
            self.parsed = email.message_from_string(text, policy=email.policy.SMTPUTF8)
        self.check_header()
        self.text, self.status, self.original = self.parsed.get_payload()
        test.assertEqual(self.text.get_content_type(), "text/plain")
        self.words = " ".join(self.text.get_content().split())
        self.check_status()

    def check_lines(self):
        for line in self.octets.split(b"\r\n"):
            self.test.assertLessEqual(len(line), 998)
            self.test.assertNotRegex(line, rb"[\r\n\x00]")
        if "BODY=8BITMIME" not in self.message.parameters:
            self.test.assertTrue(self.octets.isascii())

    def check_header(self):
        t, p = self.test, self.parsed
        t.assertEqual(self.message.sender, "")
        t.assertEqual(len(self.message.recipients), 1)
        for part in p.walk():
            t.assertEqual(part.defects, [], part.get_content_type())
        for name, value in p.items():
            t.assertEqual(len(p.get_all(name)), 1, name)
            t.assertEqual([d for d in value.defects if not isinstance(d, email.errors.NonASCIILocalPartDefect)], [])
        t.assertEqual(p["Auto-Submitted"], "auto-replied")  # RFC 3834 5
        t.assertNotIn("Precedence", p)
        t.assertEqual(p["MIME-Version"], "1.0")
        t.assertEqual(p["From"].addresses[0].addr_spec, "MAILER-DAEMON@relay.test")
        t.assertEqual(p["From"].addresses[0].display_name, "Example Corp mail delivery")
        t.assertEqual(p["To"].addresses[0].addr_spec, self.message.recipients[0])
        t.assertRegex(p["Message-ID"], r"^<[0-9A-Z]{13}@relay\.test>$")
        t.assertIsNotNone(p["Date"].datetime)
        t.assertEqual(p.get_content_type(), "multipart/report")  # RFC 6522 3
        t.assertEqual(p.get_param("report-type"), "delivery-status")
        t.assertEqual(len(p.get_payload()), 3)

    def check_fields(self, fields, known, needed):
        for name, value in fields.items():
            self.test.assertIn(name, known)
            self.test.assertEqual(len(fields.get_all(name)), 1, name)
            if known[name] is None:
                self.test.assertIsNotNone(email.utils.parsedate_to_datetime(value), name)
            else:
                self.test.assertRegex(" ".join(value.split()), "^(%s)$" % known[name], name)
        for name in needed:
            self.test.assertIn(name, fields)

    def check_status(self):
        t = self.test
        t.assertEqual(self.status.get_content_type(), "message/delivery-status")
        t.assertNotIn("Content-Transfer-Encoding", self.status)
        self.whole, *self.each = self.status.get_payload()
        t.assertGreaterEqual(len(self.each), 1)
        self.check_fields(self.whole, PER_MESSAGE, ["Reporting-MTA", "Arrival-Date"])
        t.assertEqual(self.whole["Reporting-MTA"], "dns; relay.test")
        for fields in self.each:
            self.check_fields(fields, PER_RECIPIENT, ["Final-Recipient", "Action", "Status"])
            t.assertIn(fields["Status"][0], CLASSES[fields["Action"]])
            t.assertEqual("Will-Retry-Until" in fields, fields["Action"] == "delayed")

    def original_octets(self):
        """The third part as it stands, for the whole original."""
        boundary = b"--" + self.parsed.get_boundary().encode()
        part = self.octets.split(b"\r\n" + boundary)[3]
        return part.split(b"\r\n\r\n", 1)[1]

    def original_header(self):
        self.test.assertEqual(self.original.get_content_type(), "text/rfc822-headers")
        return self.original.get_payload(decode=True)


class Notices(Case):
    def daemon(self, host, **queue):
        daemon = self.postern(host)
        daemon.config.section("queue").update(dict({"handoff": "queue"}, **queue))
        return daemon.start()

    def send(self, daemon, octets, recipients, params="", sender="alice@example.com"):
        """recipients: of (address, parameters)."""
        client = self.session(daemon)
        client.want(250, "MAIL FROM:<%s> %s" % (sender, params) if params else "MAIL FROM:<%s>" % sender)
        for address, more in recipients:
            client.want(250, "RCPT TO:<%s> %s" % (address, more) if more else "RCPT TO:<%s>" % address)
        self.assertReply(client.content(octets), 250)

    def notice(self, host, **limits):
        return Notice(self, host.wait_for(lambda m: m.sender == "", "a notice", **limits))

    def refusing(self, words="550 5.1.1 <%s> unknown here", **options):
        host = self.quick_smarthost(**options)
        host.at["RCPT"] = lambda s, path: (words % path if "%" in words else words) if "bad" in path else None
        return host

    def test_failed(self):
        host = self.refusing()
        daemon = self.daemon(host)
        octets = letter("to nobody", b"The secret of the body.\r\n")
        self.send(daemon, octets, [("bad@example.org", "ORCPT=rfc822;Bad+2Bx@example.org"), ("good@example.org", "")],
                  "ENVID=QQ+20314159")
        notice = self.notice(host)
        self.assertEqual(notice.parsed["Subject"], "Not delivered: your message to bad@example.org")
        self.assertNotIn("In-Reply-To", notice.parsed)  # "<to nobody@example.com>" is no Message-ID
        self.assertIn("Your message to bad@example.org could not be delivered.", notice.words)
        self.assertIn("550 5.1.1 <bad@example.org> unknown here", notice.words)
        self.assertEqual(notice.whole["Original-Envelope-Id"], "QQ 314159")
        fields = notice.each[0]
        self.assertEqual(len(notice.each), 1)
        self.assertEqual(fields["Original-Recipient"], "rfc822; Bad+x@example.org")
        self.assertEqual(fields["Final-Recipient"], "rfc822; bad@example.org")
        self.assertEqual((fields["Action"], fields["Status"]), ("failed", "5.1.1"))
        self.assertEqual(fields["Remote-MTA"], "dns; [127.0.0.1]")
        self.assertEqual(fields["Diagnostic-Code"], "smtp; 550 5.1.1 <bad@example.org> unknown here")
        self.assertIn("Last-Attempt-Date", fields)
        self.assertIn(b"\r\nSubject: to nobody\r\n", notice.original_header())
        self.assertNotIn(b"secret", notice.octets)
        daemon.wait_empty()
        self.assertEqual(len(host.messages), 2)

    def test_threads(self):
        host = self.refusing()
        daemon = self.daemon(host)
        self.send(daemon, letter("lunch"), [("bad@example.org", "")])
        notice = self.notice(host)
        self.assertEqual((notice.parsed["In-Reply-To"], notice.parsed["References"]), ("<lunch@example.com>",) * 2)

    def full(self, content, params="RET=FULL", **options):
        host = self.refusing(**options)
        daemon = self.daemon(host)
        self.send(daemon, content, [("bad@example.org", "")], params)
        notice = self.notice(host, seconds=60)
        daemon.wait_empty()
        return notice

    def test_whole_original(self):
        octets = letter("whole", b"--=_\r\nThe body.\r\n")
        notice = self.full(octets)
        self.assertEqual(notice.original.get_content_type(), "message/rfc822")
        self.assertTrue(notice.original_octets().endswith(octets))
        self.assertNotIn("BODY=8BITMIME", notice.message.parameters)

    def test_large_8bit_original(self):
        """Larger than what is kept in memory, lines of every kind."""
        octets = letter("large", hard_body(3, 6000000))
        notice = self.full(octets, "RET=FULL BODY=8BITMIME")
        self.assertEqual(notice.original.get_content_type(), "message/rfc822")
        self.assertEqual(notice.original["Content-Transfer-Encoding"], "8bit")
        self.assertEqual(notice.parsed["Content-Transfer-Encoding"], "8bit")
        self.assertTrue(notice.original_octets().endswith(octets))

    def test_header_only(self):
        notice = self.full(letter("hdrs", b"The body.\r\n"), "RET=HDRS")
        self.assertNotIn(b"The body.", notice.octets)

    def test_too_large_comes_back_without_its_content(self):
        notice = self.full(letter("big", b"The body.\r\n"), words="552 5.3.4 too large")
        self.assertIn(b"Subject: big", notice.original_header())
        self.assertNotIn(b"The body.", notice.octets)

    def test_8bit_header_over_7bit(self):
        """The smarthost takes neither the message, whose signed part must not be touched, nor an 8-bit notice."""
        host = self.quick_smarthost(offers=("PIPELINING", "ENHANCEDSTATUSCODES"))
        daemon = self.daemon(host)
        octets = "X-Name: J\u00f6rg\r\n".encode() + signed_8bit()
        self.send(daemon, octets, [("bob@example.org", "")], "RET=FULL")
        notice = self.notice(host)
        self.assertEqual(notice.each[0]["Status"], "5.6.3")
        self.assertIn("X-Name: Jörg\r\n".encode(), notice.original_header())

    def test_delayed_and_then_expired(self):
        host = self.refusing("450 4.2.0 come back later")
        expire = 4 + int(PATIENCE)
        daemon = self.daemon(host, warn="1s", expire="%ds" % expire)
        self.send(daemon, letter("slow"), [("bad@example.org", ""), ("bad2@example.org", "NOTIFY=FAILURE")], "RET=FULL")
        notice = self.notice(host)
        self.assertEqual(notice.parsed["Subject"], "Delayed, still being tried: your message to bad@example.org")
        self.assertIn("There is nothing you need to do: we go on trying until", notice.words)
        self.assertIn("+0000 (UTC)", notice.words)
        self.assertIn("450 4.2.0 come back later", notice.words)
        self.assertEqual(len(notice.each), 1)
        fields = notice.each[0]
        self.assertEqual((fields["Action"], fields["Status"]), ("delayed", "4.2.0"))
        until = email.utils.parsedate_to_datetime(fields["Will-Retry-Until"])
        came = email.utils.parsedate_to_datetime(notice.whole["Arrival-Date"])
        self.assertAlmostEqual((until - came).total_seconds(), expire, delta=2)
        self.assertIn(b"Subject: slow", notice.original_header())
        last = host.wait(2, 40)[1]
        final = Notice(self, last)
        self.assertEqual([f["Action"] for f in final.each], ["failed", "failed"])
        self.assertEqual({f["Status"] for f in final.each}, {"4.4.7"})
        self.assertIn("come back later", final.words)
        daemon.wait_empty()

    def test_relayed(self):
        """The smarthost has no DSN: that it took the message is all that we can tell."""
        host = self.quick_smarthost()
        daemon = self.daemon(host)
        self.send(daemon, letter("sure"), [("bob@example.org", "NOTIFY=SUCCESS,FAILURE"), ("carl@example.org", "")],
                  "RET=FULL")
        notice = self.notice(host)
        self.assertEqual(notice.parsed["Subject"], "Passed on: your message to bob@example.org")
        self.assertEqual(len(notice.each), 1)
        self.assertEqual((notice.each[0]["Action"], notice.each[0]["Status"][0]), ("relayed", "2"))
        self.assertIn(b"Subject: sure", notice.original_header())
        daemon.wait_empty()

    def test_who_wants_none(self):
        """NOTIFY=NEVER, and SUCCESS without FAILURE; nobody gets a notice of a notice."""
        host = self.refusing()
        daemon = self.daemon(host, warn="1s")
        self.send(daemon, letter("quiet"), [("bad@example.org", "NOTIFY=NEVER"), ("bad2@example.org", "NOTIFY=SUCCESS"),
                                            ("bad3@example.org", "NOTIFY=DELAY")])
        daemon.wait_empty()
        self.assertEqual(host.messages, [])

    def test_by_hand(self):
        host = self.refusing("450 4.2.0 come back later")
        daemon = self.daemon(host)
        self.send(daemon, letter("enough"), [("bad@example.org", "")])
        qid = daemon.wait_event("accepted")["qid"]
        daemon.wait_event("deferred", qid=qid)
        daemon.ctl("queue", "bounce", qid)
        notice = self.notice(host)
        self.assertIn("given up by an administrator", notice.words)
        self.assertEqual(notice.each[0]["Action"], "failed")
        daemon.wait_empty()

    def utf8(self, sender, recipient):
        host = self.quick_smarthost(offers=("PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"))
        host.at["RCPT"] = lambda s, path: "550 5.1.1 unbekannt: %s" % path if "r\u00fc" in path else None
        daemon = self.daemon(host)
        with self.session(daemon) as probe:
            if "SMTPUTF8" not in probe.offers:
                raise unittest.SkipTest("SMTPUTF8 is not offered to clients")
        octets = letter("utf8", b"x\r\n", "X-Name: J\u00f6rg\r\n".encode())
        self.send(daemon, octets, [(recipient, "")], "BODY=8BITMIME SMTPUTF8", sender)
        message = host.wait_for(lambda m: m.sender == "", "a notice")
        return message, daemon

    def test_utf8_recipient(self):
        """To an ASCII address, so in 7 bits, by RFC 6533 3."""
        message, _ = self.utf8("alice@example.com", "j\u00fcr\u00fc@b\u00fc.example")
        notice = Notice(self, message)
        self.assertEqual(notice.each[0]["Final-Recipient"], r"utf-8; j\x{FC}r\x{FC}@b\x{FC}.example")
        self.assertNotIn("SMTPUTF8", message.parameters)
        self.assertEqual(notice.parsed["Subject"], "Not delivered: your message to j\u00fcr\u00fc@b\u00fc.example")
        self.assertIn("unbekannt: j\u00fcr\u00fc@b\u00fc.example", notice.words)
        self.assertIn("X-Name: J\u00f6rg".encode(), notice.original_header())

    def test_utf8_sender(self):
        message, _ = self.utf8("j\u00f6rg@example.com", "j\u00fcr\u00fc@b\u00fc.example")
        self.assertIn("SMTPUTF8", message.parameters)
        self.assertEqual(message.recipients, ["j\u00f6rg@example.com"])
        text = message.content.decode()
        self.assertIn("\r\nTo: <j\u00f6rg@example.com>\r\n", text)
        self.assertIn("\r\nContent-Type: message/global-delivery-status\r\n", text)
        self.assertIn("\r\nFinal-Recipient: utf-8; j\u00fcr\u00fc@b\u00fc.example\r\n", text)
        self.assertIn("\r\nContent-Type: message/global-headers\r\n", text)

    def test_words_of_a_peer_stay_in_their_place(self):
        words = ("550-5.1.1 first\x07 line\r\n550-5.1.1 Action: delivered\r\n550-5.1.1 --=_\r\n"
                 "550 5.1.1 \u00fc " + "long " * 150)
        host = self.refusing(words)
        daemon = self.daemon(host)
        octets = letter("odd", head=b"X-Boundary: --\xff\xfe\r\n")
        self.send(daemon, octets, [("bad@example.org", ""), ("bad2@example.org", "")])
        notice = self.notice(host)
        self.assertEqual([f["Action"] for f in notice.each], ["failed", "failed"])
        self.assertIn(b"X-Boundary: --\xff\xfe\r\n", notice.original_header())
        self.assertIn("\u00fc long long", notice.words)

    def test_many_recipients_with_one_answer(self):
        host = self.refusing("550 5.7.1 not from you")
        daemon = self.daemon(host)
        self.send(daemon, letter("all"), [("bad%d@example.org" % i, "") for i in range(100)])
        notice = self.notice(host)
        self.assertEqual(len(notice.each), 100)
        self.assertEqual(notice.words.count("550 5.7.1 not from you"), 1)
        self.assertEqual(notice.parsed["Subject"], "Not delivered: your message to 100 recipients")

    def test_a_crash_after_the_notice_costs_none(self):
        """What is due is told after the next start, at least once."""
        host = self.refusing()
        daemon = self.daemon(host)
        host.at["MAIL"] = lambda s, rest: "450 4.3.0 not now" if rest.startswith("FROM:<>") else None
        self.send(daemon, letter("crash"), [("bad@example.org", "")])
        daemon.wait_event("bounced")
        daemon.kill()
        host.at.clear()
        daemon.start()
        notice = self.notice(host)
        self.assertEqual(notice.each[0]["Final-Recipient"], "rfc822; bad@example.org")
        daemon.wait_empty()
