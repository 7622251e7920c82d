"""Which versions of TLS each listener speaks, asked by openssl(1) and gnutls-cli(1)."""

import shutil
import unittest

from rig.base import run, wait_for
from rig.case import Case
from rig.setups import Setups


def need(program):
    return unittest.skipUnless(shutil.which(program), program + " is not installed")


class Versions(Setups, Case):
    # openssl's option, gnutls' name
    ALL = (("-tls1", "TLS1.0"), ("-tls1_1", "TLS1.1"), ("-tls1_2", "TLS1.2"), ("-tls1_3", "TLS1.3"))
    MODERN = ("TLS1.2", "TLS1.3")

    def openssl(self, port, *more):
        """What was agreed upon, "TLSv1.2, Cipher is ...", or ""."""
        done = run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port, "-starttls", "smtp", "-CAfile",
                    self.certificates.ca.file, "-cipher", "ALL:@SECLEVEL=0", *more], data="QUIT\r\n", check=False)
        agreed = [l for l in done.out.splitlines() if l.startswith("New, ")]
        return "" if not agreed or "(NONE)" in agreed[0] else agreed[0]

    def gnutls(self, port, priority):
        done = run(["gnutls-cli", "--starttls-proto=smtp", "--x509cafile=" + self.certificates.ca.file, "--priority",
                    priority, "--port", port, "localhost"], data="QUIT\r\n", check=False)
        return "Handshake was completed" in done.out

    def each(self, asks):
        """asks(port, version) is true where it is spoken; for each version, on each kind of listener."""
        daemon = self.daemon_legacy(self.receiver())
        for option, name in self.ALL:
            for listener in ("starttls", "legacy"):
                with self.subTest(version=name, listener=listener):
                    spoken = asks(daemon.port[listener], option, name)
                    self.assertEqual(bool(spoken), listener == "legacy" or name in self.MODERN)
        return daemon

    @need("openssl")
    def test_openssl(self):
        daemon = self.each(lambda port, option, _: self.openssl(port, option))
        # The log tells what the old ones spoke, so that they can be found.
        wait_for(lambda: [e for e in daemon.events("tls") if e["tls"].startswith("TLS1.0 ")], "TLS 1.0 in the log")

    @need("gnutls-cli")
    def test_gnutls(self):
        self.each(lambda port, _, name: self.gnutls(port, "NORMAL:-VERS-ALL:+VERS-" + name))

    @need("openssl")
    def test_old_ciphers_only_where_old_programs_are(self):
        """CBC and RSA key exchange, over TLS 1.2."""
        daemon = self.daemon_legacy(self.receiver())
        for cipher in ("AES128-SHA", "ECDHE-RSA-AES128-SHA", "AES128-GCM-SHA256", "DHE-RSA-AES128-SHA"):
            with self.subTest(cipher=cipher):
                more = ("-tls1_2", "-cipher", cipher + ":@SECLEVEL=0")
                self.assertEqual(self.openssl(daemon.port["starttls"], *more), "")
                if cipher != "DHE-RSA-AES128-SHA":
                    self.assertIn(cipher, self.openssl(daemon.port["legacy"], *more))

    @need("openssl")
    def test_both_kinds_of_key(self):
        """An ECDSA and an RSA certificate side by side: the client's signature algorithms decide."""
        daemon = self.daemon_legacy(self.receiver())
        for algorithm, kind in (("ECDSA+SHA256", "ECDSA"), ("RSA-PSS+SHA256", "RSA")):
            with self.subTest(algorithm=algorithm):
                self.assertIn("-%s-" % kind, self.openssl(daemon.port["starttls"], "-tls1_2", "-sigalgs", algorithm))

    def test_the_old_port_is_for_those_named(self):
        """alice may, bob may not, though his password is right; both may on the modern port."""
        daemon = self.daemon_legacy(self.receiver())
        for user, password, listener, code in (("alice", "secret", "legacy", 235), ("bob", "not alice's", "legacy", 535),
                                               ("bob", "not alice's", "starttls", 235)):
            with self.subTest(user=user, listener=listener):
                client = self.client(daemon, listener)
                client.ehlo()
                client.starttls()
                client.ehlo()
                self.assertReply(client.login(user, password), code)
