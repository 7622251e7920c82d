"""Hybrid hand-off: the client hears the smarthost's own answer, or, when that does not come in time, ours."""

import threading
import time

from rig.base import PATIENCE, wait_for
from rig.case import SIMPLE, Case, hard_body, letter
from rig.smarthost import CLOSE, STALL


# Shorter than what a smarthost of the rig stalls, longer than what it takes for an answer beside other tests.
SHORT = "%dms" % (500 * PATIENCE)


class Passing(Case):
    def counters(self, daemon):
        return daemon.status()["counters"]

    def start(self, host=None, patience="20s", **options):
        daemon = self.postern(host, **options)
        daemon.config.section("queue").update(handoff="hybrid", patience=patience)
        return daemon.start()


class Answers(Passing):
    """What the smarthost says is what the client hears."""

    def test_its_250_is_ours_and_nothing_is_synced(self):
        host = self.smarthost()
        host.at["EOD"] = "250 2.6.0 queued as 4711"
        daemon = self.start(host)
        client = self.session(daemon)
        before = self.counters(daemon)
        content = letter("through", hard_body())
        client.envelope()
        reply = client.content(content)
        self.assertReply(reply, 250, "2.0.0")
        self.assertIn("queued as 4711", reply.text)
        self.assertEqual(host.wait(1)[0].below_trace(), content)
        qid = daemon.wait_event("accepted", handoff="passed")["qid"]
        self.assertIn(qid, reply.text)
        self.assertEqual(daemon.wait_event("delivered", qid=qid)["to"], "bob@example.org")
        daemon.wait_event("settled", qid=qid)
        after = self.counters(daemon)
        self.assertEqual(after["spool_commits"], before["spool_commits"])
        self.assertEqual(after["spool_syncs"], before["spool_syncs"])
        self.assertEqual(after["messages_passed"], 1)
        self.assertEqual(after["messages_accepted"], 1)
        self.assertEqual(daemon.status()["messages"], 0)

    def test_a_refused_recipient_hears_it_at_once(self):
        host = self.smarthost()
        host.at["RCPT"] = lambda _, path: "550 5.1.1 <bad@example.org>: nobody of that name" if "bad" in path else None
        daemon = self.start(host)
        client = self.session(daemon)
        client.want(250, "MAIL FROM:<alice@example.com>")
        client.want(250, "RCPT TO:<good@example.org>")
        reply = client.ask("RCPT TO:<bad@example.org>")
        self.assertRefused(reply, 550, "5.1.1", daemon)
        self.assertIn("<bad@example.org>: nobody of that name", reply.text)
        client.want(250, "RCPT TO:<fine@example.org>")
        self.assertEqual(client.content(SIMPLE).code, 250)
        self.assertEqual(host.wait(1)[0].recipients, ["good@example.org", "fine@example.org"])
        self.assertEqual(daemon.status()["messages"], 0)
        self.assertEqual(self.counters(daemon)["bounces_made"], 0)

    def test_nobody_is_left(self):
        host = self.smarthost()
        host.at["RCPT"] = "550 5.1.1 nobody"
        daemon = self.start(host)
        client = self.session(daemon)
        client.want(250, "MAIL FROM:<alice@example.com>")
        for name in ("a", "b"):
            self.assertReply(client.ask("RCPT TO:<%s@example.org>" % name), 550, "5.1.1")
        self.assertIn(client.ask("DATA").code, (503, 554))
        del host.at["RCPT"]
        client.want(250, "RSET")
        client.mail(letter("next"))
        host.wait(1)

    def test_a_refused_sender(self):
        host = self.smarthost()
        host.at["MAIL"] = "550 5.7.60 SMTP; Client does not have permissions to send as this sender"
        daemon = self.start(host)
        client = self.session(daemon)
        client.want(250, "MAIL FROM:<alice@example.com>")
        reply = client.ask("RCPT TO:<bob@example.org>")
        self.assertRefused(reply, 550, "5.7.60", daemon)
        self.assertIn("permissions to send as this sender", reply.text)

    def test_a_refused_content(self):
        host = self.smarthost()
        host.at["EOD"] = "554 5.7.1 this looks like spam"
        daemon = self.start(host)
        client = self.session(daemon)
        client.envelope(recipients=["a@example.org", "b@example.org"])
        reply = client.content(SIMPLE)
        self.assertRefused(reply, 554, "5.7.1", daemon)
        self.assertIn("this looks like spam", reply.text)
        self.assertEqual(daemon.status()["messages"], 0)
        self.assertEqual(self.counters(daemon)["bounces_made"], 0)
        self.assertEqual(self.counters(daemon)["messages_refused"], 1)
        self.assertEqual(host.messages, [])

    def test_many_lines_and_no_enhanced_code(self):
        host = self.smarthost()
        host.at["EOD"] = "554-no\r\n554-because of \x07\r\n554 the weather"
        daemon = self.start(host)
        client = self.session(daemon)
        client.envelope()
        reply = client.content(SIMPLE)
        self.assertReply(reply, 554)
        self.assertTrue(reply.ref)
        self.assertRegex(reply.text, r"no because of \? the weather")

    def test_pipelined(self):
        host = self.smarthost()
        host.at["RCPT"] = lambda _, path: {"b": "550 5.1.1 no b", "c": "451 4.3.0 later c"}.get(path[0])
        daemon = self.start(host)
        client = self.session(daemon)
        client.send("MAIL FROM:<alice@example.com>\r\n" + "".join("RCPT TO:<%s@example.org>\r\n" % c for c in "abcd")
                    + "DATA\r\n")
        codes = [client.reply().code for _ in range(6)]
        self.assertEqual(codes, [250, 250, 550, 250, 250, 354])
        del host.at["RCPT"]
        self.assertReply(client.finish(SIMPLE), 250)
        # The one that was to come later comes later; each once.
        came = host.wait(2)
        self.assertEqual(sorted(r for m in came for r in m.recipients),
                         ["a@example.org", "c@example.org", "d@example.org"])
        daemon.wait_empty()

    def test_large_and_small_over_few_connections(self):
        host = self.smarthost()
        daemon = self.start(host, connections=2)
        bodies = [letter("size-%d" % n, hard_body(n, n)) for n in (10, 70000, 300000, 3000000, 12000000, 10)]
        for body in bodies:
            self.session(daemon).mail(body)
        self.assertEqual([m.below_trace() for m in host.wait(len(bodies))], bodies)
        counters = self.counters(daemon)
        self.assertEqual(counters["messages_passed"], len(bodies))
        self.assertEqual(counters["spool_commits"], 0)
        daemon.wait_empty()

    def test_fail_over_while_the_client_waits(self):
        dead, host = self.smarthost(), self.smarthost()
        dead.down()
        daemon = self.start([dead, host])
        reply = None
        client = self.session(daemon)
        client.envelope()
        reply = client.content(SIMPLE)
        self.assertReply(reply, 250)
        self.assertEqual(host.wait(1)[0].below_trace(), SIMPLE)
        client.mail(letter("again"))
        host.wait(2)
        self.assertGreaterEqual(self.counters(daemon)["messages_passed"], 1)

    def test_the_connection_is_used_again(self):
        host = self.smarthost()
        daemon = self.start(host)
        daemon.stop()
        daemon.config.top["loops"] = 1
        daemon.start()
        client = self.session(daemon)
        for i in range(5):
            client.mail(letter("m%d" % i))
        host.wait(5)
        self.assertEqual(len([s for s in host.sessions if "MAIL" in s.commands]), 1)


class InTheSpool(Passing):
    """What the smarthost does not take now is ours to deliver."""

    def delivered_later(self, daemon, host, count=1):
        host.at.clear()
        host.wait(count, 30)
        daemon.wait_empty()
        self.assertEqual(len(host.messages), count)

    def test_4xx_at_each_step(self):
        for step in ("MAIL", "RCPT", "DATA", "EOD"):
            with self.subTest(step=step):
                host = self.quick_smarthost()
                host.at[step] = "451 4.3.0 later"
                daemon = self.start(host)
                client = self.session(daemon)
                client.envelope()
                reply = client.content(letter(step))
                self.assertReply(reply, 250, "2.0.0")
                daemon.wait_event("accepted", handoff="stored")
                self.delivered_later(daemon, host)
                daemon.stop()

    def test_connection_lost_at_each_step(self):
        for step in ("MAIL", "RCPT", "DATA", "BODY"):
            with self.subTest(step=step):
                host = self.quick_smarthost()
                host.at[step] = CLOSE
                daemon = self.start(host)
                client = self.session(daemon)
                client.envelope()
                self.assertReply(client.content(letter(step)), 250, "2.0.0")
                self.delivered_later(daemon, host)
                daemon.stop()

    def test_stalled_at_each_step(self):
        for step in ("MAIL", "RCPT", "DATA"):
            with self.subTest(step=step):
                host = self.quick_smarthost()
                host.at[step] = STALL
                daemon = self.start(host, patience=SHORT)
                client = self.session(daemon)
                started = time.monotonic()
                client.envelope()
                self.assertReply(client.content(letter(step)), 250, "2.0.0")
                self.assertLess(time.monotonic() - started, 15 * PATIENCE)
                self.assertEqual(daemon.status()["messages"], 1)
                host.at.clear()
                host.drop()
                host.wait(1, 30)
                daemon.wait_empty()
                daemon.stop()

    def test_no_smarthost_costs_no_wait(self):
        host = self.smarthost()
        host.down()
        daemon = self.start(host, patience="60s")
        self.session(daemon).mail(letter("first"))  # finds out
        daemon.wait_event("smarthost-down")
        started = time.monotonic()
        client = self.session(daemon)
        for i in range(20):
            client.mail(letter("m%d" % i))
        self.assertLess(time.monotonic() - started, 20 * PATIENCE)
        self.assertEqual(daemon.status()["messages"], 21)
        host.up()
        host.wait(21, 60)
        daemon.wait_empty()

    def test_a_late_yes_makes_one_message(self):
        """Patience ends after the last dot: the attempt goes on, and no second one is made beside it."""
        host = self.quick_smarthost()
        go_on = threading.Event()

        def slow(*_):
            go_on.wait(60)
        host.at["EOD"] = slow
        daemon = self.start(host, patience=SHORT)
        client = self.session(daemon)
        client.envelope()
        self.assertReply(client.content(letter("late")), 250, "2.0.0")
        self.assertEqual(daemon.status()["messages"], 1)
        client.mail(letter("other"))
        go_on.set()
        host.wait(2)
        daemon.wait_empty()
        self.assertEqual(len(host.messages), 2)
        self.assertEqual(self.counters(daemon)["messages_handed_over"], 2)

    def test_a_late_no_becomes_a_notice(self):
        host = self.quick_smarthost()
        go_on = threading.Event()

        def slow(_, message):
            if message.sender:
                go_on.wait(60)
                return "554 5.7.1 I thought about it"
            return None
        host.at["EOD"] = slow
        daemon = self.start(host, patience=SHORT)
        client = self.session(daemon)
        client.envelope()
        self.assertReply(client.content(letter("late")), 250, "2.0.0")
        go_on.set()
        notice = host.wait(1)[0]
        self.assertEqual((notice.sender, notice.recipients), ("", ["alice@example.com"]))
        self.assertIn(b"I thought about it", notice.content)
        daemon.wait_empty()

    def test_killed_while_the_answer_is_late(self):
        host = self.quick_smarthost()
        host.at["EOD"] = STALL
        daemon = self.start(host, patience=SHORT)
        client = self.session(daemon)
        client.envelope()
        self.assertReply(client.content(letter("late")), 250, "2.0.0")
        daemon.kill()
        host.at.clear()
        daemon.start()
        host.wait(1)
        daemon.wait_empty()

    def test_some_taken_some_not(self):
        """After the content one answer speaks for all: who was not taken gets it later, or a notice comes."""
        host = self.quick_smarthost()
        seen = []

        def rcpt(session, path):
            seen.append(path)
            if path.startswith("later") and seen.count(path) == 1:
                return "450 4.2.1 mailbox busy"
            return None
        host.at["RCPT"] = rcpt
        daemon = self.start(host)
        client = self.session(daemon)
        client.envelope(recipients=["now@example.org", "later@example.org"])
        self.assertReply(client.content(letter("both")), 250, "2.0.0")
        came = host.wait(2, 30)
        self.assertEqual([m.recipients for m in came], [["now@example.org"], ["later@example.org"]])
        daemon.wait_empty()

    def test_closed_after_the_dot(self):
        host = self.quick_smarthost()
        told = []

        def eod(*_):
            told.append(1)
            return CLOSE if len(told) == 1 else None
        host.at["EOD"] = eod
        daemon = self.start(host)
        client = self.session(daemon)
        client.envelope()
        self.assertReply(client.content(letter("once more")), 250, "2.0.0")
        host.wait(1, 30)
        daemon.wait_empty()


class Clients(Passing):
    """What clients do to the smarthost's connections."""

    def test_a_slow_client_holds_no_connection(self):
        host = self.quick_smarthost()
        daemon = self.start(host, connections=1)
        slow = self.session(daemon)
        slow.envelope()
        slow.want(354, "DATA")
        started = time.monotonic()
        quick = self.session(daemon)
        quick.mail(letter("quick"))
        self.assertLess(time.monotonic() - started, 15 * PATIENCE)
        host.wait(1)
        self.assertReply(slow.finish(letter("slow")), 250)
        host.wait(2)
        daemon.wait_empty()

    def test_one_login_does_not_hold_all_connections(self):
        host = self.quick_smarthost()
        daemon = self.postern(host, connections=3)
        daemon.add_user("mallory")
        daemon.start()
        stop = threading.Event()

        def hold():
            with self.session(daemon, user="mallory") as client:
                client.want(250, "MAIL FROM:<mallory@example.com>")
                while not stop.wait(0.3):
                    client.want(250, "RCPT TO:<eve@example.net>")

        holders = [threading.Thread(target=hold, daemon=True) for _ in range(8)]
        for holder in holders:
            holder.start()
        wait_for(lambda: sum(s.commands.count("RCPT") for s in list(host.sessions)) >= 4, "those who hold")
        try:
            with self.session(daemon) as client:
                client.mail(letter("through"))
            host.wait(1, seconds=5)
        finally:
            stop.set()
            for holder in holders:
                holder.join()

    def test_a_client_that_leaves_before_the_end(self):
        host = self.quick_smarthost()
        daemon = self.start(host)
        for step in range(4):
            client = self.session(daemon)
            client.want(250, "MAIL FROM:<alice@example.com>")
            if step > 0:
                client.want(250, "RCPT TO:<bob@example.org>")
            if step > 1:
                client.want(354, "DATA")
            if step > 2:
                client.send(b"Subject: half\r\n\r\nhalf a mess")
            client.close()
        self.session(daemon).mail(letter("whole"))
        self.assertEqual([m.below_trace() for m in host.wait(1)], [letter("whole")])
        daemon.wait_empty()

    def test_a_client_that_leaves_after_the_end(self):
        host = self.quick_smarthost()
        go_on = threading.Event()
        host.at["EOD"] = lambda *_: go_on.wait(60) and None
        daemon = self.start(host)
        client = self.session(daemon)
        client.envelope()
        client.want(354, "DATA")
        client.send(letter("left") + b".\r\n")
        wait_for(lambda: any("DATA" in s.commands for s in host.sessions), "the smarthost to be asked")
        client.close()
        go_on.set()
        host.wait(1)
        daemon.wait_empty()
        self.assertEqual(len(host.messages), 1)

    def test_reset_and_again(self):
        host = self.quick_smarthost()
        daemon = self.start(host)
        client = self.session(daemon)
        for i in range(3):
            client.envelope(recipients=["a%d@example.org" % i])
            client.want(250, "RSET")
        client.mail(letter("kept"))
        self.assertEqual([m.recipients for m in host.wait(1)], [["bob@example.org"]])

    def test_many_at_once_each_once(self):
        host = self.quick_smarthost()
        daemon = self.start(host, connections=3)
        names = []
        lock = threading.Lock()

        def run(number):
            client = self.session(daemon)
            for i in range(8):
                name = "c%d-%d" % (number, i)
                client.mail(letter(name, b"x" * 70 + b"\r\n" * (1 + 4000 * (i % 3))))
                with lock:
                    names.append(name)
        threads = [threading.Thread(target=run, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        host.wait(96, 60)
        daemon.wait_empty()
        came = sorted(l[9:].decode() for m in host.messages for l in m.content.split(b"\r\n")
                      if l.startswith(b"Subject: "))
        self.assertEqual(came, sorted(names))

    def test_queue_mode_still_stores_first(self):
        host = self.quick_smarthost()
        daemon = self.postern(host)
        daemon.config.section("queue")["handoff"] = "queue"
        daemon.start()
        self.session(daemon).mail(SIMPLE)
        host.wait(1)
        daemon.wait_empty()
        self.assertEqual(self.counters(daemon)["spool_commits"], 1)
        self.assertEqual(self.counters(daemon)["messages_passed"], 0)
