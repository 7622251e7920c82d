/* tests/unit/queue/fates.c: what an attempt comes to: settled, put off, and which notices follow. */
#include "test.h"

#include "house.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state)
{
	(void)state;
	house_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	house_stop();
	return 0;
}

static const char alice[] = "alice@example.com";

/* What one recipient hears, what it asked for, and what comes of it. */
static const struct {
	const char *name, *sender, *reply;
	unsigned notify;
	bool takes_dsn;
	int notices; /* 0 or 1 */
	enum mail_dsn_action action;
	const char *written, *event;
} fates[] = {
	{ "taken", alice, "250 2.0.0 ok", 0, false, 0, 0, "lazy-settle", "delivered" },
	{ "taken, told", alice, "250 ok", SMTP_NOTIFY_SUCCESS, false, 1, MAIL_DSN_RELAYED,
	  "lazy-settle", "relayed-notice" },
	{ "taken, told by others", alice, "250 ok", SMTP_NOTIFY_SUCCESS, true, 0, 0, "lazy-settle",
	  "delivered" },
	{ "taken, null sender", "", "250 ok", SMTP_NOTIFY_SUCCESS, false, 0, 0, "lazy-settle",
	  "delivered" },
	{ "refused", alice, "550 5.1.1 unknown", 0, false, 1, MAIL_DSN_FAILED, "lazy-settle",
	  "bounced" },
	{ "refused, never told", alice, "550 5.1.1 unknown", SMTP_NOTIFY_NEVER, false, 0, 0,
	  "lazy-settle", "discarded" },
	{ "refused, success only", alice, "550 5.1.1 unknown", SMTP_NOTIFY_SUCCESS, false, 0, 0,
	  "lazy-settle", "discarded" },
	{ "refused, null sender", "", "550 5.1.1 unknown", 0, false, 0, 0, "lazy-settle",
	  "discarded" },
	{ "deferred", alice, "451 4.7.1 grey", 0, false, 0, 0, "lazy-note", "deferred" },
	{ "lost", alice, "!smtp.example.net: connection lost", 0, false, 0, 0, "lazy-note",
	  "deferred" },
};

static void hear_dsn(struct relay_job *job, const char *reply)
{
	struct relay_verdict v = { .outcome = RELAY_DELIVERED,
				   .reply = { .code = atoi(reply) },
				   .smarthost = "main",
				   .host = "smtp.example.net",
				   .takes_dsn = true };

	job->recipient(job, 0, &v);
	house_end(job);
	house_run();
}

static void each_fate_has_its_notice(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++) {
		uint64_t qid =
			house_add_notify(fates[i].sender, "bob@example.net", fates[i].notify);

		house.notice_count = house.log_octets = 0;
		house_run();
		if (fates[i].takes_dsn)
			hear_dsn(house_job_of(qid), fates[i].reply);
		else
			house_answer(house_job_of(qid), fates[i].reply);
		if ((int)house.notice_count != fates[i].notices ||
		    strcmp(house_written(qid), fates[i].written) != 0 ||
		    house_said(fates[i].event, "qid=") != 1)
			fail_msg("%s: %zu notices, %s, %u", fates[i].name, house.notice_count,
				 house_written(qid), house_said(fates[i].event, "qid="));
		if (fates[i].notices)
			assert_int_equal(house.notices[0].action, fates[i].action);
		assert_int_equal(house_has(qid), strstr(fates[i].written, "note") != NULL);
	}
}

/* The notice of failure, then that of success; a note after each. */
static void both_notices_come_in_turn(void **state)
{
	uint64_t qid = house_add_notify(alice, "bob@example.net carol@example.net dan@example.net",
					SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE);

	(void)state;
	house_run();
	house_hear(house_job(), 0, "550 5.1.1 unknown");
	house_hear(house_job(), 1, "250 ok");
	house_hear(house_job(), 2, "450 4.2.0 later");
	house.is_notice_slow = true;
	house_end(house_job());
	house_run();
	assert_int_equal(house.notice_count, 1);
	assert_int_equal(house.notices[0].action, MAIL_DSN_FAILED);
	assert_string_equal(house.notices[0].places, "0");
	assert_string_equal(house.notices[0].host, "smtp.example.net");
	assert_string_equal(house_written(qid), "");
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_NOTICE);
	house_finish_notice(0);
	assert_int_equal(house.notice_count, 2);
	assert_int_equal(house.notices[1].action, MAIL_DSN_RELAYED);
	assert_string_equal(house.notices[1].places, "1");
	/* Not lazy: it says who has the message, and who was told. */
	assert_string_equal(house_written(qid), "note");
	house_finish_notice(0);
	assert_string_equal(house_written(qid), "note note");
	assert_int_equal(house.counters.bounces_made, 1);
	assert_int_equal(house.counters.successes_made, 1);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_RETRY);
	assert_int_equal(house_view(qid).waiting, 1);
}

static void a_notice_that_was_not_stored_is_made_again(void **state)
{
	uint64_t qid = house_add_notify(alice, "bob@example.net carol@example.net",
					SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE);

	(void)state;
	house_run();
	house_hear(house_job(), 0, "550 5.1.1 unknown");
	house_hear(house_job(), 1, "250 ok");
	house.is_notice_slow = true;
	house_end(house_job());
	house_run();
	house_finish_notice(0);
	house_finish_notice(-ENOSPC);
	assert_string_equal(house_written(qid), "note");
	assert_int_equal(house_said("unreported", "the disk is full"), 1);
	assert_int_equal(house.notice_count, 2);
	house.is_notice_slow = false;
	house.notice_error = 0;
	house_pass(999);
	assert_int_equal(house.notice_count, 2);
	house_pass(1);
	/* Only the one that is missing. */
	assert_int_equal(house.notice_count, 3);
	assert_int_equal(house.notices[2].action, MAIL_DSN_RELAYED);
	assert_string_equal(house_written(qid), "note lazy-settle");
	assert_int_equal(house.sent, 1);
	assert_int_equal(house.counters.recipients_delivered, 1);
}

static void what_was_heard_is_noted(void **state)
{
	uint64_t qid = house_add("alice", alice, "bob@example.net carol@example.net");
	struct delivery d;

	(void)state;
	house_run();
	house_hear(house_job(), 0, "450 4.2.0 mailbox busy");
	house_hear(house_job(), 1, "450 4.2.0 mailbox busy");
	house_end(house_job());
	house_run();
	assert_string_equal(house_written(qid), "lazy-note");
	d = house_note();
	assert_int_equal(d.attempts, 1);
	assert_int_equal(d.try_count, 1);
	assert_int_equal(d.tries[0].recipients, 2);
	assert_int_equal(d.tries[0].times, 1);
	assert_string_equal(d.recipients[1].text, "mailbox busy");
	assert_string_equal(d.recipients[1].smarthost, "main");
	assert_true(d.next_ms >= d.last_ms + 45000 && d.next_ms <= d.last_ms + 75000);
	delivery_fini(&d);
	house_pass(2 * 60 * 1000);
	house_answer(house_job(), "450 4.2.0 mailbox busy");
	d = house_note();
	assert_int_equal(d.attempts, 2);
	assert_int_equal(d.try_count, 1);
	assert_int_equal(d.tries[0].times, 2);
	delivery_fini(&d);
	/* The view says the same, whether packed or not. */
	assert_int_equal(house_view(qid).delivery->tries[0].times, 2);
	assert_string_equal(house_view(qid).delivery->tries[0].text, "mailbox busy");
	assert_string_equal(house_view(qid).envelope->envid, "QQ314159");
}

/* An attempt begun while the client waited. */

static struct queued *adopt(uint64_t qid, unsigned notify)
{
	struct envelope e =
		house_envelope(qid, "alice", alice, "bob@example.net carol@example.net", notify);

	return queue_add_active(house.queue, &e);
}

static void hear(struct queued *q, size_t place, enum relay_outcome outcome, int code)
{
	struct relay_verdict v = { .outcome = outcome,
				   .reply = { .code = code, .text = span_text("words") },
				   .smarthost = "main",
				   .host = "smtp.example.net" };

	queued_hear(q, place, &v);
}

static void an_adopted_attempt_ends_like_any_other(void **state)
{
	struct queued *q = adopt(1, SMTP_NOTIFY_SUCCESS);

	(void)state;
	house_run();
	assert_int_equal(house.sent, 0);
	assert_int_equal(house_view(1).stand, QUEUE_STAND_ACTIVE);
	hear(q, 0, RELAY_DELIVERED, 250);
	hear(q, 1, RELAY_DEFERRED, 450);
	queued_end_attempt(q, NULL, 0);
	house_run();
	assert_int_equal(house.notice_count, 1);
	assert_int_equal(house.notices[0].action, MAIL_DSN_RELAYED);
	assert_string_equal(house_written(1), "note");
	assert_int_equal(house_view(1).delivery->attempts, 1);
	house_pass(2 * 60 * 1000);
	assert_span_text(house_job()->message.recipients[0], "carol@example.net");
	house_answer(house_job(), "250 ok");
	assert_false(house_has(1));
}

static void an_adopted_one_that_nobody_heard_of_is_next(void **state)
{
	struct queued *q = adopt(1, 0);
	struct buf memory = { 0 };

	(void)state;
	buf_put_text(&memory, "x");
	house.memory -= 1;
	queued_end_attempt(q, &memory, 1);
	assert_int_equal(house.memory, 0);
	house_run();
	assert_int_equal(house.write_count, 0);
	/* No smarthost could be asked a moment ago: not before the relay has room. */
	assert_int_equal(house.sent, 0);
	queue_on_room(house.queue);
	house_run();
	assert_int_equal(house.sent, 1);
	house_answer(house_job(), "250 ok");
	assert_false(house_has(1));
}

static void a_stop_waits_for_an_adopted_attempt(void **state)
{
	struct queued *q = adopt(1, 0);

	(void)state;
	house.is_spool_slow = true;
	queue_free(house.queue, NULL, NULL);
	house_run();
	hear(q, 0, RELAY_DELIVERED, 250);
	hear(q, 1, RELAY_DELIVERED, 250);
	queued_end_attempt(q, NULL, 0);
	house_run();
	assert_string_equal(house_written(1), "settle");
	house_finish_slow();
	house.queue = queue_new(&house.conf);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_fate_has_its_notice),
		TEST(both_notices_come_in_turn),
		TEST(a_notice_that_was_not_stored_is_made_again),
		TEST(what_was_heard_is_noted),
		TEST(an_adopted_attempt_ends_like_any_other),
		TEST(an_adopted_one_that_nobody_heard_of_is_next),
		TEST(a_stop_waits_for_an_adopted_attempt),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
