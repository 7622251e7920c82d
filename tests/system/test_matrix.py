"""Every kind of message through real smarthosts: octet for octet, converted, or refused at once."""

import quopri
import threading
import unittest

from rig import aiosmtpd_host, exim, letters, postfix
from rig.base import PATIENCE, process_status
from rig.case import Case

SAME, CONVERTED = "same", "converted"
HOSTS = ("postfix", "exim", "aiosmtpd")


class Row:
    """One message. wanted: for each smarthost SAME, CONVERTED, or the code and status of the refusal."""

    def __init__(self, name, octets, postfix, exim, aiosmtpd, params="", sender="alice@example.com",
                 recipient="bob@example.org", chunk=0, check=None, came_to=None):
        self.name = name
        self.octets = octets
        self.wanted = dict(zip(HOSTS, (postfix, exim, aiosmtpd)))
        self.params = params
        self.sender = sender
        self.recipient = recipient
        self.chunk = chunk  # octets of a BDAT; 0: by DATA
        self.check = check  # called with what arrived
        self.came_to = came_to or {}  # the recipient as the smarthost sees it, where it is another

    def is_found_on_the_way(self, refusal):
        """By the content, which is compared with what the smarthost takes: not by the envelope, nor because nobody
        may send it."""
        return refusal[0] in (553, 554)

    def send(self, client):
        """Returns the reply that decided: of MAIL, RCPT or the content."""
        reply = client.ask(("MAIL FROM:<%s> %s" % (self.sender, self.params)).rstrip().encode() + b"\r\n")
        if reply.code == 250:
            reply = client.ask(("RCPT TO:<%s>" % self.recipient).encode() + b"\r\n")
        if reply.code == 250:
            reply = self.send_chunks(client) if self.chunk else client.content(self.octets)
        if reply.code != 250:
            client.ask("RSET")
        return reply

    def send_chunks(self, client):
        octets = self.octets
        while True:
            piece, octets = octets[:self.chunk], octets[self.chunk:]
            client.send(b"BDAT %d%s\r\n" % (len(piece), b"" if octets else b" LAST") + piece)
            reply = client.reply()
            if reply.code != 250 or not octets:
                return reply


def rows(dkim):
    eight = "BODY=8BITMIME"
    refused = (550, "5.6.0")
    signed = dkim.sign(letters.plain())
    listed, untouched = letters.signed_beside_8bit()

    def signed_part_is_untouched(came):
        if untouched not in came:
            raise AssertionError("the signed part has changed")

    return [
        Row("7-bit text", letters.plain(), SAME, SAME, SAME),
        Row("7-bit text by BDAT, three chunks", letters.plain(), SAME, SAME, SAME, chunk=400),
        Row("no body", letters.without_body(), SAME, SAME, SAME),
        Row("DKIM-signed, 7-bit", signed, SAME, SAME, SAME, check=dkim.verify),
        Row("UTF-8 text, 8BITMIME", letters.utf8(), SAME, SAME, CONVERTED, eight),
        Row("UTF-8 text, BODY not said", letters.utf8(), SAME, SAME, CONVERTED),
        Row("Latin-1 text, 8BITMIME", letters.latin1(), SAME, SAME, CONVERTED, eight),
        Row("8-bit text without MIME", letters.untold(), SAME, SAME, CONVERTED),
        Row("8-bit header field", letters.raw_header(), SAME, SAME, CONVERTED, eight),
        Row("8-bit header field, SMTPUTF8", letters.raw_header(), SAME, SAME, CONVERTED, "SMTPUTF8"),
        Row("multipart with 8-bit parts", letters.mixed(), SAME, SAME, CONVERTED, eight),
        Row("8-bit message in a message", letters.forwarded(), SAME, SAME, CONVERTED, eight),
        Row("60 KB of dots and every octet", letters.hard(), SAME, SAME, CONVERTED, eight),
        Row("BINARYMIME by BDAT", letters.binary(), CONVERTED, CONVERTED, CONVERTED, "BODY=BINARYMIME", chunk=5000),
        Row("multipart/signed, 7-bit", letters.signed_7bit(), SAME, SAME, SAME),
        Row("multipart/signed, 8-bit", letters.signed_8bit(), SAME, SAME, (554, "5.6.3"), eight),
        Row("multipart/signed beside 8-bit", listed, SAME, SAME, CONVERTED, eight, check=signed_part_is_untouched),
        Row("message/partial, 8-bit", letters.partial(), SAME, SAME, (554, "5.6.3"), eight),
        Row("8-bit preamble and epilogue", letters.preamble(), SAME, SAME, CONVERTED, eight),
        Row("8-bit file name", letters.file_name(), SAME, SAME, CONVERTED, eight, check=letters.file_name_is_kept),
        Row("long 8-bit subject", letters.long_subject(), SAME, SAME, CONVERTED, eight),
        Row("UTF-8 address in a field", letters.utf8_sender(), SAME, SAME, (553, "5.6.7"), "SMTPUTF8"),
        Row("UTF-8 local part", letters.plain(), SAME, SAME, (550, "5.6.7"), "SMTPUTF8",
            recipient="j\u00f6rg@example.org"),
        Row("UTF-8 domain", letters.plain(), SAME, SAME, SAME, "SMTPUTF8", recipient="bob@b\u00fccher.example",
            came_to={"aiosmtpd": "bob@xn--bcher-kva.example"}),
        Row("lines of 998", letters.lines_of(998), SAME, SAME, SAME),
        Row("lines of 999", letters.lines_of(999), CONVERTED, CONVERTED, CONVERTED),
        Row("lines of 5,000", letters.lines_of(5000), CONVERTED, CONVERTED, CONVERTED),
        Row("5,000 octets of UTF-8 in a line", letters.long_html(), CONVERTED, CONVERTED, CONVERTED, eight),
        Row("base64 in one line", letters.one_line_base64(), CONVERTED, CONVERTED, CONVERTED),
        Row("quoted-printable in one line", letters.long_quoted_printable(), CONVERTED, CONVERTED, CONVERTED),
        Row("a field of 1,600 octets", letters.long_field(), CONVERTED, CONVERTED, CONVERTED),
        Row("dots at line starts, a lone dot", letters.dots(), SAME, SAME, SAME),
        Row("a NUL", letters.text("nul", b"a\0b\r\n", "7bit"), refused, refused, refused),
        Row("a bare CR", letters.text("cr", b"a\rb\r\n", "7bit"), refused, refused, refused),
    ]


def why_not():
    """Why a smarthost cannot be had here, or None."""
    postfix_is_missing = None if postfix.is_possible() else "needs root and Postfix"
    return postfix_is_missing or exim.missing() or aiosmtpd_host.missing()


class Real(Case):
    """Makes the smarthosts by name, and a daemon in front of each."""

    def real(self, name):
        pair = self.certificates.smarthost
        if name == "postfix":
            host = postfix.Postfix(self.new_dir("postfix"), pair, "message_size_limit = 209715200\n"
                                   "virtual_mailbox_domains = example.org, example.com, xn--bcher-kva.example, "
                                   "b\u00fccher.example\n")
        elif name == "exim":
            host = exim.Exim(self.new_dir("exim"), pair)
        else:
            host = aiosmtpd_host.AioSmtpd(pair)
        self.addCleanup(host.stop)
        return host.start()

    def in_front_of(self, host, **queue):
        daemon = self.postern(host)
        daemon.config.section("limits").update(message_size="150M")
        daemon.config.section("queue").update(dict({"patience": "20s"}, **queue))
        return daemon.start()


class Matrix(Real):
    def column(self, name, daemon, host, table, problems):
        """All messages through one smarthost, over one session."""
        client = self.session(daemon, seconds=40)
        client.mail(letters.plain())
        host.next()
        for row in table["rows"]:
            try:
                table[row.name, name] = self.cell(row, name, client, host, table)
            except Exception as e:  # told with the others
                table[row.name, name] = "WRONG"
                problems.append("%s / %s: %s: %s" % (row.name, name, type(e).__name__, e))
                client = self.session(daemon, seconds=40)
                daemon.wait_empty()
                host.clear()
        if getattr(host, "broken", None):
            problems.append("%s: was sent what it does not offer: %s" % (name, host.broken))

    def cell(self, row, name, client, host, table):
        reply = row.send(client)
        wanted = row.wanted[name]
        if isinstance(wanted, tuple) and table["handoff"] == "queue" and row.is_found_on_the_way(wanted):
            return self.noticed(reply, wanted, host)
        if isinstance(wanted, tuple):
            self.assertEqual((reply.code, reply.status), wanted, repr(reply))
            self.assertEqual(len(reply.lines), 1, repr(reply))
            return "refused %d %s" % wanted
        self.assertEqual(reply.code, 250, repr(reply))
        message = host.next()
        self.assertEqual(message.sender, row.sender)
        self.assertEqual(message.recipients, [row.came_to.get(name, row.recipient)])
        came = message.below_trace()
        if row.check:
            row.check(came)
        if wanted is SAME:
            self.assertEqual(came, row.octets)
            return "same"
        return letters.same_meaning(row.octets, came, name == "aiosmtpd")

    def noticed(self, reply, wanted, host):
        """Queue hand-off answers before a smarthost is asked."""
        self.assertEqual(reply.code, 250, repr(reply))
        notice = host.next()
        self.assertEqual((notice.sender, notice.recipients), ("", ["alice@example.com"]))
        self.assertIn(("Status: %s\r\n" % wanted[1]).encode(), notice.content)
        self.assertTrue(notice.content.isascii())
        return "notice of " + wanted[1]

    def show(self, table):
        width = max(len(r.name) for r in table["rows"])
        print("%-*s" % (width, "message"), *("%-24s" % h for h in HOSTS), sep=" | ")
        for row in table["rows"]:
            print("%-*s" % (width, row.name), *("%-24s" % table.get((row.name, h), "-") for h in HOSTS), sep=" | ")

    @unittest.skipIf(why_not(), why_not())
    def test_every_message_through_every_smarthost(self):
        self.through("hybrid")

    @unittest.skipIf(why_not(), why_not())
    def test_every_message_by_way_of_the_queue(self):
        """The same when all is stored first: what only the content shows comes back as a notice then."""
        self.through("queue")

    def through(self, handoff):
        table = {"rows": rows(letters.Dkim(self.dir)), "handoff": handoff}
        problems, threads = [], []
        for name in HOSTS:
            host = self.real(name)
            daemon = self.in_front_of(host, handoff=handoff)
            threads.append(threading.Thread(target=self.guarded, args=(problems, name, daemon, host, table)))
            threads[-1].start()
        for thread in threads:
            thread.join()
        self.show(table)
        self.assertEqual(problems, [], "\n\n".join(problems))

    def guarded(self, problems, name, daemon, host, table):
        try:
            self.column(name, daemon, host, table, problems)
        except Exception as e:
            problems.append("%s: %s: %s" % (name, type(e).__name__, e))


class Large(Real):
    """100 MiB: streamed, never held whole."""

    OCTETS = (100 if PATIENCE == 1 else 20) << 20  # a slowed daemon gets less to do
    LINE = b"The quick brown fox jumps over the lazy dog, again and again. 0123456789 abcdefg\r\n" * 12

    def send(self, client):
        """Returns the reply, and the number of octets of the content."""
        first = letters.text("large", b"", "7bit", "us-ascii")
        count = (self.OCTETS - len(first)) // len(self.LINE)
        client.envelope(params="SIZE=%d" % (len(first) + count * len(self.LINE)))
        client.want(354, "DATA")
        client.send(first)
        for _ in range(count // 100):
            client.send(self.LINE * 100)
        client.send(self.LINE * (count % 100) + b".\r\n")
        return client.reply(), first, count

    def through(self, name):
        host = self.real(name)
        daemon = self.in_front_of(host)
        client = self.session(daemon, seconds=90)
        client.mail(letters.plain())
        host.next()
        sent = []

        def work():
            sent.extend(self.send(client))
            self.assertEqual(sent[0].code, 250, repr(sent[0]))
        self.grows_little(daemon, work, "%s, %d MiB" % (name, self.OCTETS >> 20))
        _, first, count = sent
        came = host.next(90).below_trace()
        self.assertEqual(len(came), len(first) + count * len(self.LINE))
        self.assertTrue(came.startswith(first))
        self.assertTrue(came == first + self.LINE * count, "the content has changed")

    def grows_little(self, daemon, work, what):
        """work(), while the daemon's memory stays what it was."""
        before = int(process_status(daemon.pid)["VmHWM"].split()[0])
        work()
        grown = int(process_status(daemon.pid)["VmHWM"].split()[0]) - before
        print("%s: the daemon grew by %.1f MiB" % (what, grown / 1024))
        if PATIENCE == 1:
            self.assertLess(grown, 24 << 10, "KiB more than before")

    @unittest.skipIf(why_not(), why_not())
    def test_converted_on_its_way(self):
        """40 MiB of 8-bit text for a smarthost that takes 7-bit only."""
        host = self.real("aiosmtpd")
        daemon = self.in_front_of(host)
        client = self.session(daemon, seconds=90)
        client.mail(letters.plain())
        host.next()
        first = letters.text("large", b"")
        body = ("The quick brown fox jumps over the lazy dog, and says Gr\u00fc\u00dfe\r\n" * 6000).encode()
        body *= 100 if PATIENCE == 1 else 20

        def work():
            client.envelope(params="BODY=8BITMIME")
            self.assertReply(client.content(first + body), 250)
        self.grows_little(daemon, work, "40 MiB converted")
        came = host.next(90).below_trace()
        head, _, encoded = came.partition(b"\r\n\r\n")
        self.assertIn(b"Content-Transfer-Encoding: quoted-printable", head)
        self.assertLessEqual(max(len(l) for l in encoded.split(b"\r\n")), 76)
        self.assertTrue(quopri.decodestring(encoded) == body, "the content has changed")
        self.assertEqual(host.broken, [])

    @unittest.skipIf(why_not(), why_not())
    def test_one_chunk_of_fifty_mebibytes(self):
        """BDAT names a size that the daemon must not make room for."""
        host = self.real("postfix")
        daemon = self.in_front_of(host)
        client = self.session(daemon, seconds=90)
        client.mail(letters.plain())
        host.next()
        octets = letters.text("chunk", b"", "7bit", "us-ascii") + self.LINE * ((50 << 20) // len(self.LINE))

        def work():
            client.envelope()
            client.send(b"BDAT %d LAST\r\n" % len(octets))
            client.send(octets)
            self.assertReply(client.reply(), 250)
        self.grows_little(daemon, work, "50 MiB in one chunk")
        self.assertTrue(host.next(90).below_trace() == octets, "the content has changed")

    @unittest.skipIf(why_not(), why_not())
    def test_postfix(self):
        self.through("postfix")

    @unittest.skipIf(why_not(), why_not())
    def test_exim(self):
        self.through("exim")

    @unittest.skipIf(why_not(), why_not())
    def test_aiosmtpd(self):
        self.through("aiosmtpd")
