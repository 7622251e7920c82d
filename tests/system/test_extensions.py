"""What clients may ask for, as it reaches the smarthost: chunks, binary content, limits, TLS all the way, later."""

import time

from rig import letters
from rig.base import PATIENCE, wait_for
from rig.case import SIMPLE, Case, letter
from rig.chunking import ChunkingSmarthost
from rig.setups import ALL_OFFERS, Setups


class Extensions(Setups, Case):
    def chunking(self, *more):
        host = ChunkingSmarthost(self.certificates.smarthost, tls="none", user="", mechanisms="",
                                 offers=ALL_OFFERS + ("CHUNKING",) + more)
        self.addCleanup(host.close)
        return host

    def bdat(self, client, octets, chunk, params=""):
        """A whole message in chunks; the reply to the last."""
        client.envelope(params=params)
        while True:
            piece, octets = octets[:chunk], octets[chunk:]
            client.send(b"BDAT %d%s\r\n" % (len(piece), b"" if octets else b" LAST") + piece)
            reply = client.reply()
            self.assertReply(reply, 250)
            if not octets:
                return reply

    # CHUNKING and BINARYMIME

    def test_binary_content_passes_where_it_can(self):
        host = self.chunking("BINARYMIME")
        daemon = self.running(host)
        client = self.session(daemon)
        for count, chunk in enumerate((100000, 1000, 7)):
            octets = letters.binary()[:5000] if chunk == 7 else letters.binary()
            self.bdat(client, octets, chunk, "BODY=BINARYMIME")
            message = host.wait(count + 1)[-1]
            self.assertEqual(message.below_trace(), octets)
            self.assertIn("BODY=BINARYMIME", message.parameters)

    def test_a_chunk_of_nothing_ends_a_message(self):
        host = self.chunking()
        daemon = self.running(host)
        client = self.session(daemon)
        client.envelope()
        client.send(b"BDAT %d\r\n" % len(SIMPLE) + SIMPLE)
        self.assertReply(client.reply(), 250)
        self.assertReply(client.ask("BDAT 0 LAST"), 250)
        self.assertEqual(host.wait(1)[0].below_trace(), SIMPLE)

    def test_pipelined_chunks(self):
        """Envelope and all chunks in one segment, an ordinary message behind it."""
        host = self.chunking()
        daemon = self.running(host)
        client = self.session(daemon)
        client.send(b"MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.org>\r\nBDAT 100\r\n" + SIMPLE[:100]
                    + b"BDAT %d LAST\r\n" % (len(SIMPLE) - 100) + SIMPLE[100:]
                    + b"MAIL FROM:<alice@example.com>\r\nRCPT TO:<carol@example.org>\r\nDATA\r\n")
        self.assertEqual([client.reply().code for _ in range(7)], [250] * 6 + [354])
        self.assertReply(client.finish(letter("behind")), 250)
        self.assertEqual([m.below_trace() for m in host.wait(2)], [SIMPLE, letter("behind")])

    def test_chunks_without_a_recipient_are_read_and_refused(self):
        daemon = self.running(self.chunking())
        client = self.session(daemon)
        client.want(250, "MAIL FROM:<alice@example.com>")
        for command in (b"BDAT 30", b"BDAT 30 LAST"):
            client.send(command + b"\r\n" + b"MAIL FROM:<mallory@x>\r\nQUIT\r\n!")
            self.assertIn(client.reply().code, (503, 554))
        self.assertReply(client.ask("NOOP"), 250)

    # LIMITS

    def test_more_recipients_than_the_smarthost_takes_at_once(self):
        host = self.receiver(offers=ALL_OFFERS + ("LIMITS RCPTMAX=3",))
        daemon = self.running(host)
        client = self.session(daemon)
        client.mail(letter("first"))
        host.wait(1)
        everybody = ["r%d@example.org" % i for i in range(10)]
        client.mail(letter("to all"), recipients=everybody)
        wait_for(lambda: sum(len(m.recipients) for m in host.messages[1:]) >= len(everybody), "every recipient")
        daemon.wait_empty()
        came = host.messages[1:]
        self.assertEqual(sorted(r for m in came for r in m.recipients), sorted(everybody))
        self.assertEqual([m.recipients for m in came if len(m.recipients) > 3], [])
        self.assertEqual({m.below_trace() for m in came}, {letter("to all")})
        self.assertLessEqual(len(came), 6)

    def test_messages_over_one_connection(self):
        host = self.receiver(offers=ALL_OFFERS + ("LIMITS MAILMAX=2",))
        daemon = self.running(host)
        client = self.session(daemon)
        for i in range(5):
            client.mail(letter("m%d" % i))
        host.wait(5)
        for session in host.sessions:
            self.assertLessEqual(session.commands.count("MAIL"), 2)

    # REQUIRETLS

    def test_requiretls_reaches_the_smarthost(self):
        host = self.smarthost(offers=ALL_OFFERS + ("REQUIRETLS",))
        daemon = self.running(host)
        self.session(daemon).mail(letter("first"))
        client = self.session(daemon)
        self.assertIn("REQUIRETLS", client.offers)
        client.envelope(params="REQUIRETLS")
        self.assertReply(client.content(letter("tls")), 250)
        first, second = host.wait(2)
        self.assertNotIn("REQUIRETLS", first.parameters)
        self.assertIn("REQUIRETLS", second.parameters)

    def test_requiretls_is_refused_where_it_cannot_be_promised(self):
        host = self.smarthost(offers=ALL_OFFERS)
        daemon = self.running(host)
        self.session(daemon).mail(letter("first"))
        client = self.session(daemon)
        client.ehlo()
        self.assertNotIn("REQUIRETLS", client.offers)
        self.assertRefused(client.ask("MAIL FROM:<alice@example.com> REQUIRETLS"), 555, "5.5.4", daemon)
        self.assertEqual(len(host.wait(1)), 1)

    # FUTURERELEASE

    def released(self, host, daemon, begun, seconds, name):
        """The message comes at its time, not before."""
        message = host.wait_for(lambda m: m.below_trace() == letter(name), name, seconds + 20)
        waited = message.at - begun
        self.assertGreaterEqual(waited, seconds - 1.1)  # times are in whole seconds
        self.assertLessEqual(waited, seconds + 10 * PATIENCE)
        daemon.wait_empty()

    def test_later_also_after_a_restart(self):
        host = self.receiver()
        daemon = self.running(host)
        client = self.session(daemon)
        client.ehlo()
        self.assertRegex(client.offers["FUTURERELEASE"], r"^604800 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        begun = time.monotonic()
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 7))
        for params, name in (("HOLDFOR=5", "in five"), ("HOLDUNTIL=" + at, "at a time")):
            client.envelope(params=params)
            self.assertReply(client.content(letter(name)), 250)
        self.assertEqual([m["stand"] for m in daemon.queue()["messages"]], ["future"] * 2)
        daemon.restart()
        self.released(host, daemon, begun, 5, "in five")
        self.released(host, daemon, begun, 7, "at a time")
        self.assertEqual(len(host.messages), 2)

    def test_not_beyond_the_horizon(self):
        daemon = self.postern(self.receiver())
        daemon.config.section("queue")["future"] = "1h"
        daemon.start()
        client = self.session(daemon)
        client.ehlo()
        self.assertRegex(client.offers["FUTURERELEASE"], r"^3600 ")
        for params in ("HOLDFOR=3601", "HOLDUNTIL=2099-01-01T00:00:00Z", "HOLDFOR=0 HOLDUNTIL=2027-01-01T00:00:00Z",
                       "HOLDFOR=x", "HOLDUNTIL=tomorrow"):
            with self.subTest(params=params):
                reply = client.ask("MAIL FROM:<alice@example.com> " + params)
                self.assertEqual(reply.code // 100, 5, repr(reply))
                self.assertReply(client.ask("NOOP"), 250)
        daemon.config.section("queue")["future"] = "0"
        daemon.reload()
        client = self.session(daemon)
        client.ehlo()
        self.assertNotIn("FUTURERELEASE", client.offers)
        self.assertEqual(client.ask("MAIL FROM:<alice@example.com> HOLDFOR=5").code, 555)

    def test_when_the_past_is_asked_for(self):
        """RFC 4865 4.2: what lies in the past is sent at once."""
        host = self.receiver()
        daemon = self.running(host)
        client = self.session(daemon)
        client.envelope(params="HOLDUNTIL=2020-01-01T00:00:00Z")
        self.assertReply(client.content(SIMPLE), 250)
        self.assertEqual(host.wait(1)[0].below_trace(), SIMPLE)

    # conversion follows the smarthost

    def test_conversion_follows_a_reload(self):
        able = self.receiver()
        plain = self.receiver(offers=("PIPELINING", "SIZE 1000000", "ENHANCEDSTATUSCODES"))
        daemon = self.running(able)
        octets = letters.utf8()

        def send():
            client = self.session(daemon)
            client.envelope(params="BODY=8BITMIME")
            self.assertReply(client.content(octets), 250)
        send()
        self.assertEqual(able.wait(1)[0].below_trace(), octets)
        daemon.config.section("smarthost", "main")["port"] = plain.port
        daemon.reload()
        send()
        came = plain.wait(1)[0]
        letters.same_meaning(octets, came.below_trace(), True)
        self.assertNotIn("8BITMIME", came.parameters)
        daemon.config.section("smarthost", "main")["port"] = able.port
        daemon.reload()
        send()
        self.assertEqual(able.wait(2)[1].below_trace(), octets)

    def test_each_of_two_smarthosts_gets_what_it_takes(self):
        """The first fails after the content was converted for nobody: the second gets its own form."""
        able = self.receiver()
        plain = self.receiver(offers=("PIPELINING", "ENHANCEDSTATUSCODES"))
        daemon = self.running([able, plain])
        octets = letters.utf8()
        client = self.session(daemon)
        client.envelope(params="BODY=8BITMIME")
        self.assertReply(client.content(octets), 250)
        self.assertEqual(able.wait(1)[0].below_trace(), octets)
        able.down()
        client.envelope(params="BODY=8BITMIME")
        self.assertReply(client.content(octets), 250)
        letters.same_meaning(octets, plain.wait(1)[0].below_trace(), True)
