"""What a recipient gets: the trace header, the fix-ups, and everything else to the octet."""

import email
import email.policy
import email.utils
import os
import random
import re

from rig.case import Case, hard_body, letter

BARE = (b"From: Alice <alice@example.com>\r\nTo: bob@example.org\r\nSubject: bare\r\n\r\nHello.\r\n")


class Trace(Case):
    def arrived(self, trace=None, company="Example Corp", source=None):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        if trace:
            daemon.config.top["trace"] = trace
        daemon.config.top["company"] = company
        daemon.start()
        client = self.session(daemon, ehlo="hotel-laptop.invalid", source=source)
        client.mail(BARE)
        message = host.wait(1)[0]
        self.assertTrue(message.trace().endswith(b"\r\n"))
        field = re.sub(rb"\r\n[ \t]+", b" ", message.trace()).decode().strip()
        self.assertTrue(all(len(l) <= 998 for l in message.trace().split(b"\r\n")))
        accepted = daemon.wait_event("accepted")
        self.assertIn(accepted["qid"], field)
        self.assertIn("by relay.test", field)
        self.assertIn("with ESMTPSA", field)
        when = email.utils.parsedate_to_datetime(field.rsplit(";", 1)[1].strip())
        self.assertIsNotNone(when.tzinfo)
        return message, field, client

    def test_company(self):
        """By default recipients learn the company, not the hotel."""
        message, field, client = self.arrived(source="127.0.0.77")
        self.assertNotIn(b"hotel", message.content)
        self.assertNotIn(b"127.0.0.", message.content)
        self.assertNotIn(b"localhost", message.content)
        self.assertRegex(field, r"^Received: from \S+ \(Example Corp\) by relay\.test with ESMTPSA id \S+;")

    def test_company_with_other_letters(self):
        message, _, _ = self.arrived(company='M\u00fcller (S\u00f6hne) "GmbH" \\ Co')
        parsed = email.message_from_bytes(message.content, policy=email.policy.default)
        self.assertEqual(len(parsed.get_all("Received")), 1)
        self.assertEqual(parsed["Subject"], "bare")

    def test_full(self):
        _, field, client = self.arrived("full")
        self.assertIn("hotel-laptop.invalid", field)
        self.assertIn("[%s]" % client.address[0], field)

    def test_none(self):
        message, field, _ = self.arrived("none")
        self.assertRegex(field, r"^Received: by relay\.test")
        self.assertNotIn(b"hotel", message.content)
        self.assertNotIn(b"Example Corp", message.content)

    def test_every_message_over_ipv6_too(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        addresses = self.dual_stack(daemon)
        if len(addresses) < 2:
            self.skipTest("no IPv6 on this machine")
        daemon.config.top["trace"] = "full"
        daemon.start()
        self.session(daemon, address="::1").mail(BARE)
        field = re.sub(rb"\s+", b" ", host.wait(1)[0].trace())
        self.assertIn(b"[IPv6:::1]", field)  # RFC 5321 4.1.3

    def test_hostile_names_stay_in_one_field(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.config.top["trace"] = "full"
        daemon.start()
        names = ("a)(b", "x;y", "${run{/bin/id}}", "%n%s", "$(id)", "[IPv6:::1]", "DESKTOP_3507", "x" * 255,
                 "gr\u00fcn", "a\"b\\c")
        for name in names:
            self.session(daemon, ehlo=name).mail(BARE)
        for message in host.wait(len(names)):
            parsed = email.message_from_bytes(message.content)
            self.assertEqual(parsed.keys()[:4], ["Received", "From", "To", "Subject"])
            self.assertRegex(message.trace(), rb"^[\x20-\x7e\r\n\t]+$")
            received = re.sub(r"\s+", " ", parsed["Received"])
            name = re.match(r"from (\S+)", received)
            if name:
                self.assertRegex(name.group(1), r"^[A-Za-z0-9.:_\[\]-]+$")


class FixUps(Case):
    def through(self, octets):
        host = self.quick_smarthost()
        daemon = self.running(host)
        self.session(daemon).mail(octets)
        return host.wait(1)[0]

    def test_date_and_message_id_are_added(self):
        message = self.through(BARE)
        parsed = email.message_from_bytes(message.content)
        self.assertEqual(len(parsed.get_all("Date")), 1)
        self.assertEqual(len(parsed.get_all("Message-ID")), 1)
        self.assertIsNotNone(email.utils.parsedate_to_datetime(parsed["Date"]).tzinfo)
        self.assertRegex(parsed["Message-ID"], r"^<[^@<>\s]+@[^@<>\s]+>$")
        head = message.below_trace().split(b"\r\n\r\n", 1)[0]
        self.assertTrue(head.startswith(BARE.split(b"\r\n\r\n", 1)[0] + b"\r\n"), head)
        self.assertEqual(message.body(), b"Hello.\r\n")

    def test_nothing_is_added_where_nothing_is_missing(self):
        octets = letter("whole")
        self.assertEqual(self.through(octets).below_trace(), octets)

    def test_bcc_is_removed(self):
        octets = letter("hidden", head=b"bCC: carol@example.net,\r\n\tdave@example.net\r\nX-Kept: yes\r\n"
                        b"Bcc-Not: kept\r\nBCC : eve@example.net\r\n")
        wanted = letter("hidden", head=b"X-Kept: yes\r\nBcc-Not: kept\r\n")
        self.assertEqual(self.through(octets).below_trace(), wanted)

    def test_bcc_in_the_body_stays(self):
        octets = letter("body", b"Bcc: is only a word here\r\nDate: too\r\n")
        self.assertEqual(self.through(octets).below_trace(), octets)

    def test_contents_without_a_header(self):
        for octets in (b"just text\r\n", b"\r\njust text\r\n", b" folded: first\r\nText\r\n",
                       b"From alice Sat Nov 21\r\nSubject: mbox\r\n\r\nx\r\n", b".\r\n"):
            with self.subTest(octets=octets):
                message = self.through(octets)
                parsed = email.message_from_bytes(message.content)
                self.assertEqual(sorted(parsed.keys()), ["Date", "Message-ID", "Received"])
                self.assertTrue(message.content.endswith(b"\r\n\r\n" + octets.lstrip(b"\r\n")),
                                message.content)

    def test_an_empty_message(self):
        message = self.through(b"")
        parsed = email.message_from_bytes(message.content)
        self.assertEqual(sorted(parsed.keys()), ["Date", "Message-ID", "Received"])

    def test_a_loop_is_ended(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.config.section("limits")["hops"] = 20
        daemon.start()
        client = self.session(daemon)
        hops = b"".join(b"Received: from a by b; Sat, 21 Nov 2026 20:00:00 +0100\r\n" for _ in range(21))
        client.envelope()
        self.assertRefused(client.content(hops + BARE), 554, "5.4.6", daemon)
        client.mail(hops[len(hops) // 21:] + BARE)
        host.wait(1)


class Octets(Case):
    """What must arrive unchanged: compared whole, below our Received field."""

    def exchange(self, client, host, octets, count):
        client.mail(octets)
        message = host.wait(count, seconds=60)[-1]
        got = message.below_trace()
        if got != octets:
            at = next((i for i, (a, b) in enumerate(zip(got, octets)) if a != b), min(len(got), len(octets)))
            self.fail("differs at %d of %d (%d came): %r instead of %r"
                      % (at, len(octets), len(got), got[at - 20:at + 40], octets[at - 20:at + 40]))

    def test_hard_bodies(self):
        host = self.smarthost()
        client = self.session(self.running(host))
        bodies = [hard_body(seed, 3000 * seed * seed) for seed in range(1, 9)]
        bodies += [b".\r\n", b"..\r\n", b"\r\n", b".\r\n.\r\n.\r\n", b"\r\n" * 50, (b"x" * 998 + b"\r\n") * 8,
                   (b"\xff" * 998 + b"\r\n") * 3, b".x\r\n" * 20000]
        for i, body in enumerate(bodies):
            self.exchange(client, host, letter("hard%d" % i, body), i + 1)

    def test_no_final_line_end(self):
        """SMTP cannot carry it: the content ends where the last line ends."""
        host = self.smarthost()
        client = self.session(self.running(host))
        client.mail(letter("cut", b"no line end here"))
        self.assertEqual(host.wait(1)[0].body(), b"no line end here\r\n")

    def test_twenty_mebibytes(self):
        host = self.smarthost()
        daemon = self.running(host)
        noise = random.Random(7).randbytes(1 << 20).replace(b"\r", b".").replace(b"\n", b"\r\n.").replace(
            b"\0", b"")
        noise = re.sub(rb"([^\r\n]{998})(?!\r\n)", rb"\1\r\n", noise)  # longer ones would be converted
        body = (noise * 21)[:20 << 20] + b"\r\n"
        body = body.replace(b"\r\r\n", b"\r\n")
        for listener, count in (("starttls", 1), ("implicit", 2)):
            self.exchange(self.session(daemon, listener), host, letter("big", body), count)

    def test_split_at_every_kind_of_place(self):
        """The end of the content in two segments, wherever the cut is."""
        host = self.quick_smarthost()
        client = self.session(self.running(host))
        octets = letter("split", b"line\r\n.\r\nline\r\n")
        wire = octets.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        for i in range(1, 12):
            client.envelope()
            client.want(354, "DATA")
            client.send(wire[:-i])
            client.send(wire[-i:])
            self.assertReply(client.reply(), 250)
            self.assertEqual(host.wait(i)[-1].below_trace(), octets)

    def test_pipelined(self):
        host = self.quick_smarthost()
        client = self.session(self.running(host))
        for i in range(5):
            client.send(b"MAIL FROM:<alice@example.com>\r\n"
                        + b"".join(b"RCPT TO:<r%d@example.org>\r\n" % n for n in range(50)) + b"DATA\r\n")
            self.assertEqual([client.reply().code for _ in range(52)], [250] * 51 + [354])
            client.send(letter("p%d" % i) + b".\r\nRSET\r\nMAIL FROM:<>\r\nRSET\r\nNOOP\r\n")
            self.assertEqual([client.reply().code for _ in range(5)], [250] * 5)
        for i, message in enumerate(host.wait(5)):
            self.assertEqual(message.recipients, ["r%d@example.org" % n for n in range(50)])

    def test_addresses_pass_unchanged(self):
        host = self.quick_smarthost()
        client = self.session(self.running(host))
        recipients = ['"a b"@example.org', "o'brien@example.org", "a+b=c@example.org", "x!y%z@example.org",
                      '"\\""@example.org', "MiXeD@Example.ORG", "a@[192.0.2.1]", "a" * 64 + "@example.org"]
        client.mail(letter("addresses"), "Alice+Tag@example.com", recipients)
        message = host.wait(1)[0]
        self.assertEqual(message.recipients, recipients)
        self.assertEqual(message.sender, "Alice+Tag@example.com")

    def test_pathological_syntax_that_clients_send(self):
        host = self.quick_smarthost()
        client = self.session(self.running(host))
        for line in ("MAIL FROM: <alice@example.com>", "mail from:alice@example.com",
                     "MAIL FROM:<alice@example.com> size=100 body=8bitmime"):
            client.want(250, line)
            client.want(250, "RCPT TO: <bob@example.org>")
            client.want(250, "RSET")

    def test_the_spool_keeps_nothing_readable_by_others(self):
        host = self.quick_smarthost()
        host.at["MAIL"] = "451 4.3.0 later"
        daemon = self.running(host)
        self.session(daemon).mail(letter("private"))
        for root, dirs, files in os.walk(daemon.spool):
            for name in dirs + files:
                mode = os.stat(os.path.join(root, name)).st_mode
                self.assertEqual(mode & 0o077, 0, name)
