"""Users, their SCRAM verifiers and app passwords: posternctl, the check of a configuration, and what
withdrawing one does to sessions that live by it."""

import base64
import json
import os
import re
import select
import signal
import stat
import time

from rig.base import children_of, wait_for
from rig.case import Case, letter
from rig.sasl import Scram, encoded
from rig.smtp import b64, plain

LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
SHAPE = re.compile("^([%s]{4}-){4}[%s]{4}$" % (LETTERS, LETTERS))


class Verbs(Case):
    """None of these needs the daemon."""

    def setUp(self):
        super().setUp()
        self.daemon = self.postern()

    def ctl(self, *words, **options):
        return self.daemon.ctl(*words, **options)

    def json(self, *words, **options):
        return json.loads(self.ctl("--json", *words, **options).out)

    def lines(self):
        with open(self.daemon.users_file) as f:
            return f.read().splitlines()

    def fails(self, status, words, *argv, data=None):
        done = self.ctl(*argv, data=data, check=False)
        self.assertEqual(done.returncode, status, done.err)
        self.assertEqual(done.out, "")
        self.assertIn(words, done.err)
        return done

    def test_a_password_is_printed_once(self):
        done = self.ctl("app-password", "add", "alice", "--label", "Alice's iPhone: blue")
        password = done.out.strip()
        self.assertRegex(password, SHAPE)
        self.assertNotIn(password, "\n".join(self.lines()))
        self.assertNotIn(password.replace("-", ""), "\n".join(self.lines()))
        listed = self.json("app-password", "ls")["app_passwords"]
        self.assertEqual(len(listed), 1)
        one = listed[0]
        self.assertEqual((one["user"], one["label"], one["expires"], one["expired"]),
                         ("alice", "Alice's iPhone: blue", None, False))
        self.assertEqual((one["last_used"], one["address"]), (None, None))
        self.assertRegex(one["id"], "^[%s]{4}$" % LETTERS)
        self.assertIn(one["id"], done.err)
        text = self.ctl("app-password", "ls", "alice").out.splitlines()
        self.assertEqual(text[0].split(), ["USER", "ID", "CREATED", "EXPIRES", "STATE", "LAST-USED", "ADDRESS",
                                           "LABEL"])
        self.assertEqual(text[1].split(None, 7), ["alice", one["id"], one["created"], "-", "valid", "-", "-",
                                                  "Alice's iPhone: blue"])
        self.assertEqual(self.ctl("app-password", "ls", "bob").out.splitlines()[1:], [])

    def test_names_are_those_of_logins(self):
        made = self.json("app-password", "add", "EXAMPLE\\alice", "--label", "one")
        self.assertEqual(made["user"], "alice")
        self.assertRegex(made["password"], SHAPE)
        self.assertEqual(len(self.json("app-password", "ls", "alice@example.com")["app_passwords"]), 1)
        done = self.ctl("app-password", "rm", "alice@example.com", made["id"])
        self.assertIn("alice@example.com logs in as alice", done.err)
        self.assertEqual(self.json("app-password", "ls")["app_passwords"], [])
        self.ctl("user", "add", "bob@example.com", data="x\n")
        self.assertEqual(self.json("user", "ls")["users"], ["alice", "bob"])
        self.fails(65, "no login has this name", "user", "add", "@example.com", data="x\n")

    def test_when_it_expires(self):
        now = time.time()
        ends = {}
        for text in ("90d", "36h", "2w", "2099-02-28"):
            made = self.json("app-password", "add", "alice", "--expires", text)
            ends[text] = time.mktime(time.strptime(made["expires"], "%Y-%m-%dT%H:%M:%SZ")) - time.timezone
        for text, seconds in (("90d", 90 * 86400), ("36h", 36 * 3600), ("2w", 14 * 86400)):
            self.assertAlmostEqual(ends[text] - now, seconds, delta=60)
        self.assertEqual(time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(ends["2099-02-28"])),
                         "2099-02-28 23:59:59")
        for text in ("soon", "", "90", "-1d", "2099-02-29", "2099-13-01", "2099-1-1", "2099-01-01 ", "99y"):
            self.fails(64, "--expires is", "app-password", "add", "alice", "--expires", text)
        self.fails(64, "passed already", "app-password", "add", "alice", "--expires", "2020-01-01")
        self.fails(64, "passed already", "app-password", "add", "alice", "--expires", "0d")
        self.assertEqual(len(self.json("app-password", "ls")["app_passwords"]), 4)
        # One that has expired is told as such.
        text = "\n".join(self.lines()) + "\n"
        with open(self.daemon.users_file, "w") as f:
            f.write(re.sub(r":\+([a-z0-9]+):(\d+):\d+:", r":+\1:1000:2000:", text, count=1))
        self.assertEqual([a["expired"] for a in self.json("app-password", "ls")["app_passwords"]],
                         [True, False, False, False])
        self.assertEqual(self.ctl("app-password", "ls").out.split("\n")[1].split()[3:5],
                         ["1970-01-01T00:33:20Z", "expired"])

    def test_what_is_refused(self):
        self.fails(65, "posternctl user add", "app-password", "add", "nobody")
        self.fails(65, "control character", "app-password", "add", "alice", "--label", "a\nb")
        self.fails(65, "128 octets", "app-password", "add", "alice", "--label", "l" * 129)
        self.fails(65, "app-password ls", "app-password", "rm", "alice", "none")
        self.fails(65, "no app password", "app-password", "rm", "alice", "--all")
        self.fails(64, "--all", "app-password", "rm", "alice")
        self.fails(64, "--all", "app-password", "rm", "alice", "none", "--all")
        self.fails(64, "missing", "app-password", "rm")
        self.fails(64, "does not take", "app-password", "ls", "--label", "x")
        self.fails(64, "no such verb", "app-password", "frob")
        self.assertEqual(len(self.lines()), 2)

    def test_one_or_all_are_removed(self):
        ids = [self.json("app-password", "add", "alice")["id"] for _ in range(3)]
        gone = self.json("app-password", "rm", "alice", ids[1])
        self.assertEqual((gone["ok"], gone["ids"], gone["sessions"]), (True, [ids[1]], None))
        self.assertEqual([a["id"] for a in self.json("app-password", "ls")["app_passwords"]], [ids[0], ids[2]])
        self.assertEqual(self.json("app-password", "rm", "alice", "--all")["ids"], [ids[0], ids[2]])
        self.assertEqual(self.json("app-password", "ls")["app_passwords"], [])
        self.ctl("app-password", "add", "alice")
        done = self.ctl("user", "rm", "alice")
        self.assertEqual((done.out, done.err), ("", ""))
        self.assertEqual(len(self.lines()), 1)

    def test_users_are_listed_with_what_they_have(self):
        self.ctl("app-password", "add", "alice")
        answer = self.json("user", "ls")
        self.assertEqual(answer["accounts"], [{"name": "alice", "password": True, "scram": True,
                                               "app_passwords": 1}])
        self.assertEqual([line.split() for line in self.ctl("user", "ls").out.splitlines()],
                         [["NAME", "PASSWORD", "SCRAM", "APP-PASSWORDS"], ["alice", "yes", "yes", "1"]])

    def test_an_old_file(self):
        """Hashes alone, as before there were verifiers."""
        old = [":".join(line.split(":")[:2]) for line in self.lines() if line.startswith("alice:")]
        with open(self.daemon.users_file, "w") as f:
            f.write("# ours\n" + old[0] + "\n")
        self.assertEqual(self.json("user", "ls")["accounts"][0]["scram"], False)
        done = self.ctl("user", "passwd", "alice", data="other\n")
        self.assertIn("can be used from now on", done.err)
        self.assertEqual(done.out, "")
        self.assertEqual(self.json("user", "ls")["accounts"][0]["scram"], True)
        self.assertTrue(self.lines()[0].startswith("@seed:"))
        self.assertEqual(self.lines()[1], "# ours")
        again = self.ctl("--json", "user", "passwd", "alice", "--generate")
        answer = json.loads(again.out)
        self.assertEqual((answer["user"], answer["scram"], answer["sessions"]), ("alice", True, None))
        self.assertGreater(len(answer["password"]), 16)

    def test_another_back_end_has_the_account(self):
        self.daemon.config.section("login")["backend"] = "saslauthd"
        self.daemon.config.section("login")["users_file"] = self.path("apart")
        self.daemon.write_config()
        self.assertEqual(self.json("app-password", "ls")["app_passwords"], [])
        made = self.json("app-password", "add", "carol", "--label", "printer")
        self.assertEqual(made["user"], "carol")
        self.assertEqual(stat.S_IMODE(os.stat(self.path("apart")).st_mode), 0o600)
        self.assertEqual(self.json("user", "ls")["users"], [])
        self.assertEqual(self.json("user", "ls")["accounts"][0]["app_passwords"], 1)
        self.ctl("user", "rm", "carol")
        self.assertEqual(self.json("app-password", "ls")["app_passwords"], [])


class Check(Case):
    def test_scram_wants_verifiers(self):
        daemon = self.postern()
        with open(daemon.users_file) as f:
            whole = f.read()
        names = ["alice", "bert", "cora", "dirk", "emma"]
        bare = whole.splitlines()[-1].split(":")[1]
        with open(daemon.users_file, "w") as f:
            f.write("".join("%s:%s\n" % (name, bare) for name in names))
        self.assertEqual(daemon.check_config().returncode, 0)
        daemon.config.section("login")["mechanisms"] = ["PLAIN", "LOGIN", "SCRAM-SHA-256"]
        done = daemon.check_config()
        self.assertEqual(done.returncode, 78)
        self.assertIn("SCRAM-SHA-256", done.err)
        self.assertIn("alice, bert, cora and 2 more", done.err)
        self.assertIn("posternctl user passwd", done.err)
        for name in names:
            daemon.ctl("user", "passwd", name, data="secret\n")
        self.assertEqual(daemon.check_config().returncode, 0, daemon.check_config().err)

    def test_only_those_who_meet_it_need_one(self):
        daemon = self.postern()
        with open(daemon.users_file) as f:
            whole = f.read()
        bare = ":".join(whole.splitlines()[-1].split(":")[:2]).replace("alice:", "bert:")
        with open(daemon.users_file, "a") as f:
            f.write(bare + "\n")
        keys = daemon.config.section("listen", "starttls")
        keys["mechanisms"] = ["SCRAM-SHA-256"]
        keys["users"] = ["alice"]
        self.assertEqual(daemon.check_config().returncode, 0, daemon.check_config().err)
        keys["users"] = ["alice", "bert"]
        self.assertEqual(daemon.check_config().returncode, 78)
        daemon.config.section("login")["app_passwords"] = "required"
        self.assertEqual(daemon.check_config().returncode, 0, daemon.check_config().err)


class Sessions(Case):
    def new_app(self, daemon, user="alice", *words):
        return json.loads(daemon.ctl("--json", "app-password", "add", user, *words).out)

    def uses(self, daemon):
        listed = json.loads(daemon.ctl("--json", "app-password", "ls").out)["app_passwords"]
        return {a["id"]: (a["last_used"], a["address"]) for a in listed}

    def is_alive(self, client):
        return client.ask("NOOP").code == 250

    def assertEnded(self, client):
        reply = client.reply()
        self.assertReply(reply, 421)
        self.assertTrue(client.ended())

    def test_an_app_password_logs_in(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        made = self.new_app(daemon)
        for form in (made["password"], made["password"].replace("-", ""), made["password"].upper(),
                     made["password"].replace("-", " ")):
            self.session(daemon, password=form).mail(letter("by-app"))
        host.wait(4)
        # Beside the account's own.
        self.session(daemon)
        client = self.client(daemon)
        client.ehlo()
        client.starttls()
        client.ehlo()
        self.assertReply(client.login("alice", made["password"][:-1] + "1"), 535)

    def test_the_last_use_is_told_and_kept(self):
        daemon = self.running()
        used, idle = self.new_app(daemon), self.new_app(daemon)
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self.session(daemon, password=used["password"])
        wait_for(lambda: self.uses(daemon)[used["id"]][0], "a last use")
        at, address = self.uses(daemon)[used["id"]]
        self.assertGreaterEqual(at, before)
        self.assertEqual(address, "127.0.0.1")
        self.assertEqual(self.uses(daemon)[idle["id"]], (None, None))
        self.assertIn(at, daemon.ctl("app-password", "ls").out)
        daemon.stop()
        # Without the daemon nobody knows; a new one remembers.
        self.assertEqual(self.uses(daemon)[used["id"]], (None, None))
        self.assertEqual(stat.S_IMODE(os.stat(os.path.join(daemon.spool, "last-use")).st_mode), 0o600)
        daemon.ctl("spool", "check")
        daemon.start()
        self.assertEqual(self.uses(daemon)[used["id"]], (at, address))

    def test_removing_one_ends_its_sessions_only(self):
        daemon = self.running()
        first, second = self.new_app(daemon), self.new_app(daemon)
        by_first = [self.session(daemon, password=first["password"]) for _ in range(3)]
        by_second = self.session(daemon, password=second["password"])
        own = self.session(daemon)
        done = daemon.ctl("app-password", "rm", "alice", first["id"])
        self.assertIn("3 sessions were ended", done.err)
        for client in by_first:
            self.assertEnded(client)
        self.assertTrue(self.is_alive(by_second))
        self.assertTrue(self.is_alive(own))
        client = self.client(daemon)
        client.ehlo()
        client.starttls()
        client.ehlo()
        self.assertReply(client.login("alice", first["password"]), 535)
        # All that are left: not those by the account's own password.
        done = daemon.ctl("app-password", "rm", "alice", "--all")
        self.assertIn("1 session was ended", done.err)
        self.assertEnded(by_second)
        self.assertTrue(self.is_alive(own))

    def test_another_password_ends_all_sessions(self):
        daemon = self.running()
        daemon.ctl("user", "add", "bob", data="builder\n")
        made = self.new_app(daemon)
        clients = [self.session(daemon), self.session(daemon, password=made["password"])]
        other = self.session(daemon, user="bob", password="builder")
        answer = json.loads(daemon.ctl("--json", "user", "passwd", "alice@example.com", data="other\n").out)
        self.assertEqual(answer["sessions"], 2)
        for client in clients:
            self.assertEnded(client)
        self.assertTrue(self.is_alive(other))
        client = self.client(daemon)
        client.ehlo()
        client.starttls()
        client.ehlo()
        self.assertReply(client.login("alice", "secret"), 535)
        self.assertReply(client.login("alice", "other"), 235)

    def test_a_user_who_is_removed_is_out(self):
        daemon = self.running()
        client = self.session(daemon)
        done = daemon.ctl("user", "rm", "alice")
        self.assertIn("1 session was ended", done.err)
        self.assertEnded(client)
        again = self.client(daemon)
        again.ehlo()
        again.starttls()
        again.ehlo()
        self.assertReply(again.login("alice", "secret"), 535)

    def half_logged_in(self, daemon, password):
        """A client that has only to say that it is content with the server's proof."""
        client = self.client(daemon)
        client.ehlo()
        client.starttls()
        client.ehlo()
        scram = Scram("alice", password)
        salt = client.ask("AUTH SCRAM-SHA-256 " + encoded(scram.first()))
        self.assertReply(salt, 334)
        proof = client.ask(encoded(scram.final(base64.b64decode(salt.text))))
        self.assertReply(proof, 334)
        scram.verify(base64.b64decode(proof.text))
        return client

    def test_a_login_that_is_under_way_ends_too(self):
        """Withdrawn between the check of the password and the login's last word."""
        daemon = self.postern()
        daemon.config.section("login")["mechanisms"] = ["PLAIN", "SCRAM-SHA-256"]
        daemon.start()
        made, kept = self.new_app(daemon), self.new_app(daemon)
        late = [self.half_logged_in(daemon, made["password"]) for _ in range(2)]
        other = self.half_logged_in(daemon, kept["password"])
        own = self.half_logged_in(daemon, "secret")
        daemon.ctl("app-password", "rm", "alice", made["id"])
        for client in late:
            self.assertReply(client.ask(""), 235)
            self.assertEnded(client)
        for client in (other, own):
            self.assertReply(client.ask(""), 235)
            self.assertTrue(self.is_alive(client))
        own = self.half_logged_in(daemon, "secret")
        # More than are remembered: whoever is still under way begins anew.
        for _ in range(20):
            daemon.ctl("user", "add", "bob", data="builder\n")
            daemon.ctl("user", "rm", "bob")
        self.assertReply(own.ask(""), 235)
        self.assertEnded(own)

    def test_what_was_only_begun_is_not_sent(self):
        host = self.quick_smarthost()
        daemon = self.running(host)
        client = self.session(daemon)
        client.mail(letter("before"))
        client.envelope()
        daemon.ctl("user", "passwd", "alice", data="other\n")
        self.assertEnded(client)
        host.wait(1)
        self.assertEqual(len(host.messages), 1)

    def test_a_daemon_that_is_not_there_is_no_fault(self):
        daemon = self.running()
        daemon.stop()
        done = daemon.ctl("user", "passwd", "alice", data="other\n")
        self.assertNotIn("sessions", done.err)
        daemon.start()
        daemon.kill()
        # Its socket is still there.
        self.assertTrue(os.path.exists(daemon.control))
        daemon.ctl("user", "rm", "alice")


class Remembered(Case):
    """The same app password again: the loop knows the answer, as long as it is the answer."""

    def one_loop(self, **login):
        daemon = self.postern()
        daemon.config.top["loops"] = 1
        daemon.config.section("login").update(login)
        return daemon

    def let_rest(self, daemon):
        """So young that a second change might go unseen, no state of the file is built upon."""
        wait_for(lambda: time.time() - os.stat(daemon.users_file).st_ctime > 0.2, "a users file that rests")

    def remembered(self, daemon):
        """An app password of alice's that the daemon's loop remembers, as JSON."""
        made = json.loads(daemon.ctl("--json", "app-password", "add", "alice").out)
        self.let_rest(daemon)
        self.assertReply(self.stranger(daemon).login("alice", made["password"]), 235)
        return made

    def stranger(self, daemon, listener="starttls"):
        """Before its login."""
        client = self.client(daemon, listener)
        client.ehlo()
        client.starttls()
        client.ehlo()
        return client

    def try_without_workers(self, daemon, password, mechanism="PLAIN"):
        """Whether the login has its answer while nothing but the daemon itself runs; and that answer."""
        client, other = self.stranger(daemon), self.stranger(daemon)
        stopped = children_of(daemon.pid)
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            if mechanism == "LOGIN":
                client.want(334, "AUTH LOGIN " + b64("alice"))
                client.send(b64(password) + "\r\n")
            else:
                client.send("AUTH PLAIN %s\r\n" % plain("alice", password))
            # The loop has taken up what came before these.
            for _ in range(2):
                other.want(250, "NOOP")
            is_answered = bool(select.select([client.sock], [], [], 0)[0])
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        return is_answered, client.reply().code

    def test_the_second_login_asks_no_worker(self):
        daemon = self.one_loop().start()
        made = self.remembered(daemon)
        password = made["password"]
        before = daemon.status()["counters"]["logins_ok"]
        self.assertEqual(self.try_without_workers(daemon, password), (True, 235))
        self.assertEqual(daemon.status()["counters"]["logins_ok"], before + 1)
        # It reads the same in the log, and is used like the first.
        wait_for(lambda: len(daemon.events("login", app_password=made["id"])) > 1, "both logins in the log")
        first, second = daemon.events("login", app_password=made["id"])
        for key in ("level", "verdict", "account", "mech", "address", "detail"):
            self.assertEqual(first.get(key), second.get(key))
        # Each form of it is asked about once.
        self.assertEqual(self.try_without_workers(daemon, password, "LOGIN"), (False, 235))
        self.assertEqual(self.try_without_workers(daemon, password, "LOGIN"), (True, 235))
        self.assertEqual(self.try_without_workers(daemon, password.replace("-", "")), (False, 235))
        # The account's own never is, nor one that is wrong.
        self.assertEqual(self.try_without_workers(daemon, "secret"), (False, 235))
        self.assertEqual(self.try_without_workers(daemon, "secret"), (False, 235))
        self.assertEqual(self.try_without_workers(daemon, password[:-1] + "1"), (False, 535))
        self.assertEqual(self.try_without_workers(daemon, password[:-1] + "1"), (False, 535))
        # Its session is one like any other.
        client = self.session(daemon, password=password)
        daemon.ctl("app-password", "rm", "alice", made["id"])
        self.assertReply(client.reply(), 421)
        self.assertTrue(client.ended())

    def test_a_change_of_the_file_counts_at_once(self):
        """By posternctl, by an editor that writes it in place, by one that writes it anew."""
        daemon = self.one_loop().start()

        def by_us(made):
            daemon.ctl("app-password", "rm", "alice", made["id"])

        def in_place(made):
            with open(daemon.users_file, "r+") as f:
                rest = [line for line in f if ":+%s:" % made["id"] not in line]
                f.seek(0)
                f.truncate()
                f.write("".join(rest))

        def anew(made):
            os.rename(daemon.users_file, daemon.users_file + "~")
            with open(daemon.users_file + "~") as old, \
                    open(os.open(daemon.users_file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as f:
                f.write("".join(line for line in old if ":+%s:" % made["id"] not in line))

        def in_one_octet(made):
            with open(daemon.users_file, "r+") as f:
                text = f.read().replace(":0:", ":2:", 1)
                f.seek(0)
                f.write(text)

        for change in (by_us, in_place, anew, in_one_octet):
            made = self.remembered(daemon)
            self.assertEqual(self.try_without_workers(daemon, made["password"]), (True, 235), change.__name__)
            client = self.stranger(daemon)
            change(made)
            reply = client.login("alice", made["password"])
            self.assertEqual(reply.code, 535, change.__name__)

    def test_a_file_that_may_not_be_read_counts_at_once(self):
        daemon = self.one_loop().start()
        made = self.remembered(daemon)
        clients = [self.stranger(daemon) for _ in range(4)]

        def login():
            return clients.pop().login("alice", made["password"]).code

        os.chmod(daemon.users_file, 0o666)
        self.assertEqual(login(), 454)
        os.chmod(daemon.users_file, 0o600)
        self.let_rest(daemon)
        self.assertEqual([login(), login()], [235, 235])
        os.unlink(daemon.users_file)
        self.assertEqual(login(), 454)

    def test_new_settings_forget_it(self):
        daemon = self.one_loop().start()
        made = self.remembered(daemon)
        daemon.reload()
        self.assertEqual(self.try_without_workers(daemon, made["password"]), (False, 235))
        self.assertEqual(self.try_without_workers(daemon, made["password"]), (True, 235))
        daemon.config.section("login")["app_passwords"] = "none"
        daemon.reload()
        self.assertReply(self.stranger(daemon).login("alice", made["password"]), 535)

    def test_nothing_is_remembered_with_a_cache_of_0(self):
        daemon = self.one_loop(cache=0).start()
        made = self.remembered(daemon)
        self.assertEqual(self.try_without_workers(daemon, made["password"]), (False, 235))

    def test_a_listener_keeps_its_users(self):
        daemon = self.one_loop()
        daemon.config.section("listen", "submit25")["users"] = ["bob"]
        daemon.start()
        made = self.remembered(daemon)
        self.assertReply(self.stranger(daemon, "submit25").login("alice", made["password"]), 535)
        self.assertReply(self.stranger(daemon).login("alice", made["password"]), 235)
