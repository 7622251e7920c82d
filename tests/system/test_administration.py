"""The queue in an administrator's hands: what posternctl says of it, and what it does to it."""

import email
import json
import os
import pty
import signal
import socket
import subprocess
import threading
import unittest

from rig.base import run, wait_for
from rig.case import BUILD, Case, hard_body, letter
from rig.smarthost import STALL

PROGRAM = os.path.join(BUILD, "src", "main", "posternctl")


class Words(Case):
    """What posternctl makes of answers, without a daemon."""

    MESSAGE = {"qid": "0000000000011", "arrived": "2026-11-21T22:11:54Z", "age_s": 11520, "size": 4096,
               "account": "alice", "sender": "alice@example.com", "nrcpt": 2, "waiting": 1, "attempts": 3,
               "stand": "retry", "held": False, "next": "2026-11-22T01:29:00Z", "recipient": "eve@example.org",
               "smarthost": "main", "code": 451, "status": "4.2.2", "reason": "full \x1b[2J\nof \u0085it"}
    WHOLE = dict(MESSAGE, sid="0000000000007", envid=None, stand_text="pauses after an attempt that failed", ahead=0,
                 last="2026-11-22T01:20:00Z", next_s=300, warn="2026-11-22T02:11:54Z", warn_s=3000,
                 expire="2026-11-26T22:11:54Z", expire_s=420000, warned=False,
                 recipients=[{"address": "bob@example.org", "state": "delivered", "code": 250, "status": "2.1.5",
                              "text": "ok", "smarthost": "main"},
                             {"address": "eve@example.org", "state": "waiting", "code": 451, "status": "4.2.2",
                              "text": "full \x1b[2J", "smarthost": "main"}],
                 tries=[{"first": "2026-11-21T22:11:55Z", "last": "2026-11-21T22:11:55Z", "times": 1,
                         "recipients": 2, "code": 0, "status": None,
                         "text": "smtp.example.net:587: connection refused", "smarthost": None},
                        {"first": "2026-11-21T22:20:00Z", "last": "2026-11-22T01:20:00Z", "times": 12,
                         "recipients": 1, "code": 451, "status": "4.2.2", "text": "full \x1b[2J",
                         "smarthost": "main"}],
                 smarthosts=[{"name": "main", "host": "smtp.example.net", "port": 587, "idle": 0, "busy": 0,
                              "paused_ms": 4200, "reason": "connection refused", "rate": 30, "rated_ms": 1500},
                             {"name": "spare", "host": "::1", "port": 25, "idle": 1, "busy": 2, "paused_ms": 0,
                              "reason": None, "rate": 0, "rated_ms": 0}])

    def serve(self, *lines):
        """One connection that is answered so; requests are kept."""
        path = self.path("fake-%d" % len(os.listdir(self.dir)))
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        server.bind(path)
        server.listen(1)
        self.addCleanup(server.close)
        self.requests = []

        def answer():
            with server.accept()[0] as s:
                self.requests.append(json.loads(s.makefile().readline()))
                s.sendall(b"".join(l if isinstance(l, bytes) else json.dumps(l).encode() + b"\n" for l in lines))
        threading.Thread(target=answer, daemon=True).start()
        return path

    def ask(self, lines, *words, check=True, data=None):
        return run([PROGRAM, "-s", self.serve(*lines), *words], check=check, data=data)

    def why(self, **changed):
        done = self.ask([{"ok": True, "messages": [dict(self.WHOLE, **changed)], "missing": []}],
                        "queue", "why", "0000000000011")
        self.assertNotIn("\x1b", done.out)
        return done.out

    def test_a_list(self):
        pages = [{"messages": [self.MESSAGE]},
                 {"messages": [dict(self.MESSAGE, sender="", recipient='"a b"@x.test', next=None, code=None,
                                    status=None, reason=None, stand="no-smarthost")]}, {"ok": True, "count": 2}]
        out = self.ask(pages, "queue").out
        self.assertEqual(out, """\
QID            ARRIVED                     SIZE  RCPTS  TRIES  STAND         NEXT                  SENDER                    RECIPIENT                 REASON
0000000000011  2026-11-21T22:11:54Z        4096      1      3  retry         2026-11-22T01:29:00Z  \
alice@example.com         eve@example.org           451 4.2.2 full \\x1B[2J of \\x85it
0000000000011  2026-11-21T22:11:54Z        4096      1      3  no-smarthost  -                     \
<>                        "a\\x20b"@x.test           -
""")
        self.assertEqual(self.requests, [{"verb": "list"}])
        whole = json.loads(self.ask(pages, "--json", "queue", "ls").out)
        self.assertTrue(whole["ok"])
        self.assertEqual(whole["messages"][0], self.MESSAGE)
        self.assertEqual(len(whole["messages"]), 2)
        self.assertEqual(json.loads(self.ask([{"ok": True, "count": 0}], "queue", "ls", "--json").out),
                         {"ok": True, "messages": []})

    def test_filters_are_passed_on(self):
        self.ask([{"ok": True, "count": 0}], "queue", "ls", "--from", "*@a.test", "--to=b@c", "--account", "x",
                 "--older", "2h", "--newer", "1d", "--smarthost", "main", "--reason", "full", "--held", "--stand", "retry")
        self.assertEqual(self.requests, [{"verb": "list", "filter": {
            "from": "*@a.test", "to": "b@c", "account": "x", "older_ms": 7200000, "newer_ms": 86400000,
            "smarthost": "main", "reason": "full", "held": True, "stand": "retry"}}])

    def test_status(self):
        status = {"ok": True, "version": "1", "pid": 7, "started": "2026-11-21T22:11:54Z", "uptime_s": 90061, "loops": 2,
                  "certificate_expires": "2027-11-21T22:11:54Z", "messages": 1, "held": 0, "waiting": 0, "refusing": None,
                  "smarthosts": [dict(self.WHOLE["smarthosts"][0], reason="smtp.example.net:587: no")], "counters": {"queue_messages": 1, "of_a_later_version": 2}}
        fine = self.ask([status], "status").out
        self.assertIn("\nqueue         1 message, 0 of them held by hand\n\n", fine)
        self.assertIn("  smtp.example.net:587  left alone for 5 s: no\n", fine)
        self.assertIn("\n               offers: not known, nobody has talked to it yet\n", fine)
        self.assertNotIn("\nlogins  ", fine)
        self.assertIn("\nqueue_messages                  1  messages in the queue now\n", fine)
        self.assertIn("\nof_a_later_version              2\n", fine)
        offers = [dict(status["smarthosts"][0], offers=["PIPELINING", "AUTH PLAIN \x1b[2J"]),
                  dict(status["smarthosts"][0], name="spare", offers=[])]
        down = {"since": "2026-11-21T22:11:54Z", "reason": "saslauthd: \x1b no"}
        told = self.ask([dict(status, smarthosts=offers, logins_down=down)], "status").out
        self.assertIn("\n               offers: PIPELINING, AUTH PLAIN \\x1B[2J\n", told)
        self.assertIn("\n               offers: no extension\n", told)
        self.assertIn("\nlogins        down since 2026-11-21T22:11:54Z, new sessions get 421: saslauthd: \\x1B no\n\n", told)
        crowd = self.ask([dict(status, overload={"since": "2026-11-21T22:11:54Z", "refused": 12})], "status").out
        self.assertIn("\noverload      since 2026-11-21T22:11:54Z, 12 turned away; see limits.overload\n\n", crowd)
        self.assertNotIn("\noverload", told)
        full = self.ask([dict(status, refusing="/spool: 3 octets are free")], "status").out
        self.assertIn("\nspool         takes no new mail: /spool: 3 octets are free\n\n", full)

    def test_a_refusal_is_no_empty_table(self):
        for kind, code in (("usage", 64), ("missing", 66), ("configuration", 78), ("of a later version", 69), (None, 69)):
            done = self.ask([{"ok": False, "error": "no", "kind": kind}], "queue", check=False)
            self.assertEqual((done.returncode, done.out, done.err), (code, "", "posternctl: no\n"))
        self.assertEqual(len(self.ask([{"ok": True, "count": 0}], "queue").out.splitlines()), 1)

    def test_a_list_that_breaks_off(self):
        for end in ({"ok": False, "error": "1 of 2 loops did not answer"}, b"", b"{nonsense\n", b"[]\n"):
            done = self.ask([{"messages": [self.MESSAGE]}, end], "queue", "--json", check=False)
            self.assertEqual(done.returncode, 69)
            self.assertFalse(json.loads(done.out)["ok"])
            self.assertIn("posternctl: ", done.err)

    def test_a_summary(self):
        answer = {"ok": True, "by": "reason", "messages": 1003, "octets": 5000, "oldest": "2026-11-21T22:11:54Z",
                  "groups": [{"stand": "retry", "name": "451 try \x1b in # s", "messages": 1000, "octets": 4000,
                              "oldest": "2026-11-21T22:11:54Z", "age_s": 3},
                             {"stand": "held", "name": "", "messages": 2, "octets": 900,
                              "oldest": "2026-11-21T22:12:54Z", "age_s": 3},
                             {"name": None, "messages": 1, "octets": 100, "oldest": "2026-11-21T22:12:54Z", "age_s": 3}]}
        out = self.ask([answer], "queue", "ls", "--summary").out
        self.assertEqual(out, """\
  MESSAGES  OLDEST                        OCTETS  REASON
      1000  2026-11-21T22:11:54Z            4000  retry: 451 try \\x1B in # s
         2  2026-11-21T22:12:54Z             900  held
         1  2026-11-21T22:12:54Z             100  (all others)
      1003  2026-11-21T22:11:54Z            5000  (all messages)
""")
        self.assertEqual(self.requests[0]["by"], "reason")
        for words in (["--summary=sender"], ["--summary", "sender"], ["--summary", "by", "sender"]):
            self.ask([answer], "queue", "ls", *words)
            self.assertEqual(self.requests, [{"verb": "summary", "by": "sender"}])

    def test_why_it_pauses(self):
        self.assertEqual(self.why(), """\
0000000000011: from <alice@example.com>, handed in by alice, 4096 octets, here since 2026-11-21T22:11:54Z (3 h 12 min)
It waits for 1 of 2 recipients:
  <eve@example.org>  451 4.2.2 full \\x1B[2J
Tried 3 times, the last at 2026-11-22T01:20:00Z:
  2026-11-21T22:11:55Z, for 2 recipients: smtp.example.net:587: connection refused
  2026-11-21T22:20:00Z to 2026-11-22T01:20:00Z, 12 times, main answered: 451 4.2.2 full \\x1B[2J
It pauses; the next try is at 2026-11-22T01:29:00Z, in 5 min.
To try now: posternctl queue flush 0000000000011
Its sender gets a delay notice in 50 min, at 2026-11-22T02:11:54Z.
It is given up, with a notice to its sender, in 4 days 20 h, at 2026-11-26T22:11:54Z.
""")

    def test_why_in_each_stand(self):
        held = self.why(stand="held")
        self.assertIn("held by hand", held)
        self.assertIn("posternctl queue release 0000000000011\n", held)
        down = self.why(stand="no-smarthost", tries=[], attempts=0)
        self.assertIn("It has not been tried yet.\n", down)
        self.assertIn("Tried 3 times, the last at 2026-11-22T01:20:00Z.\n", self.why(tries=[]))
        self.assertIn("  main (smtp.example.net:587): connection refused; asked again in 5 s\n", down)
        main = dict(self.WHOLE["smarthosts"][0], reason="smtp.example.net:587: refused while logging in: 535 no")
        self.assertIn("  main (smtp.example.net:587): refused while logging in: 535 no; asked again in 5 s\n",
                      self.why(stand="no-smarthost", smarthosts=[main]))
        self.assertIn("  spare (::1:25): may be asked now\n", down)
        self.assertIn("posternctl queue flush 0000000000011\n", down)
        rate = self.why(stand="rate")
        self.assertIn("  main (smtp.example.net:587): 30 messages a minute; the next in 2 s\n", rate)
        self.assertIn("4 messages of the same account stand before it", self.why(stand="line", ahead=4))
        self.assertIn("1 message of the same account stands before it", self.why(stand="line", ahead=1))
        self.assertIn("being sent now, by a connection to spare (::1:25).\n", self.why(stand="active"))
        self.assertIn("notice to its sender is being written", self.why(stand="notice"))
        future = self.why(stand="future", attempts=0, tries=[], release="2026-11-22T01:29:00Z", release_s=300, next_s=300)
        self.assertIn("wants it to go at 2026-11-22T01:29:00Z, in 5 min; until then nothing is tried", future)
        self.assertIn("posternctl queue flush 0000000000011\n", future)
        self.assertIn("wants it to go at 2026-11-22T01:29:00Z, not sooner", self.why(
            stand="held", release="2026-11-22T01:29:00Z", release_s=300))
        self.assertNotIn("not sooner", self.why(stand="held", release="2026-11-22T01:29:00Z", release_s=0))
        warned = self.why(warned=True, warn=None, warn_s=None)
        self.assertIn("has had a delay notice", warned)
        self.assertNotIn("gets a delay notice", warned)
        self.assertIn("at the next occasion", self.why(expire_s=0))
        many = [dict(self.WHOLE["recipients"][1], address="r%d@example.org" % i) for i in range(25)]
        crowd = self.why(recipients=many, waiting=25, nrcpt=25)
        self.assertIn("<r9@example.org>", crowd)
        self.assertNotIn("<r10@example.org>", crowd)
        self.assertIn("and 15 more", crowd)

    def test_what_it_needs(self):
        def form(**changed):
            return self.ask([{"ok": True, "messages": [dict(self.WHOLE, **changed)], "missing": []}],
                            "queue", "show", "0000000000011").out
        self.assertIn("\nform        7bit\n", form(form=[], smtputf8=False, requiretls=False))
        self.assertIn("\nform        8bit, binary, SMTPUTF8, REQUIRETLS\n", form(
            form=["8bit", "binary"], smtputf8=True, requiretls=True))
        self.assertIn("\nrelease     2026-11-22T01:29:00Z\n", form(release="2026-11-22T01:29:00Z"))
        self.assertNotIn("release", form(release=None))
        self.assertIn("content is 8-bit; it is converted", self.why(form=["8bit"]))
        both = self.why(form=["8bit", "binary"], smtputf8=True, requiretls=True)
        self.assertIn("content is binary; it is converted", both)
        self.assertNotIn("8-bit", both)
        self.assertIn("(SMTPUTF8)", both)
        self.assertIn("(REQUIRETLS)", both)

    def test_orders(self):
        answer = {"ok": True, "action": "hold", "done": 2, "missing": ["0000000000003"], "failed": [], "failed_more": 0,
                  "late": [], "late_more": 0}
        done = self.ask([{"done": 1}, answer], "queue", "hold", "0000000000001", "0000000000002", "0000000000003", check=False)
        self.assertEqual((done.returncode, done.out), (66, "2 messages held\n"))
        self.assertIn("0000000000003 is not in the queue", done.err)
        self.assertEqual(self.requests, [{"verb": "act", "action": "hold", "qids": [
            "0000000000001", "0000000000002", "0000000000003"]}])
        done = self.ask([dict(answer, missing=[], late=["0000000000002"])], "queue", "hold", "--all", check=False)
        self.assertEqual(done.returncode, 75)
        self.assertEqual(self.requests, [{"verb": "act", "action": "hold", "all": True}])
        self.assertIn("0000000000002 is being sent now", done.err)
        done = self.ask([dict(answer, missing=[], failed=[{"qid": "0000000000002", "error": "the disk is full"}])],
                        "queue", "flush", "--account", "alice", check=False)
        self.assertEqual(done.returncode, 74)
        self.assertIn("0000000000002: the disk is full", done.err)

    def test_what_is_for_good_is_asked_for_once_more(self):
        two = {"ok": True, "by": "account", "groups": [], "messages": 2, "octets": 2, "oldest": None}
        for words in (["rm", "--all"], ["bounce", "--from", "*"]):
            done = self.ask([two], "queue", *words, check=False)
            self.assertEqual(done.returncode, 64)
            self.assertIn("2 messages", done.err)
            self.assertIn("--yes", done.err)
            self.assertEqual(self.requests[0]["verb"], "summary")
        answer = {"ok": True, "action": "rm", "done": 2, "missing": [], "failed": [], "failed_more": 0, "late": [], "late_more": 0}
        self.assertEqual(self.ask([answer], "queue", "rm", "--all", "--yes").out, "2 messages removed\n")
        # By name: it was said what is meant.
        self.ask([answer], "queue", "rm", "0000000000001", "0000000000002")
        self.assertEqual(self.requests[0]["verb"], "act")

    def test_a_terminal_may_say_no(self):
        two = {"ok": True, "by": "account", "groups": [], "messages": 2, "octets": 2, "oldest": None}
        leader, follower = pty.openpty()
        self.addCleanup(os.close, leader)
        child = subprocess.Popen([PROGRAM, "-s", self.serve(two), "queue", "rm", "--all"], stdin=follower,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        os.close(follower)
        os.write(leader, b"n\n")
        out, err = child.communicate(timeout=20)
        self.assertEqual((child.returncode, out), (75, b""))
        self.assertIn(b"Remove 2 messages for good? [y/N]", err)
        self.assertIn(b"nothing was done", err)

    def test_wrong_usage(self):
        for words in (["queue", "show"], ["queue", "show", "what?"], ["queue", "frob"], ["queue", "hold"],
                      ["queue", "hold", "--all", "0000000000001"], ["queue", "hold", "--all", "--held"],
                      ["queue", "ls", "--older", "5"], ["queue", "ls", "--older", "-5m"], ["queue", "ls", "--newer", "m"],
                      ["queue", "ls", "extra"], ["queue", "ls", "--all"], ["queue", "hold", "--all", "--yes"],
                      ["queue", "show", "0000000000001", "--held"], ["status", "--from", "x"],
                      ["queue", "export"], ["queue", "export", "0000000000001", "a", "b"],
                      ["queue", "export", "--json", "0000000000001"], ["queue", "ls", "--from", b"\xff"]):
            done = subprocess.run([PROGRAM, "-s", "/nonexistent/socket", *words], stdin=subprocess.DEVNULL,
                                  capture_output=True)
            self.assertEqual(done.returncode, 64, (words, done.stderr))
            self.assertEqual(done.stdout, b"", words)
            self.assertTrue(done.stderr.startswith(b"posternctl: "), words)

    def test_an_export_is_all_or_nothing(self):
        head = {"content": "U3ViamVjdDogeA0K"}
        last = {"ok": True, "qid": "0000000000001", "octets": 12}
        path = self.path("message.eml")
        for lines in ([head, {"ok": False, "error": "damaged"}], [head], [{"content": "U3V"}, last], [head, b"{"]):
            done = self.ask(lines, "queue", "export", "0000000000001", path, check=False)
            self.assertEqual(done.returncode, 69)
            self.assertFalse(os.path.exists(path))
        self.ask([head, last], "queue", "export", "0000000000001", path)
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        with open(path, "rb") as f:
            self.assertEqual(f.read(), b"Subject: x\r\n")
        # What is there is not touched.
        again = self.ask([head, last], "queue", "export", "0000000000001", path, check=False)
        self.assertEqual(again.returncode, 73)


class Held(Case):
    """A queue that a smarthost keeps full: what it refuses for now, and what is done about it."""

    def queue_up(self, count=1, reply="451 4.2.2 the mailbox is full today", **settings):
        self.host = self.quick_smarthost()
        self.host.at["RCPT"] = reply
        self.daemon = self.postern(self.host)
        self.daemon.config.section("queue").update(dict({"retry": ["1h"]}, **settings))
        self.daemon.start()
        client = self.session(self.daemon)
        for i in range(count):
            client.mail(letter("m%d" % i))
        wait_for(lambda: len({e["qid"] for e in self.daemon.events("deferred")}) == count, "all deferred", 60)
        return [e["qid"] for e in self.daemon.events("accepted")]

    def queue(self, *words, check=True):
        return self.daemon.ctl("queue", *words, check=check)

    def messages(self, *words):
        return json.loads(self.daemon.ctl("--json", "queue", "ls", *words).out)["messages"]

    def qids(self, *words):
        return sorted(m["qid"] for m in self.messages(*words))

    def wait_qids(self, wanted, *words):
        """A message may be at the smarthost while its answer is on the way back."""
        wait_for(lambda: self.qids(*words) == wanted, "the queue to hold %s" % wanted)

    def test_list_and_filters(self):
        qids = sorted(self.queue_up(3))
        self.assertEqual(self.qids(), qids)
        self.assertEqual([l.split()[0] for l in self.queue("ls").out.splitlines()],
                         ["QID"] + [m["qid"] for m in self.messages()])
        message = self.messages()[0]
        self.assertEqual((message["stand"], message["code"], message["status"]), ("retry", 451, "4.2.2"))
        self.assertEqual((message["account"], message["sender"], message["recipient"]),
                         ("alice", "alice@example.com", "bob@example.org"))
        for words, fits in ((["--from", "*@EXAMPLE.com"], True), (["--from", "bob@*"], False), (["--to", "bob@*"], True),
                            (["--account", "alice"], True), (["--account", "bob"], False), (["--smarthost", "main"], True),
                            (["--smarthost", "spare"], False), (["--reason", "MAILBOX is"], True),
                            (["--reason", "451"], True), (["--reason", "452"], False), (["--older", "1h"], False),
                            (["--newer", "1h"], True), (["--held"], False), (["--stand", "retry"], True),
                            (["--stand", "line"], False)):
            self.assertEqual(self.qids(*words), qids if fits else [], words)
        unknown = self.queue("ls", "--stand", "lying", check=False)
        self.assertEqual((unknown.returncode, unknown.out), (64, ""))
        self.assertIn("no-smarthost", unknown.err)
        self.assertEqual(self.queue("ls", "--summary=colour", check=False).returncode, 64)

    def test_summary(self):
        self.queue_up(3, "451 4.7.0 greylisted")
        out = self.queue("ls", "--summary").out.splitlines()
        self.assertRegex(out[1], r"^ +3  .*  retry: 451 greylisted$")
        for by, name in (("sender", "alice@example.com"), ("account", "alice"), ("smarthost", "main"), ("domain", "example.org")):
            answer = json.loads(self.daemon.ctl("--json", "queue", "ls", "--summary=" + by).out)
            self.assertEqual([(g["name"], g["messages"]) for g in answer["groups"]], [(name, 3)])

    def test_why_and_show(self):
        qid = self.queue_up()[0]
        why = self.queue("why", qid).out
        for words in ("main answered: 451", "the mailbox is full today", "posternctl queue flush " + qid, "given up"):
            self.assertIn(words, why)
        answer = json.loads(self.daemon.ctl("--json", "queue", "why", qid).out)["messages"][0]
        self.assertEqual(answer["why"], why.splitlines())
        self.assertEqual(answer["tries"][0]["code"], 451)
        self.queue("flush", qid)
        wait_for(lambda: len(self.daemon.events("deferred")) == 2, "a second try")
        answer = wait_for(lambda: [m for m in json.loads(self.daemon.ctl("--json", "queue", "show", qid).out)["messages"]
                                   if m["tries"] and m["tries"][0]["times"] == 2], "one try, twice")[0]
        self.assertEqual(len(answer["tries"]), 1)
        missing = self.queue("show", qid, "0000000000000", check=False)
        self.assertEqual(missing.returncode, 66)
        self.assertIn(qid, missing.out)
        self.assertIn("0000000000000", missing.err)

    def test_flush(self):
        qids = self.queue_up(2)
        self.host.at.clear()
        self.assertEqual(self.queue("flush", qids[0]).out, "1 message flushed\n")
        self.host.wait(1)
        self.wait_qids([qids[1]])
        self.assertEqual(self.queue("flush", "--all").out, "1 message flushed\n")
        self.host.wait(2)
        self.daemon.wait_empty()

    def test_flush_asks_a_smarthost_that_is_left_alone(self):
        host = self.quick_smarthost()
        host.down()
        self.daemon = self.postern(host, pause="5m", pause_most="5m")
        self.daemon.start()
        self.session(self.daemon).mail(letter("waits"))
        wait_for(lambda: self.messages("--stand", "no-smarthost"), "no smarthost to be reached")
        qid = self.qids()[0]
        why = self.queue("why", qid).out
        self.assertIn("refused); asked again in ", why)
        self.assertIn("left alone for", self.daemon.ctl("status").out)
        host.up()
        self.queue("flush", qid)
        host.wait(1)
        self.daemon.wait_empty()

    def test_hold_and_release(self):
        qids = self.queue_up(2)
        self.assertEqual(self.queue("hold", qids[0]).out, "1 message held\n")
        self.host.at.clear()
        self.assertEqual(self.daemon.status()["held"], 1)
        self.assertEqual(self.qids("--held"), [qids[0]])
        self.assertIn("posternctl queue release " + qids[0], self.queue("why", qids[0]).out)
        # Flush does not let it go, nor does a crash.
        self.queue("flush", "--all")
        self.host.wait(1)
        self.daemon.wait_event("settled", qid=qids[1])
        self.daemon.kill()
        self.daemon.start()
        self.assertEqual(self.qids("--held"), [qids[0]])
        self.assertEqual(self.queue("release", "--held").out, "1 message released\n")
        self.host.wait(2)
        self.daemon.wait_empty()
        self.assertEqual(self.daemon.status()["held"], 0)

    def test_rm(self):
        qids = self.queue_up(3)
        self.host.at.clear()
        self.assertEqual(self.queue("rm", qids[0], qids[0]).out, "1 message removed\n")
        unsure = self.queue("rm", "--all", check=False)
        self.assertEqual(unsure.returncode, 64)
        self.assertEqual(self.qids(), sorted(qids[1:]))
        self.daemon.kill()
        self.daemon.start()
        self.assertNotIn(qids[0], self.qids())
        self.assertEqual(self.queue("rm", "--all", "--yes", check=False).returncode, 0)
        self.daemon.wait_empty()
        gone = self.queue("rm", qids[0], check=False)
        self.assertEqual((gone.returncode, gone.out), (66, "0 messages removed\n"))

    def test_bounce(self):
        qid = self.queue_up()[0]
        self.host.at.clear()
        self.assertEqual(self.queue("bounce", qid).out, "1 message bounced\n")
        notice = self.host.wait_for(lambda m: not m.sender, "the notice")
        self.assertEqual(notice.recipients, ["alice@example.com"])
        report = email.message_from_bytes(notice.content)
        self.assertEqual(report.get_content_type(), "multipart/report")
        self.assertIn(b"bob@example.org", notice.content)
        self.daemon.wait_empty()
        self.assertEqual(len(self.host.messages), 1)

    def test_reroute(self):
        """Mail that an old smarthost kept waiting goes by the one that is configured now."""
        qid = self.queue_up()[0]
        other = self.quick_smarthost()
        self.daemon.config.section("smarthost", "main")["port"] = other.port
        self.daemon.reload()
        self.assertEqual(self.queue("reroute", qid).out, "1 message rerouted\n")
        other.wait(1)
        self.daemon.wait_empty()

    def test_export(self):
        self.host = self.quick_smarthost()
        self.host.at["RCPT"] = "451 4.2.2 later"
        self.daemon = self.postern(self.host)
        self.daemon.config.section("queue").update(retry=["1h"])
        self.daemon.start()
        content = letter("large", hard_body(3, 700000))
        self.session(self.daemon).mail(content)
        qid = self.daemon.wait_event("accepted")["qid"]
        wait_for(lambda: self.messages("--stand", "retry"), "the first try")
        path = self.path("message.eml")
        self.queue("export", qid, path)
        with open(path, "rb") as f:
            exported = f.read()
        self.assertEqual(self.queue("export", qid).stdout, exported)
        self.assertEqual(self.queue("export", qid, path, check=False).returncode, 73)
        answer = json.loads(self.daemon.ctl("--json", "queue", "export", qid, self.path("other.eml")).out)
        self.assertEqual(answer["octets"], len(exported))
        missing = self.queue("export", "0000000000000", check=False)
        self.assertEqual((missing.returncode, missing.err),
                         (66, "posternctl: 0000000000000 is not in the queue\n"))
        self.host.at.clear()
        self.queue("flush", qid)
        message = self.host.wait(1)[0]
        self.assertEqual(message.content, exported)
        self.assertEqual(message.below_trace(), content)

    def test_an_attempt_under_way(self):
        """Hold waits for the end of the attempt; rm does not."""
        host = self.quick_smarthost()
        host.at["DATA"] = STALL
        self.daemon = self.postern(host)
        self.daemon.config.section("queue").update(patience="300ms")
        self.daemon.start()
        self.session(self.daemon).mail(letter("stalls"))
        qid = self.daemon.wait_event("accepted")["qid"]
        wait_for(lambda: self.messages("--stand", "active"), "an attempt under way")
        self.assertIn("being sent now", self.queue("why", qid).out)
        self.assertEqual(self.queue("rm", qid).out, "1 message removed\n")
        self.daemon.kill()
        host.at.clear()
        self.daemon.start()
        self.daemon.wait_empty()
        self.assertEqual(host.messages, [])

    def test_orders_survive_a_kill(self):
        """What was answered is in force after kill -9, for many messages at once."""
        qids = self.queue_up(60)
        self.assertEqual(self.queue("hold", *qids[:20]).out, "20 messages held\n")
        self.assertEqual(self.queue("rm", *qids[20:40]).out, "20 messages removed\n")
        self.daemon.kill()
        self.host.at.clear()
        self.daemon.start()
        self.queue("flush", "--all")
        self.host.wait(20, 60)
        self.wait_qids(sorted(qids[:20]))
        self.assertEqual(self.qids("--held"), sorted(qids[:20]))
        self.queue("release", "--all")
        self.host.wait(40, 60)
        self.daemon.wait_empty()
        subjects = sorted(email.message_from_bytes(m.content)["Subject"] for m in self.host.messages)
        wanted = {e["qid"]: i for i, e in enumerate(self.daemon.events("accepted"))}
        self.assertEqual(subjects, sorted("m%d" % wanted[q] for q in qids[:20] + qids[40:]))

    def test_who_asks_and_goes_away(self):
        """A client of the control socket that stops reading, or is ended, harms nobody."""
        self.queue_up(5)
        stuck = []
        for _ in range(10):
            s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            s.connect(self.daemon.control)
            s.sendall(b'{"verb":"list"}\n')
            stuck.append(s)
        half = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        half.connect(self.daemon.control)
        half.sendall(b'{"verb":')
        self.assertTrue(self.daemon.status()["ok"])
        child = subprocess.Popen([PROGRAM, "-c", self.daemon.file, "queue"], stdout=subprocess.PIPE)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        for s in stuck + [half]:
            s.close()
        self.assertEqual(len(self.qids()), 5)
