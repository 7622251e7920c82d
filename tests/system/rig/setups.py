"""Daemons set up for one thing each, and a smarthost that takes what they send."""

import os
import ssl

from .base import free_port, run

# One that can do everything that the relay knows of and the rig's smarthost can play.
ALL_OFFERS = ("PIPELINING", "SIZE 104857600", "8BITMIME", "STARTTLS", "ENHANCEDSTATUSCODES", "SMTPUTF8", "DSN")
JOERG = "p\u00e4ssw\u00f6rd"


class Setups:
    """For a Case. Users alice ("secret") and joerg (a password beyond ASCII)."""

    def receiver(self, **options):
        """Refuses the recipients below refused.example."""
        options.setdefault("offers", ALL_OFFERS)
        host = self.quick_smarthost(**options)
        host.at["RCPT"] = lambda _, path: ("550 5.1.1 No such person here"
                                           if path.endswith("@refused.example") else None)
        return host

    def daemon_plain(self, host):
        daemon = self.postern(host)
        daemon.add_user("joerg", JOERG)
        return daemon.start()

    def daemon_scram(self, host, **login):
        daemon = self.postern(host)
        daemon.config.section("login").update(dict({"mechanisms": ["PLAIN", "LOGIN", "SCRAM-SHA-256"]}, **login))
        daemon.add_user("joerg", JOERG)
        return daemon.start()

    def sasldb(self, daemon):
        """Passwords in clear, so that CRAM-MD5 can work."""
        db = os.path.join(daemon.directory, "sasldb2")
        for name, password in (("alice", "secret"), ("bob", "not alice's")):
            run(["saslpasswd2", "-c", "-p", "-f", db, "-u", "relay.test", name], data=password)
        os.chmod(db, 0o600)
        daemon.config.section("login").update(backend="sasldb", sasldb_file=db, realm="relay.test")
        return daemon

    def daemon_sasldb(self, host):
        daemon = self.sasldb(self.postern(host))
        daemon.config.section("login")["mechanisms"] = ["CRAM-MD5", "PLAIN", "LOGIN"]
        return daemon.start()

    def legacy(self, daemon):
        """A port for old programs beside the modern ones, and an RSA certificate."""
        daemon.config.section("certificate", "rsa").update(chain=self.certificates.relay_rsa.chain,
                                                           key=self.certificates.relay_rsa.key)
        daemon.port["legacy"] = free_port(daemon.listen_on)
        daemon.config.section("listen", "legacy").update(address=daemon.listen_on[0], port=daemon.port["legacy"],
                                                         profile="legacy", auth_line=True, users=["alice"],
                                                         mechanisms=["CRAM-MD5", "LOGIN", "PLAIN"])
        return daemon

    def daemon_legacy(self, host):
        return self.legacy(self.sasldb(self.postern(host))).start()

    def lenient_context(self):
        """For programs of any age: no certificate is looked at."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
