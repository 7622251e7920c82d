/* tests/unit/queue/full_disk.c: a spool that takes nothing for a while: who has a message and who failed
 * is written down as soon as it can be, and nobody gets it, or is told, twice. */
#include "test.h"

#include "house.h"

#include <errno.h>
#include <string.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static int set_up(void **state)
{
	(void)state;
	house_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	house.spool_error = house.note_error = house.notice_error = 0;
	house_stop();
	return 0;
}

static const char alice[] = "alice@example.com";
static const char three[] = "bob@example.net carol@example.net dan@example.net";
static const unsigned told_all = SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_FAILURE;

/* A verdict for each of the three. */
static uint64_t attempt(unsigned notify, const char *first, const char *second, const char *third)
{
	const char *replies[] = { first, second, third };
	uint64_t qid = house_add_notify(alice, three, notify);

	house_run();
	for (size_t i = 0; i < 3; i++)
		house_hear(house_job_of(qid), i, replies[i]);
	house_end(house_job_of(qid));
	house_run();
	return qid;
}

/* "D F! W": delivered, failed and still to be told of, waiting. */
static const char *noted(void)
{
	static char text[64];
	struct delivery d = house_note();

	text[0] = '\0';
	for (size_t i = 0; i < d.recipient_count; i++) {
		const struct recipient_status *s = &d.recipients[i];

		strcat(text, i ? " " : "");
		strcat(text, s->state == RECIPIENT_DELIVERED ? "D"
			     : s->state == RECIPIENT_FAILED  ? "F"
							     : "W");
		strcat(text, s->is_owed ? "!" : "");
	}
	delivery_fini(&d);
	return text;
}

/* Another process, with what the spool had of it. */
static void crash_and_recover(uint64_t qid, unsigned notify)
{
	struct envelope e = house_envelope(qid, "alice", alice, three, notify);
	struct buf envelope = { 0 }, note = { 0 };
	struct spool_found found = { .id = qid };

	envelope_encode(&e, &envelope);
	buf_put_span(&note, buf_span(&house.note));
	found.envelope = buf_span(&envelope);
	found.note = buf_span(&note);
	house.spool_error = house.note_error = house.notice_error = 0;
	house.is_notice_slow = false;
	house_restart();
	house.sent = 0;
	house.write_count = house.notice_count = 0;
	assert_int_equal(queue_recover(house.queue, &found), 0);
	house_run();
	envelope_fini(&e);
	buf_fini(&envelope);
	buf_fini(&note);
}

/* What is known when a notice could not be stored, and what a later process makes of it. */
static const struct {
	const char *name, *replies[3];
	unsigned notify;
	const char *noted, *notices; /* after the start: "F0 R2" */
	int sent;		     /* attempts after the start */
} fates[] = {
	{ "one has it", { "250 ok", "550 5.1.1 no", "550 5.1.1 no" }, 0, "D F! F!", "F1 2", 0 },
	{ "one waits", { "250 ok", "550 5.1.1 no", "450 4.2.0 later" }, 0, "D F! W", "F1", 0 },
	{ "none has it",
	  { "550 5.1.1 no", "550 5.1.1 no", "550 5.1.1 no" },
	  0,
	  "F! F! F!",
	  "F0 1 2",
	  0 },
	{ "told of success",
	  { "250 ok", "250 ok", "450 4.2.0 later" },
	  told_all,
	  "D! D! W",
	  "R0 1",
	  0 },
	{ "both", { "250 ok", "550 5.1.1 no", "250 ok" }, told_all, "D! F! D!", "F1 R0 2", 0 },
};

static const char *notices_made(void)
{
	static char text[256];

	text[0] = '\0';
	for (size_t i = 0; i < house.notice_count; i++) {
		strcat(text, i ? " " : "");
		strcat(text, house.notices[i].action == MAIL_DSN_FAILED ? "F" : "R");
		strcat(text, house.notices[i].places);
	}
	return text;
}

static void what_is_known_is_noted_before_the_notice_is_tried_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(fates) / sizeof(fates[0]); i++) {
		uint64_t qid;

		house.notice_error = -ENOSPC;
		house.write_count = 0;
		qid = attempt(fates[i].notify, fates[i].replies[0], fates[i].replies[1],
			      fates[i].replies[2]);
		assert_string_equal(house_written(qid), "note");
		if (strcmp(noted(), fates[i].noted) != 0)
			fail_msg("%s: noted %s", fates[i].name, noted());
		crash_and_recover(qid, fates[i].notify);
		if (strcmp(notices_made(), fates[i].notices) != 0 ||
		    (int)house.sent != fates[i].sent)
			fail_msg("%s: %s, %u attempts", fates[i].name, notices_made(), house.sent);
		assert_true(!house.notices[0].is_expired && !house.notices[0].is_by_hand);
		/* Who waits is tried again when the pause is over, and nobody else is. */
		assert_int_equal(house_has(qid), strchr(fates[i].noted, 'W') != NULL);
		if (!house_has(qid))
			continue;
		house_pass(2 * MINUTE);
		assert_int_equal(house_job()->message.recipient_count, 1);
		house_answer(house_job(), "250 ok");
		house_restart();
	}
}

static void why_they_failed_is_still_known(void **state)
{
	uint64_t qid = house_add("alice", alice, three);

	(void)state;
	house.room = 0;
	house.notice_error = -ENOSPC;
	house_pass(house.conf.expire_ms + 10 * MINUTE);
	assert_string_equal(noted(), "F! F! F!");
	crash_and_recover(qid, 0);
	assert_string_equal(notices_made(), "F0 1 2");
	assert_true(house.notices[0].is_expired && !house.notices[0].is_by_hand);
	assert_false(house_has(qid));
}

static unsigned done_count;
static int done_status;

static void on_done(struct queue_order *order, int status, const struct fault *fault)
{
	(void)order, (void)fault;
	done_count++;
	done_status = status;
}

static int act(uint64_t qid, enum queue_action action)
{
	struct queue_order order = { .action = action, .done = on_done };

	done_count = 0;
	queue_act(house.queue, qid, &order);
	house_run();
	assert_int_equal(done_count, 1);
	return done_status;
}

/* An order that changes nothing is not done before the spool has what it asks for. */
static void an_order_given_again_waits_for_the_spool_too(void **state)
{
	static const struct {
		enum queue_action first, again;
	} cases[] = {
		{ QUEUE_HOLD, QUEUE_HOLD },
		{ QUEUE_RELEASE, QUEUE_RELEASE },
		{ QUEUE_FLUSH, QUEUE_FLUSH },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t qid;

		house.room = 8;
		qid = attempt(0, "250 ok", "450 4.2.0 later", "450 4.2.0 later");
		if (cases[i].first == QUEUE_RELEASE)
			assert_int_equal(act(qid, QUEUE_HOLD), 0);
		house.room = 0;
		house.note_error = -ENOSPC;
		assert_int_equal(act(qid, cases[i].first), -ENOSPC);
		assert_int_equal(act(qid, cases[i].again), -ENOSPC);
		house.note_error = 0;
		assert_int_equal(act(qid, cases[i].again), 0);
		house.write_count = 0;
		assert_int_equal(act(qid, cases[i].again), 0);
		assert_string_equal(house_written(qid), "");
	}
}

static void who_was_given_up_by_hand_is_told_so_after_a_start(void **state)
{
	uint64_t qid = house_add("alice", alice, three);

	(void)state;
	house.room = 0;
	house_run();
	house.notice_error = -ENOSPC;
	assert_int_equal(act(qid, QUEUE_BOUNCE), -ENOSPC);
	assert_string_equal(noted(), "F! F! F!");
	crash_and_recover(qid, 0);
	assert_string_equal(notices_made(), "F0 1 2");
	assert_true(house.notices[0].is_by_hand && !house.notices[0].is_expired);
	assert_string_equal(house.notices[0].text, "Given up by the administrator");
}

/* The first of two is stored: what it told is told, whatever becomes of the second. */
static void what_was_told_is_not_told_again(void **state)
{
	uint64_t qid;

	(void)state;
	house.is_notice_slow = true;
	qid = attempt(told_all, "250 ok", "550 5.1.1 no", "450 4.2.0 later");
	assert_string_equal(house_written(qid), "");
	house_finish_notice(0);
	assert_string_equal(house_written(qid), "note");
	assert_string_equal(noted(), "D! F W");
	house_finish_notice(-EIO);
	/* Nothing new is to be said. */
	assert_string_equal(house_written(qid), "note");
	crash_and_recover(qid, told_all);
	assert_string_equal(notices_made(), "R0");
	assert_int_equal(house.sent, 0);
	assert_string_equal(house_written(qid), "note");
	assert_string_equal(noted(), "D F W");
}

static void a_notice_is_tried_again_soon_then_seldom(void **state)
{
	static const unsigned made[] = { 1, 2, 2, 3, 3, 3, 3, 4 }; /* after so many seconds */
	uint64_t qid;

	(void)state;
	house.notice_error = -ENOSPC;
	qid = attempt(0, "250 ok", "550 5.1.1 no", "550 5.1.1 no");
	for (size_t i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
		assert_int_equal(house.notice_count, made[i]);
		house_pass(SECOND);
	}
	house_pass(60 * MINUTE);
	assert_in_range(house.notice_count, 15, 25);
	assert_int_equal(house_said("unreported", "the disk is full"), house.notice_count);
	house.notice_error = 0;
	house_pass(5 * MINUTE);
	assert_false(house_has(qid));
	assert_int_equal(house.counters.bounces_made, 1);
	assert_string_equal(house_written(qid), "note lazy-settle");
	assert_int_equal(house.sent, 1);
}

/* Notes */

static void a_note_is_written_again_until_the_spool_has_it(void **state)
{
	uint64_t qid;

	(void)state;
	house.spool_error = -ENOSPC;
	qid = attempt(0, "250 ok", "450 4.2.0 later", "450 4.2.0 later");
	assert_string_equal(house_written(qid), "note");
	house_pass(SECOND);
	assert_string_equal(house_written(qid), "note note");
	house_pass(SECOND);
	assert_string_equal(house_written(qid), "note note");
	house_pass(SECOND);
	assert_string_equal(house_written(qid), "note note note");
	assert_int_equal(house_said("unwritten", "the disk is full"), 1);
	assert_int_equal(house_said("written", "qid="), 0);
	house.spool_error = 0;
	house_pass(4 * SECOND);
	assert_string_equal(house_written(qid), "note note note note");
	assert_string_equal(noted(), "D W W");
	assert_int_equal(house_said("written", "qid="), 1);
	/* And then no more, until there is something to say. */
	house_pass(30 * SECOND);
	assert_string_equal(house_written(qid), "note note note note");
}

/* It never takes longer than half a minute, however long the disk was full. */
static void the_wait_for_the_disk_is_bounded(void **state)
{
	uint64_t qid;

	(void)state;
	house.conf.retry_ms[0] = 600 * MINUTE;
	queue_renew(house.queue, &house.conf);
	house.note_error = -ENOSPC;
	qid = attempt(0, "250 ok", "450 4.2.0 later", "450 4.2.0 later");
	house_pass(60 * MINUTE);
	house.note_error = 0;
	house.write_count = 0;
	house_pass(30 * SECOND);
	assert_string_equal(house_written(qid), "note");
	/* The next trouble begins with a second again. */
	house.note_error = -ENOSPC;
	house.write_count = 0;
	act(qid, QUEUE_HOLD);
	house_pass(SECOND);
	assert_string_equal(house_written(qid), "note note");
}

static void a_later_note_takes_its_place(void **state)
{
	struct delivery d;
	uint64_t qid;

	(void)state;
	house.spool_error = -ENOSPC;
	qid = attempt(0, "250 ok", "450 4.2.0 later", "450 4.2.0 later");
	assert_int_equal(act(qid, QUEUE_HOLD), -ENOSPC);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_HELD);
	house.spool_error = 0;
	house.write_count = 0;
	house_pass(MINUTE);
	assert_string_equal(house_written(qid), "note");
	d = house_note();
	assert_true(d.is_held);
	assert_int_equal(d.recipients[0].state, RECIPIENT_DELIVERED);
	delivery_fini(&d);
}

/* The next attempt brings nothing new, but its note has the news of the first to say. */
static void news_are_never_left_to_a_lazy_note(void **state)
{
	uint64_t qid;

	(void)state;
	house.conf.retry_ms[0] = 1;
	queue_renew(house.queue, &house.conf);
	house.note_error = -ENOSPC;
	qid = attempt(0, "250 ok", "450 4.2.0 later", "450 4.2.0 later");
	house_pass(10);
	house_answer(house_job(), "450 4.2.0 later");
	assert_string_equal(house_written(qid), "note note");
	house.note_error = 0;
	house_pass(SECOND);
	assert_string_equal(house_written(qid), "note note note");
	assert_string_equal(noted(), "D W W");
	assert_int_equal(house_view(qid).delivery->attempts, 2);
}

/* Both under way when the disk fails: only the later one counts. */
static void of_two_under_way_the_later_is_repeated(void **state)
{
	struct delivery d;
	uint64_t qid;
	struct queue_order order = { .action = QUEUE_HOLD, .done = on_done };

	(void)state;
	house.is_spool_slow = true;
	qid = attempt(0, "250 ok", "450 4.2.0 later", "450 4.2.0 later");
	queue_act(house.queue, qid, &order);
	assert_string_equal(house_written(qid), "note note");
	house.spool_error = -EIO;
	done_count = 0;
	house_finish_slow();
	assert_int_equal(done_count, 1);
	assert_int_equal(done_status, -EIO);
	house.spool_error = 0;
	house.is_spool_slow = false;
	house_pass(20 * SECOND);
	assert_string_equal(house_written(qid), "note note note");
	d = house_note();
	assert_true(d.is_held);
	delivery_fini(&d);
}

static void what_is_settled_is_not_noted_any_more(void **state)
{
	uint64_t qid;

	(void)state;
	house.spool_error = -ENOSPC;
	qid = attempt(0, "250 ok", "450 4.2.0 later", "450 4.2.0 later");
	house.spool_error = 0;
	assert_int_equal(act(qid, QUEUE_REMOVE), 0);
	house_pass(10 * MINUTE);
	assert_string_equal(house_written(qid), "note settle");
}

static void what_is_not_in_the_spool_is_not_repeated(void **state)
{
	uint64_t qid;

	(void)state;
	house.note_error = -ENOENT;
	qid = attempt(0, "250 ok", "450 4.2.0 later", "450 4.2.0 later");
	house_pass(30 * SECOND);
	assert_string_equal(house_written(qid), "note");
}

static void nothing_new_is_not_repeated(void **state)
{
	uint64_t qid;

	(void)state;
	house.note_error = -ENOSPC;
	qid = attempt(0, "450 4.2.0 later", "450 4.2.0 later", "450 4.2.0 later");
	house_pass(30 * SECOND);
	assert_string_equal(house_written(qid), "lazy-note");
	assert_int_equal(house_said("unwritten", "the disk is full"), 1);
}

/* The end */

static bool is_freed;

static void on_freed(void *user)
{
	(void)user;
	is_freed = true;
}

static void stop(void)
{
	is_freed = false;
	queue_free(house.queue, on_freed, NULL);
	house_run();
}

static void a_stop_writes_what_is_unwritten(void **state)
{
	uint64_t qid;

	(void)state;
	house.spool_error = -ENOSPC;
	qid = attempt(0, "250 ok", "450 4.2.0 later", "450 4.2.0 later");
	house_pass(20 * SECOND);
	house.spool_error = 0;
	house.write_count = 0;
	stop();
	assert_true(is_freed);
	assert_string_equal(house_written(qid), "note");
	assert_string_equal(noted(), "D W W");
	house.queue = queue_new(&house.conf);
}

/* It waits some seconds for the disk, then ends all the same. */
static void a_stop_does_not_wait_for_ever(void **state)
{
	(void)state;
	for (int seconds = 2; seconds <= 20; seconds += 18) {
		uint64_t qid;

		house.log_octets = 0;
		house.spool_error = -ENOSPC;
		qid = attempt(0, "250 ok", "450 4.2.0 later", "450 4.2.0 later");
		stop();
		assert_false(is_freed);
		house_pass(seconds * SECOND);
		house.spool_error = 0;
		house_pass(SECOND);
		assert_true(is_freed);
		assert_int_equal(house_said("written", "qid="), seconds == 2);
		assert_int_equal(house_said("unwritten", "qid="), seconds == 2 ? 1 : 2);
		assert_string_equal(house_written(qid), seconds == 2
								? "note note note note note"
								: "note note note note note note");
		house.queue = queue_new(&house.conf);
	}
}

/* A notice that the end calls off is no error, and who has the message is noted. */
static void a_notice_called_off_by_the_end_is_noted(void **state)
{
	static const int errors[] = { -ECANCELED, -ENOSPC };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		uint64_t qid;

		house.log_octets = 0;
		house.is_notice_slow = true;
		qid = attempt(0, "250 ok", "550 5.1.1 no", "450 4.2.0 later");
		stop();
		assert_false(is_freed);
		house_finish_notice(errors[i]);
		assert_true(is_freed);
		assert_int_equal(house_said("unreported", "qid="), errors[i] != -ECANCELED);
		assert_string_equal(house_written(qid), "note");
		assert_string_equal(noted(), "D F! W");
		house.queue = queue_new(&house.conf);
		crash_and_recover(qid, 0);
		assert_string_equal(notices_made(), "F1");
	}
}

/* Who gave it up hears that the daemon stops, not that something was cancelled. */
static void who_waits_for_a_notice_hears_of_the_end(void **state)
{
	struct queue_order order = { .action = QUEUE_BOUNCE, .done = on_done };
	uint64_t qid = house_add("alice", alice, three);

	(void)state;
	house.room = 0;
	house_run();
	house.is_notice_slow = true;
	done_count = 0;
	queue_act(house.queue, qid, &order);
	house_run();
	stop();
	house_finish_notice(-ECANCELED);
	assert_int_equal(done_count, 1);
	assert_int_equal(done_status, -ESHUTDOWN);
	assert_true(is_freed);
	assert_string_equal(noted(), "F! F! F!");
	house.notice_error = 0;
	house.queue = queue_new(&house.conf);
}

static void nobody_to_send_to_is_no_message(void **state)
{
	struct envelope e = house_envelope(7, "alice", alice, "", 0);
	struct buf envelope = { 0 };
	struct spool_found found = { .id = 7 };

	(void)state;
	envelope_encode(&e, &envelope);
	found.envelope = buf_span(&envelope);
	assert_int_equal(queue_recover(house.queue, &found), -EINVAL);
	assert_int_equal(queue_length(house.queue), 0);
	envelope_fini(&e);
	buf_fini(&envelope);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_known_is_noted_before_the_notice_is_tried_again),
		TEST(why_they_failed_is_still_known),
		TEST(who_was_given_up_by_hand_is_told_so_after_a_start),
		TEST(an_order_given_again_waits_for_the_spool_too),
		TEST(what_was_told_is_not_told_again),
		TEST(a_notice_is_tried_again_soon_then_seldom),
		TEST(a_note_is_written_again_until_the_spool_has_it),
		TEST(the_wait_for_the_disk_is_bounded),
		TEST(a_later_note_takes_its_place),
		TEST(news_are_never_left_to_a_lazy_note),
		TEST(of_two_under_way_the_later_is_repeated),
		TEST(what_is_settled_is_not_noted_any_more),
		TEST(what_is_not_in_the_spool_is_not_repeated),
		TEST(nothing_new_is_not_repeated),
		TEST(a_stop_writes_what_is_unwritten),
		TEST(a_stop_does_not_wait_for_ever),
		TEST(a_notice_called_off_by_the_end_is_noted),
		TEST(who_waits_for_a_notice_hears_of_the_end),
		TEST(nobody_to_send_to_is_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
