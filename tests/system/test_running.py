"""Starting, stopping, reloading, and what posternctl shows."""

import json
import os
import pwd
import re
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading

from rig.base import LOCAL, children_of, command_line, free_port, process_status, run, wait_for
from rig.case import SIMPLE, Case, letter, need_root
from rig.smarthost import STALL
from rig.smtp import Ended


def stop_signal(daemon, sig=signal.SIGTERM):
    daemon.process.send_signal(sig)
    daemon.wait_event("stopping")


class Configuration(Case):
    def test_a_small_one_is_enough(self):
        """Fewer than 15 lines, as in the README."""
        daemon = self.postern()
        small = "\n".join([
            'hostname = "relay.example.com"', 'company = "Example Corp"', 'user = ""', 'login_user = ""',
            'control = "%s"' % daemon.control, 'listen "submission" { port = 10587 }',
            'listen "submissions" { port = 10465 tls = implicit }',
            'certificate "relay" { chain = "%s" key = "%s" }'
            % (self.certificates.relay.chain, self.certificates.relay.key),
            'login { users_file = "%s" domains = { "example.com" } }' % daemon.users_file,
            'smarthost "main" { host = "smtp.example.net" }', 'queue { directory = "%s" }' % daemon.spool]) + "\n"
        self.assertLess(len(small.splitlines()), 15)
        with open(daemon.file, "w") as f:
            f.write(small)
        checked = run([daemon.program("posternd"), "-c", daemon.file, "-t"], check=False,
                      env=daemon.environment())
        self.assertEqual(checked.returncode, 0, checked.err)

    def test_a_back_end_that_is_down_is_a_warning(self):
        """saslauthd may come up later: the check names it, and does not keep the daemon from starting."""
        for keys in ({"backend": "saslauthd", "saslauthd_socket": self.path("mux")},
                     {"backend": "sasldb", "sasldb_file": self.path("no.sasldb")}):
            with self.subTest(keys["backend"]):
                daemon = self.postern()
                daemon.config.section("login").update(keys)
                checked = daemon.check_config()
                self.assertEqual(checked.returncode, 0, checked.err)
                self.assertRegex(checked.err, r"warning: .*:\d+: login: " + keys["backend"])

    def test_kerberos_that_cannot_work_is_a_warning(self):
        """Who has a password can log in all the same."""
        empty = self.path("empty.keytab")
        with open(empty, "w"):
            pass
        for keytab, words in ((self.path("no.keytab"), "No such file"), (empty, "holds no key")):
            with self.subTest(words):
                daemon = self.postern()
                daemon.config.section("login").update(mechanisms=["PLAIN", "GSSAPI"], keytab=keytab)
                checked = daemon.check_config()
                self.assertEqual(checked.returncode, 0, checked.err)
                self.assertRegex(checked.err, r"warning: .*:\d+: login: GSSAPI is offered, but .*" + words)
        # Where it is not offered nobody looks at the keytab.
        daemon.config.section("login").update(mechanisms=["PLAIN"])
        self.assertNotIn("warning", daemon.check_config().err)

    def test_a_listener_for_nobody_is_a_warning(self):
        daemon = self.postern()
        daemon.config.section("listen", "starttls").update(users=["alice", "alice@example.com"])
        checked = daemon.check_config()
        self.assertEqual(checked.returncode, 0, checked.err)
        self.assertRegex(checked.err, r'warning: .*:\d+: listen "starttls": users: no account "alice@example.com" is in ')
        self.assertNotIn('"alice"', checked.err)

    def test_faults_are_found_before_use(self):
        """posternd -t: exit 78, file and line, what is wrong."""
        def change(section, label, key, value):
            def apply(config):
                target = config.top if section is None else config.section(section, label)
                target[key] = value
            return apply

        daemon = self.postern()
        loose = self.path("loose.password")
        with open(loose, "w") as f:
            f.write("x\n")
        os.chmod(loose, 0o644)
        cases = {
            "unknown key": (change(None, None, "colour", "red"), "colour"),
            "unknown key in a section": (change("limits", None, "colour", 3), "colour"),
            "number where a word belongs": (change(None, None, "trace", "everything"), "company"),
            "out of range": (change("listen", "starttls", "port", 70000), "65535"),
            "bad duration": (change("queue", None, "expire", "soon"), "expire"),
            "bad size": (change("limits", None, "message_size", "big"), "message_size"),
            "missing certificate": (change("certificate", "p256", "chain", "/nonexistent/chain.pem"),
                                    "/nonexistent/chain.pem"),
            "key of another certificate": (change("certificate", "p256", "key", self.certificates.relay_new.key),
                                           "key"),
            "mechanism": (change("login", None, "mechanisms", ["PLAIN", "NTLM"]), "NTLM"),
            "missing users file": (change("login", None, "users_file", "/nonexistent/users"),
                                   "/nonexistent/users"),
            "missing spool": (change("queue", None, "directory", "/nonexistent/spool"), "/nonexistent/spool"),
            "unknown user": (change(None, None, "user", "nobody-of-that-name"), "nobody-of-that-name"),
            "control socket without a directory": (change(None, None, "control", "/nonexistent/control"),
                                                   "/nonexistent"),
            "password readable by all": (lambda c: c.section("smarthost", "main").update(
                user="relay", password_file=loose), "loose.password"),
            "keytab of a smarthost": (lambda c: c.section("smarthost", "main").update(
                user="relay", keytab="/nonexistent/keytab"), "/nonexistent/keytab"),
            "plain text over the network": (change("smarthost", "main", "host", "192.0.2.1"), "plain"),
            "no smarthost": (lambda c: c.drop("smarthost"), "smarthost"),
            "no listener": (lambda c: c.drop("listen"), "listen"),
            "no certificate": (lambda c: c.drop("certificate"), "certificate"),
        }
        good = daemon.config.text()
        for name, (apply, word) in cases.items():
            with self.subTest(name):
                other = self.postern()
                other.config = daemon.config.__class__()
                other.config.top = dict(daemon.config.top)
                other.config.sections = [(k, l, dict(keys)) for k, l, keys in daemon.config.sections]
                apply(other.config)
                checked = other.check_config()
                self.assertEqual(checked.returncode, 78, checked.err + checked.out)
                self.assertIn(word, checked.err)
                if not name.startswith("no "):
                    self.assertRegex(checked.err, re.escape(other.file) + r":\d+")
                # Starting says and does the same.
                started = run(other.argv(), check=False, env=other.environment())
                self.assertEqual(started.returncode, 78, started.err)
        self.assertEqual(daemon.config.text(), good)

    def test_broken_syntax(self):
        daemon = self.postern()
        for text in ("hostname = \n", "listen \"a\" { port = 25\n", "hostname \"x\"\n", "\0\0\0", "}\n"):
            with open(daemon.file, "w") as f:
                f.write('company = "x"\n' + text)
            checked = run([daemon.program("posternd"), "-c", daemon.file, "-t"], check=False,
                          env=daemon.environment())
            self.assertEqual(checked.returncode, 78, text)
            self.assertIn(daemon.file, checked.err, text)

    def test_directory_of_further_files(self):
        daemon = self.postern()
        os.makedirs(os.path.join(daemon.directory, "conf.d"))
        with open(os.path.join(daemon.directory, "conf.d", "10-company.conf"), "w") as f:
            f.write('company = "Second Name"\n')
        with open(os.path.join(daemon.directory, "conf.d", "20-bad.conf"), "w") as f:
            f.write('\n\nflavour = "odd"\n')
        checked = daemon.check_config()
        self.assertEqual(checked.returncode, 78)
        self.assertIn("20-bad.conf:3", checked.err)
        os.unlink(os.path.join(daemon.directory, "conf.d", "20-bad.conf"))
        shown = run(daemon.argv() + ["--show-config"], env=daemon.environment()).out
        self.assertIn("Second Name", shown)

    def test_sample_and_shown_configuration_are_read_back(self):
        daemon = self.postern()
        daemon.write_config()
        shown = run(daemon.argv() + ["--show-config"], env=daemon.environment()).out
        again = self.path("shown.conf")
        with open(again, "w") as f:
            f.write(shown)
        checked = run([daemon.program("posternd"), "-c", again, "-t"], check=False, env=daemon.environment())
        self.assertEqual(checked.returncode, 0, checked.err)
        twice = run([daemon.program("posternd"), "-c", again, "--show-config"], env=daemon.environment()).out
        self.assertEqual(shown, twice)
        sample = run([daemon.program("posternd"), "--sample-config"], env=daemon.environment()).out
        for key in ("hostname", "smarthost", "retry", "refuse_bare_lf"):
            self.assertIn(key, sample)

    def test_help_and_version(self):
        daemon = self.postern()
        for program in ("posternd", "posternctl"):
            for option in ("--help", "--version"):
                done = run([daemon.program(program), option], env=daemon.environment())
                self.assertTrue(done.out)
            self.assertEqual(run([daemon.program(program), "--no-such-option"], check=False,
                                 env=daemon.environment()).returncode, 64)
        self.assertEqual(run([daemon.program("posternctl"), "frobnicate"], check=False,
                             env=daemon.environment()).returncode, 64)

    def test_a_port_that_is_taken(self):
        daemon = self.running()
        other = self.postern()
        other.port = dict(daemon.port)
        for name in other.LISTENERS:
            other.config.section("listen", name).update(address=LOCAL, port=daemon.port[name])
        other.write_config()
        done = run(other.argv(), check=False, env=other.environment())
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("in use", done.err)
        self.assertIn(str(daemon.port["starttls"]), done.err)

    def test_one_spool_one_daemon(self):
        daemon = self.running()
        other = self.postern()
        other.config.section("queue")["directory"] = daemon.spool
        other.write_config()
        done = run(other.argv(), check=False, env=other.environment())
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(daemon.spool, done.err)
        self.session(daemon).mail(SIMPLE)


def served(test, daemon, listener="implicit", **options):
    """The certificate that a new connection gets."""
    client = test.client(daemon, listener, **options)
    if listener != "implicit":
        client.ehlo()
        client.starttls()
    return client.sock.getpeercert(binary_form=True)


class Reload(Case):
    def test_a_new_certificate(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        self.assertEqual(served(self, daemon), self.certificates.relay.der())
        inside = self.session(daemon)
        waiting = self.client(daemon)
        inside.envelope()
        daemon.config.section("certificate", "p256").update(chain=self.certificates.relay_new.chain,
                                                            key=self.certificates.relay_new.key)
        daemon.reload()
        for listener in daemon.LISTENERS:
            self.assertEqual(served(self, daemon, listener), self.certificates.relay_new.der())
        # No session is dropped: one goes on within its transaction, one takes the new certificate.
        self.assertReply(inside.content(SIMPLE), 250)
        waiting.ready()
        self.assertEqual(waiting.sock.getpeercert(binary_form=True), self.certificates.relay_new.der())
        host.wait(1)

    def test_ports_that_are_not_open_yet_are_not_named(self):
        daemon = self.running(self.quick_smarthost())

        def reply():
            client = self.client(daemon)
            client.ehlo()
            return client.ask("AUTH LOGIN").text
        self.assertIn("SSL/TLS on port %d" % daemon.port["implicit"], reply())
        daemon.reload()
        self.assertIn("SSL/TLS on port %d" % daemon.port["implicit"], reply())
        daemon.config.section("listen", "implicit")["port"] = free_port()
        for _ in range(2):
            daemon.reload()
            self.assertIn("SSL/TLS on port %d" % daemon.port["implicit"], reply())
        # One that the reload has added is not open yet, and the open one is for some only.
        daemon.config.section("listen", "implicit")["users"] = ["alice"]
        daemon.config.section("listen", "another").update(address=LOCAL, port=free_port(), tls="implicit")
        daemon.reload()
        self.assertNotIn("SSL/TLS", reply())

    def test_the_same_file_with_another_certificate(self):
        """As a renewal does it."""
        daemon = self.postern()
        pair = {}
        for kind in ("chain", "key"):
            pair[kind] = self.path(kind)
            self.copy(getattr(self.certificates.relay, kind), pair[kind])
        daemon.config.section("certificate", "p256").update(pair)
        daemon.start()
        self.assertEqual(served(self, daemon), self.certificates.relay.der())
        for kind in ("chain", "key"):
            self.copy(getattr(self.certificates.relay_new, kind), pair[kind])
        daemon.reload()
        self.assertEqual(served(self, daemon), self.certificates.relay_new.der())

    @staticmethod
    def copy(source, target):
        with open(source, "rb") as f, open(target + ".new", "wb") as g:
            g.write(f.read())
        os.chmod(target + ".new", 0o600)
        os.rename(target + ".new", target)

    def test_a_bad_file_keeps_the_old_configuration(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        good = daemon.config.text()
        for bad in (good + 'colour = "red"\n', good.replace("relay.pem", "missing.pem"), good.replace("{", "(")):
            with open(daemon.file, "w") as f:
                f.write(bad)
            before = len(daemon.events("reload-refused"))
            daemon.process.send_signal(signal.SIGHUP)
            wait_for(lambda: len(daemon.events("reload-refused")) > before, "the refusal in the log")
            self.assertIn(daemon.file, daemon.events("reload-refused")[-1]["reason"])
            done = daemon.ctl("reload", check=False)
            self.assertEqual(done.returncode, 78)
            self.assertIn(daemon.file, done.err + done.out)
            self.assertEqual("-s SOCKET" in done.err, "missing.pem" not in bad)
            # The daemon itself says the same.
            done = run([daemon.program("posternctl"), "-s", daemon.control, "reload"], check=False)
            self.assertEqual(done.returncode, 78)
            self.assertIn(daemon.file, done.err)
            self.assertEqual(served(self, daemon), self.certificates.relay.der())
        self.session(daemon).mail(SIMPLE)
        host.wait(1)
        daemon.write_config()
        daemon.ctl("reload")

    def test_other_settings(self):
        first, second = self.quick_smarthost(), self.quick_smarthost()
        daemon = self.running(first)
        self.session(daemon).mail(letter("one"))
        first.wait(1)
        old = self.session(daemon)
        daemon.config.section("smarthost", "main")["port"] = second.port
        daemon.config.section("limits")["message_size"] = "64K"
        daemon.config.top["company"] = "New Name"
        daemon.reload()
        self.assertEqual(self.session(daemon).offers["SIZE"], "65536")
        old.mail(letter("two"))
        message = second.wait(1)[0]
        self.assertEqual(message.below_trace(), letter("two"))
        self.session(daemon).mail(letter("three"))
        self.assertIn(b"New Name", second.wait(2)[1].trace())
        self.assertEqual(len(first.messages), 1)

    def test_what_a_listener_offers(self):
        """Sessions keep what they began with; whoever comes later gets the new."""
        daemon = self.running()
        old = self.client(daemon)
        keys = daemon.config.section("listen", "starttls")
        keys["mechanisms"] = ["LOGIN"]
        keys["users"] = ["bob"]
        daemon.reload()
        new = self.client(daemon)
        for client, mechanisms in ((old, "PLAIN LOGIN"), (new, "LOGIN")):
            client.ehlo()
            client.starttls()
            client.ehlo()
            self.assertEqual(client.offers["AUTH"], mechanisms)
        self.assertReply(new.login("alice", "secret", "LOGIN"), 535)
        # The workers know the new list only; LOGIN is in both.
        self.assertReply(old.login("alice", "secret", "LOGIN"), 235)
        self.session(daemon, "implicit")

    def test_a_listener_that_is_gone(self):
        """Its socket stays till the restart, and the log says why nobody is served there."""
        host = self.quick_smarthost()
        daemon = self.running(host)
        old = self.session(daemon)
        daemon.config.drop("listen", "starttls")
        daemon.reload()
        daemon.wait_event("reload-incomplete")
        client = self.client(daemon, greet=False)
        self.assertTrue(client.ended())
        event = daemon.wait_event("no-such-listener")
        self.assertEqual((event["listener"], event["address"]), ("starttls", "127.0.0.1"))
        self.session(daemon, "implicit").mail(letter("elsewhere"))
        old.mail(letter("still here"))
        host.wait(2)

    def test_reload_under_load(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        clients = [self.session(daemon) for _ in range(4)]
        for turn in range(10):
            daemon.process.send_signal(signal.SIGHUP)
            for i, client in enumerate(clients):
                client.mail(letter("m%d-%d" % (turn, i)))
        host.wait(40)

    def test_ecdsa_and_rsa_side_by_side(self):
        daemon = self.postern()
        daemon.config.section("certificate", "rsa").update(chain=self.certificates.relay_rsa.chain,
                                                           key=self.certificates.relay_rsa.key)
        daemon.start()
        for cipher, pair in (("ECDHE-ECDSA-AES128-GCM-SHA256", self.certificates.relay),
                             ("ECDHE-RSA-AES128-GCM-SHA256", self.certificates.relay_rsa)):
            context = self.certificates.client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(cipher)
            self.assertEqual(served(self, daemon, context=context), pair.der())

    def test_names_pick_the_certificate(self):
        daemon = self.postern()
        daemon.config.section("certificate", "other").update(chain=self.certificates.misnamed.chain,
                                                             key=self.certificates.misnamed.key)
        daemon.start()
        self.assertEqual(served(self, daemon, name="elsewhere.test"), self.certificates.misnamed.der())
        self.assertEqual(served(self, daemon, name="relay.test"), self.certificates.relay.der())

    def test_resumption(self):
        daemon = self.running()
        context = self.certificates.client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
        client = self.client(daemon, "implicit", context=context)
        client.ehlo()
        session = client.sock.session
        client.want(221, "QUIT")
        sock = socket.create_connection((LOCAL, daemon.port["implicit"]), 20)
        self.addCleanup(sock.close)
        with context.wrap_socket(sock, server_hostname="relay.test", session=session) as again:
            self.assertTrue(again.session_reused)


class Stopping(Case):
    def test_a_message_under_way_is_finished(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        within = self.session(daemon)
        within.envelope()
        within.want(354, "DATA")
        within.send(SIMPLE[:50])
        idle = self.session(daemon)
        stop_signal(daemon)
        self.assertReply(idle.reply(), 421)
        self.assertTrue(idle.ended())
        within.send(SIMPLE[50:] + b".\r\n")
        self.assertReply(within.reply(), 250)
        self.assertEqual(daemon.wait_end(), 0)
        wait_for(lambda: daemon.events("stopped"), "event=stopped")
        with self.assertRaises(OSError):
            self.client(daemon)
        if not host.messages:
            daemon.start()
        self.assertEqual(host.wait(1)[0].below_trace(), SIMPLE)

    def test_what_is_undelivered_waits_for_the_next_start(self):
        host = self.quick_smarthost()
        host.at["MAIL"] = "451 4.3.0 later"
        daemon = self.running(host)
        client = self.session(daemon)
        for i in range(20):
            client.mail(letter("m%d" % i, (b"x" * 78 + b"\r\n") * 60 * i))
        daemon.stop()
        host.at.clear()
        daemon.start()
        self.assertEqual(daemon.events("ready")[-1]["recovered"], "20")
        came = host.wait(20, 60)
        self.assertTrue(sorted(m.below_trace() for m in came) ==
                        sorted(letter("m%d" % i, (b"x" * 78 + b"\r\n") * 60 * i) for i in range(20)))
        daemon.wait_empty()
        daemon.restart()
        daemon.wait_empty()
        self.assertEqual(len(host.messages), 20)

    def test_while_the_smarthost_thinks(self):
        """A delivery under way when we are told to stop: the message is neither lost nor forgotten."""
        host = self.quick_smarthost()
        host.at["EOD"] = STALL
        daemon = self.postern(host)
        daemon.config.section("queue")["patience"] = "300ms"
        daemon.start()
        self.session(daemon).mail(SIMPLE)
        host.wait_stalled()
        stop_signal(daemon)
        host.at.clear()
        host.drop()
        self.assertEqual(daemon.wait_end(), 0)
        if not host.messages:
            daemon.start()
        self.assertEqual(host.wait(1, 60)[0].below_trace(), SIMPLE)

    def test_sigint_does_the_same(self):
        daemon = self.running()
        daemon.stop(sig=signal.SIGINT)

    def test_no_child_stays_behind(self):
        daemon = self.running()
        self.session(daemon).mail(SIMPLE)
        children = children_of(daemon.pid)
        self.assertTrue(any("--login-worker" in command_line(pid) for pid in children))
        daemon.stop()
        wait_for(lambda: not any(os.path.exists("/proc/%d" % pid) for pid in children), "the end of all children")

    def test_no_child_survives_a_kill(self):
        daemon = self.running()
        self.session(daemon)
        children = children_of(daemon.pid)
        daemon.kill()
        wait_for(lambda: not any(command_line(pid) for pid in children), "the end of all children")

    def test_a_killed_worker_is_replaced(self):
        daemon = self.running()
        self.session(daemon)
        for _ in range(3):
            workers = [p for p in children_of(daemon.pid) if "--login-worker" in command_line(p)]
            self.assertTrue(workers)
            for pid in workers:
                os.kill(pid, signal.SIGKILL)
            wait_for(lambda: not any(command_line(p) for p in workers), "the end of the workers")

            def login():
                client = self.client(daemon)
                client.ehlo()
                client.starttls()
                client.ehlo()
                return client.login().code == 235
            wait_for(login, "a login after the workers died")


class SocketActivation(Case):
    SHIM = ("import fcntl, os, sys\n"
            "fds = [int(n) for n in sys.argv[1].split(',')]\n"
            "high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 50) for fd in fds]\n"
            "for i, fd in enumerate(high): os.dup2(fd, 3 + i)\n"
            "os.environ['LISTEN_PID'] = str(os.getpid())\n"
            "os.environ['LISTEN_FDS'] = str(len(high))\n"
            "os.execvp(sys.argv[2], sys.argv[2:])\n")

    def test_only_tcp_that_listens_is_taken(self):
        """A client whose address is none would come through another."""
        daemon = self.postern()
        daemon.config.drop("listen")
        daemon.config.section("listen", "starttls")["port"] = 0
        path = self.path("socket")
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        unix.bind(path)
        unix.listen()
        udp.bind((LOCAL, 0))
        for s in (udp, unix):
            self.addCleanup(s.close)
            argv = [sys.executable, "-c", self.SHIM, str(s.fileno())] + daemon.argv()
            daemon.launch(argv=argv, env=dict(daemon.environment(), LISTEN_FDNAMES="starttls"), pass_fds=[s.fileno()])
            self.assertNotEqual(daemon.wait_end(), 0)
            self.assertIn("not one of TCP that listens", daemon.text(last=True))

    def test_sockets_from_systemd(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.config.drop("listen")
        sockets = []
        for name in daemon.LISTENERS:
            s = socket.create_server((LOCAL, 0), backlog=64)
            self.addCleanup(s.close)
            sockets.append(s)
            daemon.port[name] = s.getsockname()[1]
            keys = daemon.config.section("listen", name)
            keys["port"] = 0
            if name == "implicit":
                keys["tls"] = "implicit"
        fds = [s.fileno() for s in sockets]
        env = dict(daemon.environment(), LISTEN_FDNAMES=":".join(daemon.LISTENERS))
        argv = [sys.executable, "-c", self.SHIM, ",".join(map(str, fds))] + daemon.argv()
        daemon.start(argv=argv, env=env, pass_fds=fds)
        count = 0
        for _ in range(4):  # whichever loop takes the connection
            for listener in daemon.LISTENERS:
                self.session(daemon, listener).mail(letter("m%d" % count))
                count += 1
        host.wait(count)
        client = self.client(daemon)
        client.ehlo()
        self.assertIn("SSL/TLS on port %d" % daemon.port["implicit"], client.ask("AUTH LOGIN").text)
        # A restart refuses nobody: clients wait in the socket.
        daemon.stop()
        early = self.client(daemon, greet=False)
        daemon.start(argv=argv, env=env, pass_fds=fds)
        early.greeting = early.reply()
        early.ready().mail(letter("early"))
        host.wait(count + 1)

    def test_restarts_under_load_refuse_nobody(self):
        """Clients connect all the time while the daemon is restarted: each gets a greeting, and its mail through."""
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.config.drop("listen")
        listening = socket.create_server((LOCAL, 0), backlog=512)
        self.addCleanup(listening.close)
        daemon.port["starttls"] = listening.getsockname()[1]
        daemon.config.section("listen", "starttls")["port"] = 0
        env = dict(daemon.environment(), LISTEN_FDNAMES="starttls")
        fds = [listening.fileno()]
        argv = [sys.executable, "-c", self.SHIM, ",".join(map(str, fds))] + daemon.argv()
        daemon.start(argv=argv, env=env, pass_fds=fds)
        answered, troubles, stop = [], [], threading.Event()

        def run(number):
            count = 0
            while not stop.is_set():
                name = "r%d-%d" % (number, count)
                count += 1
                try:
                    client = self.client(daemon, greet=False)  # refused: ConnectionRefusedError
                    client.greeting = client.reply()
                    client.ready().envelope()
                    if client.content(letter(name)).code == 250:
                        answered.append(name)
                    client.close()
                except ConnectionRefusedError as e:
                    troubles.append("%s: %r" % (name, e))
                except (Ended, OSError, AssertionError):
                    pass  # told to come back (421): a session that had begun
        threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for turn in range(4):
            enough = 15 * (turn + 1)
            wait_for(lambda: len(answered) >= enough, "%d messages" % enough, 60)
            daemon.stop()
            daemon.start(argv=argv, env=env, pass_fds=fds)
        stop.set()
        for thread in threads:
            thread.join(60)
        self.assertEqual(troubles, [])
        daemon.wait_empty()
        came = [l[9:].decode() for m in host.messages for l in m.content.split(b"\r\n") if l.startswith(b"Subject: ")]
        self.assertEqual(set(answered) - set(came), set())
        self.assertEqual(len(came), len(set(came)))

    def test_a_name_that_was_not_handed_over(self):
        daemon = self.postern()
        daemon.config.drop("listen")
        daemon.config.section("listen", "starttls")["port"] = 0
        daemon.write_config()
        done = run(daemon.argv(), check=False, env=daemon.environment())
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("starttls", done.err)


class Loops(Case):
    def test_as_many_as_processors_that_may_be_used(self):
        daemon = self.postern()
        daemon.config.top["loops"] = 0
        before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {max(before)})
            daemon.start()
        finally:
            os.sched_setaffinity(0, before)
        self.assertEqual(json.loads(daemon.ctl("--json", "status").out)["loops"], 1)


class Notify(Case):
    def test_ready_and_stopping(self):
        path = self.path("notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(20)
            said = []

            def hears(word):
                while word not in said:
                    said.extend(s.recv(4096).decode().split("\n"))

            def reloads():
                said.clear()
                daemon.process.send_signal(signal.SIGHUP)
                hears("READY=1")
                self.assertLess(said.index("RELOADING=1"), said.index("READY=1"))
            daemon = self.postern()
            env = dict(daemon.environment(), NOTIFY_SOCKET=path)
            daemon.start(env=env)
            hears("READY=1")
            reloads()
            daemon.wait_event("reloaded")
            daemon.config.top["loops"] = "none"
            daemon.write_config()
            reloads()
            stop_signal(daemon)
            hears("STOPPING=1")
            self.assertEqual(daemon.wait_end(), 0)


class Privileges(Case):
    def drops(self, loops=2):
        daemon = self.postern()
        nobody, workers = pwd.getpwnam("nobody"), pwd.getpwnam("daemon")
        daemon.config.top.update(user="nobody", login_user="daemon", loops=loops)
        for name in ("chain", "key"):
            path = self.path("tls-" + name)
            with open(getattr(self.certificates.relay, name), "rb") as f, open(path, "wb") as g:
                g.write(f.read())
            os.chmod(path, 0o600)
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
            daemon.config.section("certificate", "p256")[name] = path
        os.chown(daemon.spool, nobody.pw_uid, nobody.pw_gid)
        os.chown(daemon.directory, nobody.pw_uid, nobody.pw_gid)
        os.chown(daemon.users_file, workers.pw_uid, workers.pw_gid)
        os.chmod(daemon.users_file, 0o600)
        return daemon, nobody, workers

    def assertUser(self, pid, user):
        status = process_status(pid)
        self.assertEqual(status["Uid"].split(), [str(user.pw_uid)] * 4)
        self.assertEqual(status["Gid"].split(), [str(user.pw_gid)] * 4)
        self.assertNotIn("0", status["Groups"].split())
        self.assertEqual(int(status["CapEff"], 16), 0)
        self.assertEqual(int(status["CapPrm"], 16), 0)

    @need_root
    def test_both_users(self):
        daemon, nobody, workers = self.drops()
        daemon.start()
        self.session(daemon).mail(SIMPLE)
        self.assertUser(daemon.pid, nobody)
        logins = [p for p in children_of(daemon.pid) if "--login-worker" in command_line(p)]
        self.assertTrue(logins)
        for pid in logins:
            self.assertUser(pid, workers)
        for pid in [daemon.pid] + logins:
            with open("/proc/%d/limits" % pid) as f:
                cores = next(l for l in f if l.startswith("Max core file size"))
            self.assertEqual(cores.split()[4:6], ["0", "0"])
        # The process that faces the network cannot read the users file; its memory cannot be read by its user.
        probe = subprocess.run(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "cat",
                                daemon.users_file, "/proc/%d/environ" % daemon.pid], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, check=False)
        self.assertEqual(probe.stdout, b"")
        daemon.reload()
        self.session(daemon).mail(SIMPLE)

    @need_root
    def test_the_control_socket_is_private(self):
        daemon, nobody, _ = self.drops()
        daemon.start()
        mode = os.stat(daemon.control)
        self.assertEqual(stat.S_IMODE(mode.st_mode) & 0o077, 0)
        self.assertEqual(mode.st_uid, nobody.pw_uid)
        daemon.ctl("status")

    @need_root
    def test_a_user_that_does_not_exist(self):
        daemon = self.postern()
        daemon.config.top["user"] = "no-such-user"
        checked = daemon.check_config()
        self.assertEqual(checked.returncode, 78)
        self.assertIn("no-such-user", checked.err)


class Control(Case):
    def test_status(self):
        host = self.smarthost()
        daemon = self.running(host)
        self.session(daemon).mail(SIMPLE)
        host.wait(1)
        daemon.wait_empty()
        status = daemon.status()
        self.assertTrue(status["ok"])
        text = json.dumps(status)
        for name in ("sessions_opened", "logins_ok", "messages_accepted", "recipients_delivered", "spool_syncs"):
            self.assertIn(name, text)
        counters = find_counters(status)
        self.assertEqual(counters["messages_accepted"], 1)
        self.assertEqual(counters["logins_ok"], 1)
        self.assertEqual(counters["recipients_delivered"], 1)
        self.assertEqual(counters["tls_handshakes"], 1)
        table = daemon.ctl("status").out
        self.assertIn("main", table)
        self.assertIn(str(daemon.pid), table)

    def test_queue(self):
        host = self.quick_smarthost()
        host.at["RCPT"] = "451 4.2.2 the mailbox is full today"
        daemon = self.running(host)
        client = self.session(daemon)
        client.mail(letter("one"), recipients=["bob@example.org", "carol@example.net"])
        client.mail(letter("two"), sender="")
        wait_for(lambda: len({e["qid"] for e in daemon.events("deferred")}) == 2, "both deferred")
        qids = [e["qid"] for e in daemon.events("accepted")]
        out = daemon.ctl("queue").out
        self.assertEqual(daemon.ctl("queue", "list").out.split()[:3], out.split()[:3])
        for qid in qids:
            self.assertIn(qid, out)
        self.assertIn("alice@example.com", out)
        shown = daemon.ctl("queue", "show", qids[0]).out
        for words in ("bob@example.org", "carol@example.net", "the mailbox is full today", "main"):
            self.assertIn(words, shown)
        answer = json.loads(daemon.ctl("--json", "queue", "show", qids[0].lower()).out)
        self.assertTrue(answer["ok"])
        missing = daemon.ctl("queue", "show", "0000000000000", check=False)
        self.assertNotEqual(missing.returncode, 0)
        self.assertIn("0000000000000", missing.err)
        self.assertEqual(daemon.ctl("queue", "show", "what?", check=False).returncode, 64)

    def test_no_daemon(self):
        daemon = self.postern()
        done = daemon.ctl("status", check=False)
        self.assertIn(done.returncode, (69, 75))
        self.assertIn(daemon.control, done.err)

    def test_a_daemon_that_died_leaves_no_obstacle(self):
        daemon = self.running()
        daemon.kill()
        self.assertIn(daemon.ctl("status", check=False).returncode, (69, 75))
        daemon.start()
        daemon.ctl("status")

    def test_users(self):
        daemon = self.postern()

        def users():
            listed = json.loads(daemon.ctl("--json", "user", "ls").out)["users"]
            lines = daemon.ctl("user", "ls").out.splitlines()[1:]
            self.assertEqual([line.split()[0] for line in lines], listed)
            return listed

        self.assertEqual(users(), ["alice"])
        self.assertEqual(stat.S_IMODE(os.stat(daemon.users_file).st_mode) & 0o007, 0)
        daemon.ctl("user", "add", "bob", data="one\n")
        self.assertEqual(users(), ["alice", "bob"])
        self.assertNotEqual(daemon.ctl("user", "add", "bob", data="two\n", check=False).returncode, 0)
        self.assertNotEqual(daemon.ctl("user", "rm", "carol", check=False).returncode, 0)
        self.assertNotEqual(daemon.ctl("user", "passwd", "carol", data="x\n", check=False).returncode, 0)
        for name in ("", "a:b", "a\nb", "x" * 256, "white "):
            self.assertNotEqual(daemon.ctl("user", "add", name, data="x\n", check=False).returncode, 0, name)
        self.assertNotEqual(daemon.ctl("user", "add", "dave", data="", check=False).returncode, 0)
        made = daemon.ctl("user", "add", "erin", "--generate").out.strip()
        password = made.split()[-1]
        self.assertGreaterEqual(len(password), 16)
        with open(daemon.users_file) as f:
            text = f.read()
        self.assertIn("$y$", text)
        self.assertNotIn(password, text)
        daemon.start()
        self.session(daemon, user="erin", password=password)
        daemon.ctl("user", "rm", "bob")
        self.assertNotIn("bob", users())

    def test_the_socket_survives_bad_requests(self):
        daemon = self.running()
        for octets in (b"\n", b"{}\n", b"[]\n", b"{\"verb\": 3}\n", b"{\"verb\": \"frob\"}\n", b"\0\xff\n",
                       b"{\"verb\": \"queue\", \"qid\": []}\n", b"[" * 60000 + b"\n", b"x" * 70000 + b"\n"):
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(20)
                s.connect(daemon.control)
                try:
                    s.sendall(octets)
                    s.shutdown(socket.SHUT_WR)
                    answer = b""
                    while True:
                        part = s.recv(65536)
                        if not part:
                            break
                        answer += part
                except (BrokenPipeError, ConnectionResetError):
                    continue
                if answer:
                    self.assertFalse(json.loads(answer)["ok"])
        self.assertTrue(daemon.status()["ok"])


class Log(Case):
    def test_one_thread_from_accept_to_delivery(self):
        host = self.smarthost()
        daemon = self.running(host)
        client = self.session(daemon)
        client.mail(letter("thread"), recipients=["bob@example.org", "carol@example.net"])
        client.want(221, "QUIT")
        settled = daemon.wait_event("settled")
        accepted = daemon.wait_event("accepted", qid=settled["qid"])
        sid = accepted["sid"]
        self.assertEqual(accepted["account"], "alice")
        self.assertEqual(accepted["from"], "<alice@example.com>")
        self.assertEqual(accepted["nrcpt"], "2")
        self.assertEqual(accepted["message_id"], "<thread@example.com>")
        opened = daemon.wait_event("accept", sid=sid)
        self.assertEqual(opened["address"], LOCAL)
        self.assertEqual(int(opened["port"]), client.address[1])
        self.assertEqual(opened["listener"], "starttls")
        self.assertTrue(daemon.wait_event("tls", sid=sid)["tls"].startswith("TLS1."))
        self.assertEqual(daemon.wait_event("login", sid=sid)["verdict"], "ok")
        self.assertEqual({e["to"] for e in daemon.events("delivered", qid=settled["qid"])},
                         {"bob@example.org", "carol@example.net"})
        daemon.wait_event("closed", sid=sid)

    def test_no_line_can_be_forged(self):
        daemon = self.running()
        client = self.client(daemon)
        client.send("EHLO x\x1b[31m\u009b event=login verdict=ok\r\n".encode())
        client.reply()
        client.send(b"FROB\x80 \xff\"quoted\\ \x07\r\n")
        try:
            client.reply()
        except Ended:
            pass
        client.close()
        daemon.wait_event("closed")
        self.assertEqual(daemon.events("login"), [])
        for line in daemon.text().splitlines():
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|info|debug) event=[\x20-\x7e]*$")


def find_counters(answer):
    """The counters, wherever in the answer they stand."""
    if isinstance(answer, dict):
        if "messages_accepted" in answer:
            return answer
        for value in answer.values():
            found = find_counters(value)
            if found:
                return found
    return None
