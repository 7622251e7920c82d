"""What every system test starts from."""

import os
import random
import shutil
import signal
import sys
import tempfile
import unittest

from .base import LOCAL, LOCAL6, has_ipv6
from .certificates import Certificates
from .postern import Postern
from .smarthost import Smarthost
from .smtp import Client

# Set by the runner.
BUILD = os.environ.get("POSTERN_BUILD", "build")
SHARED = os.environ.get("POSTERN_SHARED", "")

SIMPLE = (b"From: Alice <alice@example.com>\r\n"
          b"To: Bob <bob@example.org>\r\n"
          b"Subject: lunch\r\n"
          b"Date: Sat, 21 Nov 2026 20:00:00 +0100\r\n"
          b"Message-ID: <lunch@example.com>\r\n"
          b"\r\n"
          b"Noon?\r\n")


def letter(subject, body=b"Noon?\r\n", head=b""):
    """A whole message, Date and Message-ID included."""
    return (b"From: Alice <alice@example.com>\r\nTo: Bob <bob@example.org>\r\nSubject: "
            + subject.encode() + b"\r\nDate: Sat, 21 Nov 2026 20:00:00 +0100\r\nMessage-ID: <"
            + subject.encode() + b"@example.com>\r\n" + head + b"\r\n" + body)


def hard_body(seed=1, octets=40000):
    """Dots at line starts, long lines, every octet above 127, lines of nothing, the edge cases of a
    dot-stuffer."""
    rng = random.Random(seed)
    lines = [b".", b"..", b"...", b".x", b"x.", b"", b"", b". ", b".\t", b"From here", b">From there"]
    lines.append(bytes(b for b in range(1, 256) if b not in (10, 13)))
    lines.append(b"." * 998)
    size = 0
    while size < octets:
        n = rng.choice((0, 1, 2, 3, 40, 76, 78, 400, 998))
        line = bytes(rng.choice(b".abc \xe4\xf6\xff\x80=") for _ in range(n))
        lines.append(line)
        size += n + 2
    return b"\r\n".join(lines) + b"\r\n"


class Case(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="postern-")
        os.chmod(self.dir, 0o755)
        self.certificates = Certificates(SHARED)
        self.daemons = []
        self.made = 0
        self.addCleanup(self.tidy)

    def tidy(self):
        failed = self.is_failed()
        trouble = []
        for daemon in self.daemons:
            try:
                if daemon.is_running():
                    daemon.stop()
                else:
                    daemon.check_reports()
            except AssertionError as e:
                trouble.append(str(e))
            finally:
                if daemon.is_running():
                    daemon.kill()
        if failed or trouble:
            for daemon in self.daemons:
                sys.stderr.write("--- log of %s\n%s\n" % (daemon.directory, daemon.text()[-12000:]))
        if os.environ.get("POSTERN_KEEP"):
            sys.stderr.write("kept: %s\n" % self.dir)
        else:
            shutil.rmtree(self.dir, ignore_errors=True)
        if trouble:
            raise AssertionError("\n".join(trouble))

    def is_failed(self):
        outcome = self._outcome
        result = getattr(outcome, "result", None)
        if result is None:
            return False
        return any(test is self or getattr(test, "test_case", None) is self
                   for test, _ in result.errors + result.failures)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def new_dir(self, name):
        path = self.path(name)
        os.makedirs(path, exist_ok=True)
        return path

    def smarthost(self, pair=None, **options):
        """A fake smarthost with STARTTLS and a login unless told otherwise."""
        host = Smarthost(pair or self.certificates.smarthost, **options)
        self.addCleanup(host.close)
        return host

    def quick_smarthost(self, **options):
        """Plain text over loopback: for tests of other things."""
        return self.smarthost(tls="none", user="", mechanisms="", **options)

    def postern(self, smarthost=None, **options):
        """A daemon with user alice, not started yet. Several smarthosts: in that order."""
        self.made += 1
        daemon = Postern(self.new_dir("p%d" % self.made), BUILD, self.certificates)
        self.daemons.append(daemon)
        many = smarthost if isinstance(smarthost, (list, tuple)) else [smarthost or self.quick_smarthost()]
        for i, host in enumerate(many):
            host_name = LOCAL if host.tls == "none" else "localhost"
            daemon.use(host, "main" if i == 0 else "spare%d" % i, **dict({"host": host_name}, **options))
        daemon.add_user()
        return daemon

    def running(self, smarthost=None, **options):
        return self.postern(smarthost, **options).start()

    def client(self, daemon, listener="starttls", **options):
        tls = "implicit" if listener == "implicit" else None
        options.setdefault("tls", tls)
        options.setdefault("context", self.certificates.client_context())
        client = Client(daemon.port[listener], **options)
        self.addCleanup(client.close)
        return client

    def session(self, daemon, listener="starttls", ehlo="client.example", user="alice", password="secret",
                **options):
        """A client that is logged in."""
        client = self.client(daemon, listener, **options)
        return client.ready("implicit" if listener == "implicit" else "starttls", ehlo, user, password)

    def dual_stack(self, daemon):
        """Listens on IPv4 and, where the machine has it, IPv6; returns the addresses."""
        daemon.listen_on = [LOCAL, LOCAL6] if has_ipv6() else [LOCAL]
        daemon.assign_ports()
        return daemon.listen_on

    def assertReply(self, reply, code, status=None):
        self.assertEqual(reply.code, code, repr(reply))
        self.assertEqual(len(reply.lines), 1, repr(reply))
        if status:
            self.assertEqual(reply.status, status, repr(reply))

    def assertRefused(self, reply, code, status, daemon):
        """A refusal explains itself: one line, an enhanced code, a reference that finds one log line."""
        self.assertReply(reply, code, status)
        self.assertTrue(reply.ref, "no reference in %r" % reply)
        daemon.wait_event("refused", ref=reply.ref)
        found = [l for l in daemon.text().splitlines() if reply.ref in l]
        self.assertEqual(len(found), 1, found)


def need_root(test):
    return unittest.skipUnless(os.geteuid() == 0, "needs root")(test)


def terminate(*_):
    raise KeyboardInterrupt


# A test that is ended by the runner still tidies up.
signal.signal(signal.SIGTERM, terminate)
