"""Mail programs that people and scripts use, on all three listeners, over IPv4 and IPv6."""

import email.message
import email.policy
import shutil
import smtplib
import unittest

from rig.base import run, wait_for
from rig.case import Case, hard_body, letter


def need(program):
    return unittest.skipUnless(shutil.which(program), program + " is not installed")


class Clients(Case):
    """One test a program; each goes through six ways in."""

    def each_way(self, send):
        """send(port, is_implicit, address, path of the message, its octets), and what arrived."""
        host = self.smarthost()
        daemon = self.postern(host)
        addresses = self.dual_stack(daemon)
        daemon.start()
        count = 0
        for listener in daemon.LISTENERS:
            for address in addresses:
                octets = letter("%s-%d" % (listener, count), hard_body(count))
                path = self.path("message")
                with open(path, "wb") as f:
                    f.write(octets)
                send(daemon.port[listener], listener == "implicit", address, path, octets)
                count += 1
                message = host.wait(count)[-1]
                self.assertEqual(message.below_trace(), octets)
                self.assertEqual(message.sender, "alice@example.com")
                self.assertEqual(message.recipients, ["bob@example.org", "carol@example.net"])
        self.assertEqual(count, 3 * len(addresses))
        wait_for(lambda: len(daemon.events("login", verdict="ok")) >= count, "%d logins in the log" % count)
        self.assertEqual(len(daemon.events("login", verdict="ok")), count)

    @need("swaks")
    def test_swaks(self):
        def send(port, is_implicit, address, path, octets):
            with open(path, "wb") as f:
                f.write(octets[:-2])  # it adds a line end of its own
            run(["swaks", "--server", address, "--port", port,
                 "--tls-on-connect" if is_implicit else "--tls", "--tls-verify", "--tls-ca-path",
                 self.certificates.ca.file, "--auth", "LOGIN", "--auth-user", "alice",
                 "--auth-password", "secret", "--from", "alice@example.com", "--to",
                 "bob@example.org,carol@example.net", "--ehlo", "laptop", "--data", "@" + path])
        self.each_way(send)

    @need("curl")
    def test_curl(self):
        def send(port, is_implicit, address, path, _):
            scheme = "smtps" if is_implicit else "smtp"
            host = "[%s]" % address if ":" in address else address
            run(["curl", "-sS", "--ssl-reqd", "--cacert", self.certificates.ca.file, "--url",
                 "%s://relay.test:%d/laptop" % (scheme, port), "--resolve",
                 "relay.test:%d:%s" % (port, host), "--mail-from", "alice@example.com",
                 "--mail-rcpt", "bob@example.org", "--mail-rcpt", "carol@example.net", "--user",
                 "alice:secret", "--upload-file", path])
        self.each_way(send)

    @need("msmtp")
    def test_msmtp(self):
        def send(port, is_implicit, address, _, octets):
            run(["msmtp", "--host=" + address, "--port=%d" % port, "--tls=on",
                 "--tls-starttls=" + ("off" if is_implicit else "on"),
                 "--tls-trust-file=" + self.certificates.ca.file, "--tls-host-override=relay.test",
                 "--auth=on", "--user=alice",
                 "--passwordeval=echo secret", "--from=alice@example.com", "--domain=laptop",
                 "--set-date-header=off", "--set-from-header=off", "--", "bob@example.org",
                 "carol@example.net"], data=octets.replace(b"\r\n", b"\n"))
        self.each_way(send)

    def test_smtplib(self):
        def send(port, is_implicit, address, _, octets):
            context = self.certificates.client_context()
            if is_implicit:
                client = smtplib.SMTP_SSL(address, port, "laptop", context=context)
            else:
                client = smtplib.SMTP(address, port, "laptop")
                client.starttls(context=context)
            with client:
                client.login("alice", "secret")
                refused = client.sendmail("alice@example.com",
                                          ["bob@example.org", "carol@example.net"], octets,
                                          ["BODY=8BITMIME"])
            self.assertEqual(refused, {})
        self.each_way(send)


class Script(Case):
    def test_smtplib_sends_a_mime_message(self):
        """As a script does: a message object with an attachment, without Date and Message-ID."""
        host = self.smarthost()
        daemon = self.running(host)
        message = email.message.EmailMessage()
        message["From"] = "Alice <alice@example.com>"
        message["To"] = "bob@example.org"
        message["Bcc"] = "carol@example.net"
        message["Subject"] = "Gr\u00fc\u00dfe"
        message.set_content("Stra\u00dfe\n.\n..\nende\n")
        message.add_attachment(bytes(range(256)) * 40, maintype="application", subtype="octet-stream",
                               filename="all.bin")
        with smtplib.SMTP("127.0.0.1", daemon.port["starttls"]) as client:
            client.starttls(context=self.certificates.client_context())
            client.login("alice", "secret")
            client.send_message(message)
        came = host.wait(1)[0]
        self.assertEqual(sorted(came.recipients), ["bob@example.org", "carol@example.net"])
        parsed = email.message_from_bytes(came.content, policy=email.policy.default)
        self.assertEqual(parsed["Subject"], "Gr\u00fc\u00dfe")
        self.assertEqual(len(parsed.get_all("Date")), 1)
        self.assertEqual(len(parsed.get_all("Message-ID")), 1)
        self.assertIsNone(parsed["Bcc"])
        self.assertEqual(next(parsed.iter_attachments()).get_content(), bytes(range(256)) * 40)

    def test_many_messages_over_one_connection(self):
        host = self.smarthost()
        daemon = self.running(host)
        with smtplib.SMTP("127.0.0.1", daemon.port["starttls"]) as client:
            client.starttls(context=self.certificates.client_context())
            client.login("alice", "secret")
            for i in range(30):
                client.sendmail("alice@example.com", ["bob@example.org"], letter("m%d" % i))
        came = host.wait(30)
        self.assertEqual(sorted(m.below_trace() for m in came),
                         sorted(letter("m%d" % i) for i in range(30)))
        self.assertLess(len(host.sessions), 30, "no connection to the smarthost was used again")
