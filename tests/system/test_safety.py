"""What was answered 250 is never lost: kills, full disks, restarts."""

import asyncio
import json
import os
import random
import subprocess
import threading
import time

from rig.base import LOCAL, PATIENCE, wait_for
from rig.case import SIMPLE, Case, letter, need_root
from rig.smtp import Ended, plain, stuffed


def subject(message):
    for line in message.content.split(b"\r\n"):
        if line.startswith(b"Subject: "):
            return line[9:].decode()
    return ""


class Talk:
    """One of a crowd: a session, as far as it is needed."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def ask(self, octets, *codes):
        """Raises OSError or EOFError for any other answers, or none."""
        self.writer.write(octets)
        for code in codes:
            line = b"-" * 4
            while line[3:4] == b"-":
                line = await self.reader.readuntil(b"\r\n")
            if int(line[:3]) != code:
                raise Ended(line)

    async def ready(self, context, tls):
        await self.ask(b"", 220)
        await self.ask(b"EHLO client.example\r\n", 250)
        if tls == "starttls":
            await self.ask(b"STARTTLS\r\n", 220)
            await self.writer.start_tls(context, server_hostname="relay.test")
            await self.ask(b"EHLO client.example\r\n", 250)
        await self.ask(b"AUTH PLAIN %s\r\n" % plain("alice", "secret").encode(), 235)


class Crowd:
    """Clients that each send messages of their own until the daemon is gone. All in one thread: one for each would
    leave Python's time to none of them, nor to the smarthost."""

    def __init__(self, test, daemon, clients, name, size):
        self.context = test.certificates.client_context()
        self.daemon, self.clients, self.name, self.size = daemon, clients, name, size
        self.answered = []  # subjects that got 250
        self.begun = 0
        self.stop = False
        self.thread = threading.Thread(target=asyncio.run, args=(self.all(),), daemon=True)

    def start(self):
        self.thread.start()

    async def all(self):
        await asyncio.gather(*(self.client(i) for i in range(self.clients)))

    async def client(self, number):
        rng = random.Random(number)
        try:
            await self.send(number, rng, rng.choice(self.daemon.LISTENERS))
        except (OSError, EOFError):
            pass

    async def send(self, number, rng, listener):
        tls = {"ssl": self.context, "server_hostname": "relay.test"} if listener == "implicit" else {}
        talk = Talk(*await asyncio.open_connection(LOCAL, self.daemon.port[listener], **tls))
        await talk.ready(self.context, "implicit" if tls else "starttls")
        count = 0
        while not self.stop:
            what = "%s-%d-%d" % (self.name, number, count)
            octets = letter(what, (b"x" * 70 + b"\r\n") * rng.choice((1, 20, self.size)))
            await talk.ask(b"MAIL FROM:<alice@example.com>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n", 250, 250, 354)
            self.begun += 1
            await talk.ask(stuffed(octets), 250)
            self.answered.append(what)
            count += 1

    def wait(self):
        self.thread.join(60 * PATIENCE)


# tests/system/run with POSTERN_KILLS=100 takes some minutes.
KILLS = int(os.environ.get("POSTERN_KILLS", "6"))


class Kill(Case):
    def test_kill_in_the_middle_of_200_submissions(self):
        """With both hand-offs; in every third turn nothing leaves, in another the smarthost puts off half of it."""
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.config.section("log")["level"] = "info"
        daemon.config.section("login")["waiting"] = 1000
        rng = random.Random(9)
        answered = set()
        for turn in range(KILLS):
            daemon.config.section("queue").update(handoff=("hybrid", "queue")[turn % 2], patience="300ms")
            host.at.clear()
            if turn % 3 == 1:
                host.at[rng.choice(("MAIL", "RCPT", "EOD"))] = lambda *_: rng.choice(("451 4.3.0 later", None))
            # All must come from the spool.
            if turn % 3 == 2:
                host.down()
            daemon.start(seconds=60)
            crowd = Crowd(self, daemon, 200, "t%d" % turn, 3000)
            crowd.start()
            enough = rng.randrange(30, 400)
            wait_for(lambda: len(crowd.answered) >= enough, "%d answers" % enough, 60)
            daemon.kill()
            crowd.stop = True
            crowd.wait()
            self.assertGreater(crowd.begun, len(crowd.answered) - 1)
            answered.update(crowd.answered)
            if turn % 3 == 2:
                host.up()
        host.at.clear()
        daemon.start(seconds=60)
        missing = set()

        def all_there():
            missing.clear()
            missing.update(answered - {subject(m) for m in list(host.messages)})
            return not missing
        try:
            wait_for(all_there, "all answered messages at the smarthost", 90)
        except AssertionError as e:
            raise AssertionError("%d of %d answered messages lost: %s"
                                 % (len(missing), len(answered), sorted(missing)[:10])) from e
        daemon.wait_empty(60)
        for message in host.messages:
            self.assertTrue(message.content.endswith(b"x\r\n"))
            self.assertEqual(message.recipients, ["bob@example.org"])

    def test_a_torn_tail_is_cut_off(self):
        host = self.quick_smarthost()
        host.at["MAIL"] = "451 4.3.0 later"
        daemon = self.running(host)
        client = self.session(daemon)
        for i in range(10):
            client.mail(letter("m%d" % i))
        daemon.kill()
        segments = sorted((os.path.join(r, n) for r, _, names in os.walk(daemon.spool) for n in names
                           if os.path.getsize(os.path.join(r, n)) > 100), key=os.path.getmtime)
        self.assertTrue(segments)
        with open(segments[-1], "ab") as f:
            f.write(os.urandom(777))
        host.at.clear()
        daemon.start()
        came = host.wait(10, 60)
        self.assertEqual(sorted(subject(m) for m in came), sorted("m%d" % i for i in range(10)))
        # It goes on where it was.
        self.session(daemon).mail(letter("after"))
        host.wait(11)
        daemon.wait_empty()
        daemon.restart()
        daemon.wait_empty()
        self.assertEqual(len(host.messages), 11)

    def test_damage_in_the_middle_costs_only_what_it_touches(self):
        host = self.quick_smarthost()
        host.at["MAIL"] = "451 4.3.0 later"
        daemon = self.running(host)
        client = self.session(daemon)
        for i in range(10):
            client.mail(letter("m%d" % i, b"body of m%d\r\n" % i * 100))
        daemon.kill()
        hurt = 0
        for root, _, names in os.walk(daemon.spool):
            for name in names:
                path = os.path.join(root, name)
                with open(path, "r+b") as f:
                    octets = f.read()
                    at = octets.find(b"body of m4\r\nbody of m4\r\n")
                    if at >= 0:
                        f.seek(at + 3)
                        f.write(b"\x00\xff\x00")
                        hurt += 1
        self.assertEqual(hurt, 1)
        checked = daemon.ctl("spool", "check", check=False)
        self.assertEqual(checked.returncode, 65)
        self.assertIn("whole messages: 9 with", checked.out)
        self.assertIn("damaged segments: 1; damaged messages: 1\n", checked.out)
        self.assertIn("posternctl spool repair", checked.out)
        host.at.clear()
        daemon.start()
        wait_for(lambda: len(host.messages) >= 9, "the nine others", 60)
        self.assertTrue(daemon.is_running())
        self.assertEqual(sorted(subject(m) for m in host.messages), sorted("m%d" % i for i in range(10) if i != 4))
        self.assertTrue([e for e in daemon.lines() if e.get("level") in ("error", "warn")
                         and ("damage" in e["line"] or "spool" in e["line"])], "nothing in the log")


class FullDisk(Case):
    def fill(self, daemon, client, name, rng, outcomes):
        """Messages until five in a row were refused; what was answered to each."""
        refused = count = 0
        while refused < 5 and count < 400:
            what = "%s-%d" % (name, count)
            octets = letter(what, (b"%s " % what.encode() * 100)[:900] + b"\r\n")
            octets += (b"x" * 998 + b"\r\n") * rng.choice((1, 3, 100, 300, 900))
            count += 1
            reply = client.ask("MAIL FROM:<alice@example.com>")
            if reply.code == 250:
                client.want(250, "RCPT TO:<bob@example.org>")
                reply = client.content(octets)
            outcomes[what] = (reply.code, octets)
            refused = 0 if reply.code == 250 else refused + 1
            if reply.code != 250:
                self.assertReply(reply, 452, "4.3.1")

    @need_root
    def test_full_under_load(self):
        """Eight clients at once, both hand-offs: 250 means that it arrives whole and once, 452 that it does not."""
        for handoff in ("hybrid", "queue"):
            with self.subTest(handoff=handoff):
                self.full_under_load(handoff)

    def full_under_load(self, handoff):
        host = self.quick_smarthost()
        host.at["EOD"] = "451 4.3.0 later"
        daemon = self.postern(host)
        self.mounted(daemon, 12)
        daemon.config.section("queue").update(handoff=handoff, reserve="512K", patience="1s")
        daemon.config.section("limits")["errors"] = 1000
        daemon.start()
        outcomes, troubles = {}, []

        def run(number):
            try:
                self.fill(daemon, self.session(daemon), "%s-%d" % (handoff, number), random.Random(number), outcomes)
            except Exception as e:  # told by the test's own thread
                troubles.append(e)
        threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(troubles, [])
        taken = {what: octets for what, (code, octets) in outcomes.items() if code == 250}
        self.assertGreater(len(taken), 8)
        self.assertGreater(len(outcomes), len(taken))
        self.assertTrue(daemon.is_running())
        host.at.clear()
        came = host.wait(len(taken), 90)
        daemon.wait_empty()
        self.assertEqual(sorted(m.below_trace() for m in came), sorted(taken.values()))
        daemon.restart()
        daemon.wait_empty()
        self.assertEqual(len(host.messages), len(taken))
        daemon.stop()

    def mounted(self, daemon, megabytes):
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=0700" % megabytes, "postern-test",
                               daemon.spool], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if done.returncode:
            self.skipTest("cannot mount a small file system: " + done.stderr.decode().strip())
        self.addCleanup(subprocess.run, ["umount", "-l", daemon.spool], check=False)

    @need_root
    def test_full_and_space_returns(self):
        host = self.quick_smarthost()
        host.at["MAIL"] = "451 4.3.0 later"
        daemon = self.postern(host)
        self.mounted(daemon, 8)
        daemon.config.section("queue")["reserve"] = "512K"
        daemon.start()
        client = self.session(daemon)
        taken = []
        body = b"x" * 998 + b"\r\n"
        refusal = None
        for i in range(40):
            octets = letter("m%d" % i, body * 500)
            reply = client.ask("MAIL FROM:<alice@example.com> SIZE=%d" % len(octets))
            if reply.code == 250:
                client.want(250, "RCPT TO:<bob@example.org>")
                reply = client.content(octets)
            if reply.code != 250:
                refusal = reply
                break
            taken.append(octets)
        self.assertGreater(len(taken), 4)
        self.assertRefused(refusal, 452, "4.3.1", daemon)
        # The daemon lives, says so again, and takes what fits once there is room.
        self.assertTrue(daemon.is_running())
        self.assertIn(daemon.spool, daemon.status()["refusing"])
        client.want(250, "RSET")
        self.assertEqual(client.ask("NOOP").code, 250)
        host.at.clear()
        came = host.wait(len(taken), 90)
        self.assertEqual(sorted(m.below_trace() for m in came), sorted(taken))
        daemon.wait_empty()

        def takes():
            if client.ask("MAIL FROM:<alice@example.com>").code != 250:
                return False
            client.want(250, "RCPT TO:<bob@example.org>")
            return client.content(SIMPLE).code == 250
        wait_for(takes, "mail to be taken again", 20)
        self.assertIsNone(daemon.status()["refusing"])
        host.wait(len(taken) + 1, 60)
        daemon.stop()
        daemon.start()
        daemon.wait_empty()
        self.assertEqual(len(host.messages), len(taken) + 1)

    @need_root
    def test_space_taken_by_others(self):
        """No message at all fits; one session goes through it and gets its mail out later."""
        host = self.quick_smarthost()
        daemon = self.postern(host)
        self.mounted(daemon, 8)
        daemon.config.section("queue")["reserve"] = "512K"
        daemon.start()
        client = self.session(daemon)
        client.mail(letter("before"))
        host.wait(1)
        filler = os.path.join(daemon.spool, "filler")
        with open(filler, "wb") as f:
            try:
                while True:
                    f.write(b"\0" * 65536)
                    f.flush()
            except OSError:
                pass
        started = time.monotonic()

        def refused():
            reply = client.ask("MAIL FROM:<alice@example.com>")
            if reply.code == 250:
                client.want(250, "RCPT TO:<bob@example.org>")
                reply = client.content(letter("full", b"x" * 998 + b"\r\n"))
            return reply if reply.code != 250 else None
        self.assertReply(wait_for(refused, "452"), 452, "4.3.1")
        os.unlink(filler)

        def takes():
            client.want(250, "RSET")
            reply = client.ask("MAIL FROM:<alice@example.com>")
            if reply.code != 250:
                return False
            client.want(250, "RCPT TO:<bob@example.org>")
            return client.content(letter("after")).code == 250
        wait_for(takes, "mail to be taken again", 20)
        host.wait_for(lambda m: subject(m) == "after", "the mail")
        self.assertLess(time.monotonic() - started, 120)


class Check(Case):
    def test_json(self):
        daemon = self.running(self.smarthost())
        done = daemon.ctl("--json", "spool", "check")
        answer = json.loads(done.out)
        self.assertEqual([answer[key] for key in ("ok", "clean", "in_use", "messages")], [True, True, True, 0])
        self.assertIn(str(daemon.pid), done.err)
