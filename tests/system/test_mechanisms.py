"""Every mechanism that is offered, by real mail programs: who gets in, and how a wrong password ends."""

import email.message
import json
import os
import shutil
import smtplib
import unittest

from rig import kerberos
from rig.base import run, wait_for
from rig.case import Case, letter
from rig.setups import Setups

HERE = os.path.dirname(os.path.abspath(__file__))
NODE_MODULES = os.path.join(HERE, "..", "..", "build", "fetched", "npm", "node_modules")


def need(*programs):
    gone = [p for p in programs if not shutil.which(p)]
    return unittest.skipIf(gone, "not installed: " + ", ".join(gone))


class Mechanisms(Setups, Case):
    """send_by(program): the message goes out by that login, and the log names it."""

    def came(self, daemon, host, mechanism, count=1, account="alice"):
        host.wait(count)
        daemon.wait_event("login", verdict="ok", mech=mechanism, account=account)

    def refused(self, daemon, host, done, code="535"):
        """The program failed and shows our words."""
        self.assertNotEqual(done.returncode, 0, done.out + done.err)
        self.assertIn(code, done.out + done.err)
        self.assertEqual(host.messages, [])
        self.assertEqual(daemon.events_so_far("login", verdict="ok"), [])

    # swaks

    def swaks(self, daemon, mechanism, *more, listener="starttls", password="secret", user="alice", **options):
        return run(["swaks", "--server", "127.0.0.1", "--port", daemon.port[listener],
                    "--tls-on-connect" if listener == "implicit" else "--tls", "--tls-verify", "--tls-ca-path",
                    self.certificates.ca.file, "--auth", mechanism, "--auth-user", user, "--auth-password", password,
                    "--from", "alice@example.com", "--to", "bob@example.org", "--ehlo", "laptop", *more], **options)

    @need("swaks")
    def test_swaks(self):
        host = self.receiver()
        daemon = self.daemon_plain(host)
        count = 0
        for mechanism in ("PLAIN", "LOGIN"):
            for more in ((), ("--pipeline",)):
                self.swaks(daemon, mechanism, *more)
                count += 1
                self.came(daemon, host, mechanism, count)

    @need("swaks")
    def test_swaks_cram_md5(self):
        host = self.receiver()
        daemon = self.daemon_sasldb(host)
        self.swaks(daemon, "CRAM-MD5")
        self.came(daemon, host, "CRAM-MD5")
        # Whatever is offered, in its own order: the first one works.
        self.swaks(daemon, "ANY")
        host.wait(2)

    @need("swaks")
    def test_swaks_with_a_wrong_password(self):
        host = self.receiver()
        daemon = self.daemon_sasldb(host)
        done = self.swaks(daemon, "ANY", password="wrong", check=False)
        self.refused(daemon, host, done)
        # It went through all of them over one connection.
        wait_for(lambda: len(daemon.events("login")) == 3, "three logins in the log")
        self.assertEqual({e["mech"] for e in daemon.events("login")}, {"CRAM-MD5", "LOGIN", "PLAIN"})
        self.assertEqual(len({e["sid"] for e in daemon.events("login")}), 1)

    # curl

    def curl(self, daemon, mechanism, *more, listener="implicit", user="alice:secret", **options):
        path = self.path("letter")
        with open(path, "wb") as f:
            f.write(letter("curl"))
        scheme = "smtps" if listener == "implicit" else "smtp"
        return run(["curl", "-sSv", "--ssl-reqd", "--cacert", self.certificates.ca.file, "--url",
                    "%s://relay.test:%d/laptop" % (scheme, daemon.port[listener]), "--resolve",
                    "relay.test:%d:127.0.0.1" % daemon.port[listener], "--mail-from", "alice@example.com", "--mail-rcpt",
                    "bob@example.org", "--user", user, "--login-options", "AUTH=" + mechanism, "--upload-file", path,
                    *more], **options)

    @need("curl")
    def test_curl(self):
        host = self.receiver()
        daemon = self.daemon_plain(host)
        count = 0
        for mechanism in ("PLAIN", "LOGIN"):
            for more in ((), ("--sasl-ir",)):
                for listener in ("implicit", "starttls"):
                    self.curl(daemon, mechanism, *more, listener=listener)
                    count += 1
                    self.came(daemon, host, mechanism, count)

    @need("curl")
    def test_curl_cram_md5(self):
        host = self.receiver()
        daemon = self.daemon_sasldb(host)
        self.curl(daemon, "CRAM-MD5")
        self.came(daemon, host, "CRAM-MD5")

    def certificate_daemon(self, host, mechanisms=("PLAIN", "LOGIN", "EXTERNAL")):
        daemon = self.postern(host)
        daemon.config.section("listen", "implicit").update(client_ca=self.certificates.ca.file,
                                                           mechanisms=list(mechanisms))
        return daemon.start()

    def with_certificate(self, pair):
        return ("--cert", pair.chain, "--key", pair.key)

    @need("curl")
    def test_curl_with_a_client_certificate(self):
        host = self.receiver()
        daemon = self.certificate_daemon(host)
        self.curl(daemon, "EXTERNAL", *self.with_certificate(self.certificates.client_alice), user="alice:")
        self.came(daemon, host, "EXTERNAL")
        # A password works on the same port, with a certificate or without.
        self.curl(daemon, "PLAIN")
        self.came(daemon, host, "PLAIN", 2)
        self.curl(daemon, "PLAIN", *self.with_certificate(self.certificates.client_alice))
        host.wait(3)

    @need("curl")
    def test_certificates_that_let_nobody_in(self):
        host = self.receiver()
        daemon = self.certificate_daemon(host)
        stranger, nobody = self.certificates.client_stranger, self.certificates.client_nobody
        for name, more in (("none", ()), ("of another authority", self.with_certificate(stranger)),
                           ("of somebody without an account", self.with_certificate(nobody))):
            with self.subTest(certificate=name):
                done = self.curl(daemon, "EXTERNAL", *more, user="alice:", check=False)
                self.assertNotEqual(done.returncode, 0)
                self.assertEqual(host.messages, [])
                self.assertEqual(daemon.events_so_far("login", verdict="ok"), [])
        # Nor does one that is right where certificates are not asked for.
        done = self.curl(daemon, "EXTERNAL", *self.with_certificate(self.certificates.client_alice), user="alice:",
                         listener="starttls", check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(host.messages, [])

    # msmtp

    def msmtp(self, daemon, method, *more, listener="starttls", password="secret", **options):
        return run(["msmtp", "--host=127.0.0.1", "--port=%d" % daemon.port[listener], "--tls=on",
                    "--tls-starttls=" + ("off" if listener == "implicit" else "on"),
                    "--tls-trust-file=" + self.certificates.ca.file, "--tls-host-override=relay.test",
                    "--auth=" + method, "--user=alice", "--passwordeval=echo " + password, "--from=alice@example.com",
                    "--domain=laptop", *more, "--", "bob@example.org"], data=letter("msmtp").replace(b"\r\n", b"\n"),
                   **options)

    @need("msmtp")
    def test_msmtp(self):
        host = self.receiver()
        daemon = self.daemon_scram(host)
        for count, (method, mechanism) in enumerate((("plain", "PLAIN"), ("login", "LOGIN"),
                                                     ("scram-sha-256", "SCRAM-SHA-256"))):
            self.msmtp(daemon, method, listener=daemon.LISTENERS[count])
            self.came(daemon, host, mechanism, count + 1)
        # By its own choice.
        self.msmtp(daemon, "on")
        host.wait(4)

    @need("msmtp")
    def test_msmtp_with_a_wrong_password(self):
        host = self.receiver()
        daemon = self.daemon_scram(host)
        for method in ("plain", "scram-sha-256"):
            self.refused(daemon, host, self.msmtp(daemon, method, password="wrong", check=False))

    @need("msmtp")
    def test_msmtp_with_a_client_certificate(self):
        host = self.receiver()
        daemon = self.certificate_daemon(host)
        pair = self.certificates.client_alice
        self.msmtp(daemon, "external", "--tls-cert-file=" + pair.chain, "--tls-key-file=" + pair.key,
                   listener="implicit")
        self.came(daemon, host, "EXTERNAL")

    # gsasl: logs in and leaves

    def gsasl(self, daemon, mechanism, *more, password="secret", **options):
        return run(["gsasl", "--smtp", "--connect=localhost:%d" % daemon.port["starttls"], "--starttls",
                    "--x509-ca-file=" + self.certificates.ca.file, "--hostname=relay.test", "--mechanism=" + mechanism,
                    "--authentication-id=alice", "--authorization-id=alice", "--password=" + password, *more],
                   check=False, seconds=20, **options)

    @need("gsasl")
    def test_gsasl(self):
        daemon = self.daemon_scram(self.receiver())
        for mechanism in ("PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"):
            with self.subTest(mechanism=mechanism):
                more = () if "PLUS" in mechanism else ("--no-cb",)
                done = self.gsasl(daemon, mechanism, *more)
                self.assertEqual(done.returncode, 0, done.out + done.err)
                daemon.wait_event("login", verdict="ok", mech=mechanism)
                before = len(daemon.events("login", verdict="ok"))
                done = self.gsasl(daemon, mechanism, *more, password="wrong")
                self.assertIn("535", done.out + done.err)
                self.assertEqual(len(daemon.events_so_far("login", verdict="ok")), before)

    @need("gsasl")
    def test_gsasl_cram_md5(self):
        daemon = self.daemon_sasldb(self.receiver())
        done = self.gsasl(daemon, "CRAM-MD5")
        self.assertEqual(done.returncode, 0, done.out + done.err)
        daemon.wait_event("login", verdict="ok", mech="CRAM-MD5")

    # Python

    def connect(self, daemon):
        client = smtplib.SMTP("127.0.0.1", daemon.port["starttls"], "laptop")
        self.addCleanup(client.close)
        client.starttls(context=self.certificates.client_context())
        return client

    def test_smtplib_takes_each_in_turn(self):
        host = self.receiver()
        daemon = self.daemon_sasldb(host)
        client = self.connect(daemon)
        with self.assertRaises(smtplib.SMTPAuthenticationError) as caught:
            client.login("alice", "wrong")
        self.assertEqual(caught.exception.smtp_code, 535)
        wait_for(lambda: len(daemon.events("login")) == 3, "three logins in the log")
        self.assertEqual([e["mech"] for e in daemon.events("login")], ["CRAM-MD5", "PLAIN", "LOGIN"])
        # The same connection may try again.
        client.login("alice", "secret")
        client.sendmail("alice@example.com", ["bob@example.org"], letter("third time lucky"))
        self.came(daemon, host, "CRAM-MD5")

    def test_smtplib_smtputf8(self):
        host = self.receiver()
        daemon = self.daemon_plain(host)
        client = self.connect(daemon)
        client.login("alice", "secret")
        message = email.message.EmailMessage()
        message["From"] = "alice@example.com"
        message["To"] = "J\u00f6rg <j\u00f6rg@example.org>"
        message["Subject"] = "Gr\u00fc\u00dfe"
        message.set_content("Stra\u00dfe\n", cte="8bit")
        self.assertEqual(client.send_message(message), {})
        came = host.wait(1)[0]
        self.assertEqual(came.recipients, ["j\u00f6rg@example.org"])
        self.assertIn("SMTPUTF8", came.parameters)
        self.assertIn("Subject: Gr\u00fc\u00dfe".encode(), came.content)

    # nodemailer

    def nodemailer(self, transport, message, check=True):
        script = ("const t = require(%s).createTransport(%s);"
                  "t.sendMail(%s).then(i => console.log(i.response),"
                  " e => { console.error(e.responseCode, e.response || e.message); process.exit(1); });"
                  % (json.dumps(os.path.join(NODE_MODULES, "nodemailer")), json.dumps(transport), json.dumps(message)))
        return run(["node", "-e", script], check=check,
                   env=dict(os.environ, NODE_EXTRA_CA_CERTS=self.certificates.ca.file))

    MESSAGE = {"from": "Alice <alice@example.com>", "to": "bob@example.org", "subject": "Gr\u00fc\u00dfe",
               "text": "Stra\u00dfe\n.\nende\n", "attachments": [{"filename": "a.bin", "content": "AAEC/w==",
                                                                  "encoding": "base64"}]}

    def transport(self, daemon, method, listener, password="secret"):
        return {"host": "127.0.0.1", "port": daemon.port[listener], "secure": listener == "implicit",
                "requireTLS": True, "name": "laptop", "tls": {"servername": "relay.test"},
                "auth": {"user": "alice", "pass": password}, "authMethod": method}

    nodemailer_is_missing = None
    if not shutil.which("node"):
        nodemailer_is_missing = "node is not installed"
    elif not os.path.isdir(os.path.join(NODE_MODULES, "nodemailer")):
        nodemailer_is_missing = "tests/fetch has not fetched nodemailer"

    @unittest.skipIf(nodemailer_is_missing, nodemailer_is_missing)
    def test_nodemailer(self):
        host = self.receiver()
        daemon = self.daemon_sasldb(host)
        count = 0
        for method in ("PLAIN", "LOGIN", "CRAM-MD5"):
            for listener in ("starttls", "implicit"):
                done = self.nodemailer(self.transport(daemon, method, listener), self.MESSAGE)
                self.assertIn("250 2.0.0", done.out)
                count += 1
                self.came(daemon, host, method, count)
        done = self.nodemailer(self.transport(daemon, "PLAIN", "implicit", "wrong"), self.MESSAGE, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("535 5.7.8", done.err)
        # An address beyond ASCII, and a report that is asked for.
        self.nodemailer(self.transport(daemon, "PLAIN", "starttls"),
                        dict(self.MESSAGE, to="j\u00f6rg@example.org", envelope={
                            "from": "alice@example.com", "to": ["j\u00f6rg@example.org"]},
                             dsn={"id": "id-1", "return": "headers", "notify": ["failure"]}))
        message = host.wait(count + 1)[-1]
        self.assertEqual(message.recipients, ["j\u00f6rg@example.org"])
        self.assertIn("RET=HDRS ENVID=id-1", message.parameters)

    # s-nail and mutt

    @need("s-nail")
    def test_s_nail(self):
        host = self.receiver()
        daemon = self.daemon_sasldb(host)
        for count, (method, mechanism) in enumerate((("plain", "PLAIN"), ("login", "LOGIN"), ("cram-md5", "CRAM-MD5"))):
            listener = daemon.LISTENERS[count]
            run(["s-nail", "-:/", "-S", "v15-compat", "-S", "mta=%s://alice:secret@localhost:%d" % (
                "smtps" if listener == "implicit" else "smtp", daemon.port[listener]), "-S", "smtp-use-starttls", "-S",
                 "smtp-auth=" + method, "-S", "tls-ca-file=" + self.certificates.ca.file, "-S", "tls-verify=strict",
                 "-S", "tls-ca-no-defaults", "-S", "from=alice@example.com", "-S", "hostname=laptop.example", "-S",
                 "sendwait", "-s", "Gr\u00fc\u00dfe", "bob@example.org"], data="Stra\u00dfe\n.\nend\n",
                env=dict(os.environ, HOME=self.dir, LC_ALL="C.UTF-8"))
            self.came(daemon, host, mechanism, count + 1)

    @need("mutt")
    def test_mutt(self):
        host = self.receiver()
        daemon = self.daemon_scram(host)
        for count, mechanism in enumerate(("PLAIN", "LOGIN", "SCRAM-SHA-256")):
            listener = daemon.LISTENERS[count]
            with open(self.path("muttrc"), "w") as f:
                f.write("set smtp_url=\"%s://alice@localhost:%d/\"\nset smtp_pass=secret\n"
                        "set smtp_authenticators=\"%s\"\nset certificate_file=%s\nset ssl_force_tls=yes\n"
                        "set ssl_starttls=yes\nset from=alice@example.com\nset copy=no\nset hostname=laptop.example\n"
                        % ("smtps" if listener == "implicit" else "smtp", daemon.port[listener], mechanism.lower(),
                           self.certificates.ca.file))
            run(["mutt", "-n", "-F", self.path("muttrc"), "-s", "lunch", "bob@example.org"], data="Stra\u00dfe\n",
                env=dict(os.environ, HOME=self.dir, LC_ALL="C.UTF-8", TERM="dumb"))
            self.came(daemon, host, mechanism, count + 1)

    # Kerberos

    @need("curl")
    @unittest.skipIf(kerberos.missing(), kerberos.missing())
    def test_kerberos(self):
        realm = kerberos.Realm(self.new_dir("kdc")).start()
        self.addCleanup(realm.stop)
        keytab = realm.keytab("smtp/relay.test", "smtp.keytab")
        realm.principal("alice", "kerberos")
        host = self.receiver()
        daemon = self.postern(host)
        daemon.config.section("login").update(mechanisms=["GSSAPI", "PLAIN", "LOGIN"], keytab=keytab)
        daemon.start(env=dict(daemon.environment(), **realm.env))
        # Without a ticket there is no login.
        done = self.curl(daemon, "GSSAPI", user="alice@EXAMPLE.COM:", check=False, env=realm.environment())
        self.assertNotEqual(done.returncode, 0)
        self.assertEqual(host.messages, [])
        realm.ticket("alice", "kerberos")
        self.curl(daemon, "GSSAPI", user="alice@EXAMPLE.COM:", env=realm.environment())
        self.came(daemon, host, "GSSAPI")
        # The password of the users file still works.
        self.curl(daemon, "PLAIN")
        host.wait(2)
