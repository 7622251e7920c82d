/* tests/unit/queue/life.c: the schedule, the warning, the end; and clocks that jump. */
#include "test.h"

#include "house.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

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

static const char alice[] = "alice@example.com", bob[] = "bob@example.net";

static void be_unreachable(void)
{
	house.room = 0;
	house.looks[0].paused_ms = 60000;
	house.looks[0].reason = "smtp.example.net:587: connection refused";
}

/* Pauses between attempts, in minutes: 1, 5, 15, 15... each within a quarter. */
static void the_schedule_is_kept(void **state)
{
	static const int64_t base[] = { 1, 5, 15, 15, 15 };

	(void)state;
	house_add("alice", alice, bob);
	house_run();
	for (size_t i = 0; i < sizeof(base) / sizeof(base[0]); i++) {
		house_answer(house_job(), "451 4.7.1 later");
		house_pass(base[i] * MINUTE * 3 / 4 - 1);
		assert_int_equal(house.sent, i + 1);
		house_pass(base[i] * MINUTE / 2 + 2);
		assert_int_equal(house.sent, i + 2);
	}
	house_answer(house_job(), "250 ok");
}

static void retries_of_many_are_spread(void **state)
{
	unsigned before;

	(void)state;
	house.conf.active = 1000;
	queue_renew(house.queue, &house.conf);
	for (int i = 0; i < 1000; i++)
		house_add("alice", alice, bob);
	house_run();
	assert_int_equal(house.sent, 1000);
	for (int i = 0; i < 1000; i++)
		house_answer(house_job(), "451 4.7.1 later");
	for (int s = 45; s < 75; s++) {
		before = house.sent;
		house_pass(s == 45 ? 46 * 1000 : 1000);
		/* 33 for each second on the average */
		assert_true(house.sent - before > 5 && house.sent - before < 90);
		while (!list_is_empty(&house.jobs))
			house_answer(house_job(), "250 ok");
	}
}

static void late_mail_is_warned_of_once(void **state)
{
	uint64_t qid = house_add("alice", alice, bob);
	struct delivery d;

	(void)state;
	house_run();
	while (house.now_ms < 1000000 + 3 * HOUR) {
		if (!list_is_empty(&house.jobs))
			house_answer(house_job(), "451 4.7.1 later");
		house_pass(MINUTE);
	}
	assert_int_equal(house.notice_count, 0);
	assert_true(house_view(qid).warn_ms > 0);
	while (house.now_ms < 1000000 + 12 * HOUR) {
		if (!list_is_empty(&house.jobs))
			house_answer(house_job(), "451 4.7.1 later");
		house_pass(MINUTE);
	}
	assert_int_equal(house.notice_count, 1);
	assert_int_equal(house.notices[0].action, MAIL_DSN_DELAYED);
	assert_string_equal(house.notices[0].places, "0");
	assert_string_equal(house.notices[0].host, "smtp.example.net");
	assert_int_equal(house.counters.warnings_made, 1);
	assert_int_equal(house_said("warned", "notice="), 1);
	assert_int_equal(house_view(qid).warn_ms, 0);
	d = house_note();
	assert_true(d.is_warned);
	delivery_fini(&d);
}

/* It is warned of where it stands, and keeps its place and its time. */
static void a_warning_moves_nothing(void **state)
{
	uint64_t first, second, paused;
	int64_t next_ms;

	(void)state;
	house.conf.retry_ms[0] = 10 * HOUR;
	queue_renew(house.queue, &house.conf);
	paused = house_add("bob", alice, bob);
	house_run();
	house_answer(house_job(), "451 4.7.1 later");
	next_ms = house_view(paused).next_ms;
	house.room = 0;
	first = house_add("alice", alice, bob);
	house_pass(1);
	second = house_add("alice", alice, bob);
	house_pass(4 * HOUR + MINUTE);
	assert_int_equal(house.notice_count, 3);
	assert_int_equal(house_view(paused).next_ms, next_ms);
	assert_int_equal(house_view(paused).stand, QUEUE_STAND_RETRY);
	assert_string_equal(house_written(paused), "lazy-note note");
	assert_string_equal(house_written(first), "note");
	house.room = 2;
	queue_on_room(house.queue);
	house_run();
	house_answer(house_job_of(first), "250 ok");
	house_answer(house_job_of(second), "250 ok");
}

static const struct {
	const char *name, *sender;
	unsigned notify;
	int notices;
} warnings[] = {
	{ "as we like", "alice@example.com", 0, 1 },
	{ "asked for", "alice@example.com", SMTP_NOTIFY_DELAY | SMTP_NOTIFY_FAILURE, 1 },
	{ "not asked for", "alice@example.com", SMTP_NOTIFY_FAILURE, 0 },
	{ "never", "alice@example.com", SMTP_NOTIFY_NEVER, 0 },
	{ "a notice of ours", "", 0, 0 },
};

static void who_wants_none_gets_none(void **state)
{
	(void)state;
	be_unreachable();
	for (size_t i = 0; i < sizeof(warnings) / sizeof(warnings[0]); i++) {
		uint64_t qid = house_add_notify(warnings[i].sender, bob, warnings[i].notify);
		size_t before = house.notice_count;

		house_pass(5 * HOUR);
		if ((int)(house.notice_count - before) != warnings[i].notices)
			fail_msg("%s", warnings[i].name);
		assert_int_equal(house_view(qid).warn_ms, 0);
		assert_string_equal(house_written(qid), warnings[i].notices ? "note" : "");
	}
}

static void only_those_who_wait_are_warned_of(void **state)
{
	house_add_notify(alice, "bob@example.net carol@example.net dan@example.net", 0);

	(void)state;
	house.conf.retry_ms[0] = DAY;
	queue_renew(house.queue, &house.conf);
	house_run();
	house_hear(house_job(), 0, "250 ok");
	house_hear(house_job(), 1, "450 later");
	house_hear(house_job(), 2, "450 later");
	house_end(house_job());
	house_pass(5 * HOUR);
	assert_int_equal(house.notice_count, 1);
	assert_string_equal(house.notices[0].places, "1 2");
}

static void a_warning_that_was_not_stored_is_made_again(void **state)
{
	uint64_t qid;

	(void)state;
	be_unreachable();
	house.notice_error = -ENOSPC;
	qid = house_add("alice", alice, bob);
	house_pass(4 * HOUR + MINUTE / 2);
	assert_int_equal(house.notice_count, 1);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_NO_SMARTHOST);
	assert_true(house_view(qid).warn_ms > 0);
	house_pass(MINUTE);
	assert_int_equal(house.notice_count, 2);
	house.notice_error = 0;
	house_pass(HOUR);
	assert_int_equal(house.notice_count, 3);
	assert_int_equal(house.counters.warnings_made, 1);
	assert_string_equal(house_written(qid), "note");
}

static void time_runs_out(void **state)
{
	uint64_t qid = house_add("alice", alice, "bob@example.net carol@example.net");
	int64_t last;

	(void)state;
	house.conf.warn_ms = 0;
	queue_renew(house.queue, &house.conf);
	house_run();
	house_hear(house_job(), 0, "250 ok");
	house_hear(house_job(), 1, "451 4.7.1 later");
	house_end(house_job());
	while (house_has(qid) && house.now_ms < 1000000 + 6LL * DAY) {
		last = house.now_ms;
		house_pass(MINUTE);
		if (!list_is_empty(&house.jobs))
			house_answer(house_job(), "451 4.7.1 later");
	}
	/* The last attempt was made at the end, and neither before nor after. */
	assert_in_range(last, 1000000 + 5LL * DAY - MINUTE, 1000000 + 5LL * DAY + MINUTE);
	assert_int_equal(house.notice_count, 1);
	assert_int_equal(house.notices[0].action, MAIL_DSN_FAILED);
	assert_true(house.notices[0].is_expired);
	assert_false(house.notices[0].is_by_hand);
	assert_string_equal(house.notices[0].places, "1");
	assert_string_equal(house.notices[0].text, "later");
	assert_string_equal(house.notices[0].host, "smtp.example.net");
	assert_int_equal(house_said("failed", "run out"), 1);
}

static void who_was_never_asked_is_told_why(void **state)
{
	uint64_t qid;

	(void)state;
	be_unreachable();
	house.looks[1] = (struct house_look){ "second", "b.example.net",
					      "b.example.net:465: certificate expired", 9000, 0 };
	house.look_count = 2;
	house.conf.warn_ms = 0;
	queue_renew(house.queue, &house.conf);
	qid = house_add("alice", alice, bob);
	house_pass(5LL * DAY - 1);
	assert_true(house_has(qid));
	house_pass(1);
	assert_false(house_has(qid));
	assert_int_equal(house.sent, 0);
	assert_true(house.notices[0].is_expired);
	assert_string_equal(house.notices[0].text, "smtp.example.net:587: connection refused; "
						   "b.example.net:465: certificate expired");
	assert_int_equal(house.notices[0].status.class, 4);
	assert_int_equal(house.notices[0].status.subject, 4);
	assert_int_equal(house.notices[0].status.detail, 7);
}

static void an_attempt_under_way_may_end(void **state)
{
	uint64_t taken = house_add("alice", alice, bob), late = house_add("alice", alice, bob);

	(void)state;
	house_run();
	house_pass(6LL * DAY);
	assert_int_equal(house.notice_count, 0);
	house_answer(house_job_of(taken), "250 ok");
	assert_int_equal(house.notice_count, 0);
	house_answer(house_job_of(late), "451 4.7.1 later");
	assert_int_equal(house.notice_count, 1);
	assert_string_equal(house.notices[0].text, "later");
	assert_int_equal(house.counters.recipients_deferred, 0);
	assert_false(house_has(late));
}

static void what_is_held_has_an_end_too(void **state);

struct test_order {
	struct queue_order order;
	bool is_done;
	int status;
};

static void on_done(struct queue_order *order, int status, const struct fault *fault)
{
	struct test_order *o = list_entry(order, struct test_order, order);

	(void)fault;
	o->is_done = true;
	o->status = status;
}

static void act(uint64_t qid, enum queue_action action)
{
	struct test_order o = { .order = { .action = action, .done = on_done } };

	queue_act(house.queue, qid, &o.order);
	house_run();
	assert_true(o.is_done);
	assert_int_equal(o.status, 0);
}

static void what_is_held_has_an_end_too(void **state)
{
	uint64_t qid = house_add("alice", alice, bob);

	(void)state;
	act(qid, QUEUE_HOLD);
	house_pass(4 * HOUR + 1);
	assert_int_equal(house.notices[0].action, MAIL_DSN_DELAYED);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_HELD);
	house_pass(5LL * DAY);
	assert_int_equal(house.notices[1].action, MAIL_DSN_FAILED);
	assert_string_equal(house.notices[1].text, "It was held by the administrator");
	assert_false(house_has(qid));
	assert_int_equal(house.sent, 0);
}

static void settings_may_change(void **state)
{
	uint64_t qid;

	(void)state;
	be_unreachable();
	qid = house_add("alice", alice, bob);
	house_pass(HOUR);
	house.conf.warn_ms = 2 * HOUR;
	house.conf.expire_ms = 3 * HOUR;
	queue_renew(house.queue, &house.conf);
	house_pass(HOUR + 1);
	assert_int_equal(house.notice_count, 1);
	house_pass(HOUR);
	assert_int_equal(house.notice_count, 2);
	assert_false(house_has(qid));
}

/* Thousands that expire together are told of a few at a time. */
static void many_ends_at_once(void **state)
{
	(void)state;
	be_unreachable();
	house.conf.warn_ms = 0;
	queue_renew(house.queue, &house.conf);
	for (int i = 0; i < 5000; i++)
		house_add("alice", "", bob);
	house_pass(5LL * DAY + 1);
	assert_int_equal(queue_length(house.queue), 0);
	assert_int_equal(house.counters.recipients_failed, 5000);
}

static void few_notices_are_made_at_once(void **state)
{
	size_t before = 0;

	(void)state;
	be_unreachable();
	house.is_notice_slow = true;
	for (int i = 0; i < 200; i++)
		house_add("alice", alice, bob);
	house_pass(4 * HOUR + 1);
	for (int i = 0; i < 200 && !list_is_empty(&house.slow_notices); i++) {
		assert_in_range(house.notice_count - before, 1, 64);
		before = house.notice_count;
		house_finish_notice(0);
	}
	assert_int_equal(house.notice_count, 200);
	assert_int_equal(house.counters.warnings_made, 200);
}

/* Clocks */

static void a_wall_clock_that_jumps_changes_nothing(void **state)
{
	static const int64_t jumps[] = { 9LL * HOUR, -9LL * HOUR, 400LL * DAY, -400LL * DAY };

	(void)state;
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		uint64_t qid = house_add("alice", alice, bob);
		unsigned sent;

		house_run();
		house_answer(house_job(), "451 4.7.1 later");
		house.wall_ms += jumps[i];
		house_pass(44 * 1000);
		sent = house.sent;
		assert_int_equal(house.notice_count, 0);
		house_pass(32 * 1000);
		assert_int_equal(house.sent, sent + 1);
		assert_in_range(house_view(qid).expire_ms, house.wall_ms + 4LL * DAY,
				house.wall_ms + 5LL * DAY);
		house_answer(house_job(), "250 ok");
		assert_false(house_has(qid));
	}
}

static void recover(uint64_t qid, int64_t age_ms, const struct delivery *d)
{
	struct envelope e = house_envelope(qid, "alice", alice, bob, 0);
	struct buf record = { 0 }, note = { 0 };
	struct spool_found found = { .id = qid };

	e.arrived_ms -= age_ms;
	envelope_encode(&e, &record);
	if (d)
		delivery_encode(d, &note);
	found.envelope = buf_span(&record);
	found.note = buf_span(&note);
	assert_int_equal(queue_recover(house.queue, &found), 0);
	envelope_fini(&e);
	buf_fini(&record);
	buf_fini(&note);
}

static struct delivery tried(int64_t last_ms, int64_t next_ms)
{
	struct delivery d;

	delivery_init(&d, 1);
	d.attempts = 3;
	d.last_ms = last_ms;
	d.next_ms = next_ms;
	return d;
}

/* How old it seems after a start, and what becomes of it when it is refused for now once more. */
static const struct {
	const char *name;
	int64_t age_ms, last_age_ms; /* of the last attempt; 0: none */
	bool has_end;
} recovered[] = {
	{ "young", HOUR, 0, false },
	{ "old", 6LL * DAY, 0, true },
	{ "the clock went forward by years", 4000LL * DAY, 0, true },
	{ "from the future", -3LL * DAY, 0, false },
	{ "from the future, tried for long", -3LL * DAY, -9LL * DAY, true },
};

static void a_recovered_one_is_tried_before_its_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(recovered) / sizeof(recovered[0]); i++) {
		uint64_t qid = 100 + i;
		int64_t arrived = house.wall_ms - recovered[i].age_ms;
		struct delivery d =
			tried(recovered[i].last_age_ms ? house.wall_ms - recovered[i].last_age_ms
						       : 0,
			      0);

		(void)arrived;
		house.notice_count = 0;
		recover(qid, recovered[i].age_ms, &d);
		delivery_fini(&d);
		house_run();
		if (house.notice_count)
			fail_msg("%s: told of before it was tried", recovered[i].name);
		house_answer(house_job_of(qid), "451 4.7.1 later");
		if (house_has(qid) == recovered[i].has_end)
			fail_msg("%s", recovered[i].name);
		if (recovered[i].has_end)
			assert_int_equal(house.notices[0].action, MAIL_DSN_FAILED);
	}
}

/* It is not warned of at once after a long rest either, but it does have an end. */
static void a_recovered_one_has_a_quarter_of_its_time(void **state)
{
	(void)state;
	be_unreachable();
	recover(100, 30LL * DAY, NULL);
	house_pass(HOUR - 1);
	assert_int_equal(house.notice_count, 0);
	house_pass(1);
	assert_int_equal(house.notice_count, 1);
	assert_int_equal(house.notices[0].action, MAIL_DSN_DELAYED);
	house_pass(29LL * HOUR - 1);
	assert_true(house_has(100));
	house_pass(1);
	assert_false(house_has(100));
	assert_int_equal(house.notices[1].action, MAIL_DSN_FAILED);
}

/* The note's next attempt is in wall clock, which went back by a year: no longer than the longest
 * pause. */
static void no_pause_is_longer_than_the_longest(void **state)
{
	struct delivery d = tried(house.wall_ms, house.wall_ms + 365LL * DAY);

	(void)state;
	recover(100, HOUR, &d);
	delivery_fini(&d);
	house_pass(14 * MINUTE);
	assert_int_equal(house.sent, 0);
	house_pass(5 * MINUTE);
	assert_int_equal(house.sent, 1);
}

static void what_was_noted_is_still_so(void **state)
{
	struct delivery d = tried(house.wall_ms, 0);

	(void)state;
	d.is_held = d.is_warned = true;
	recover(100, 4 * HOUR, &d);
	assert_int_equal(house.counters.queue_held, 1);
	assert_int_equal(house_view(100).stand, QUEUE_STAND_HELD);
	assert_true(house_view(100).delivery->is_held);
	assert_int_equal(house_view(100).warn_ms, 0);
	assert_int_equal(house_view(100).delivery->attempts, 3);
	house_pass(10 * HOUR);
	assert_int_equal(house.sent + house.notice_count, 0);
	d.is_held = false;
	d.recipients[0].state = RECIPIENT_DELIVERED;
	recover(101, HOUR, &d);
	house_run();
	assert_string_equal(house_written(101), "lazy-settle");
	assert_int_equal(house.sent, 0);
	delivery_fini(&d);
}

/* At its end a message that comes to its line gets its last attempt, if its turn comes soon. */
static void the_last_attempt_waits_for_its_turn(void **state)
{
	uint64_t qid;

	(void)state;
	house.conf.retry_ms[0] = house.conf.retry_ms[1] = 20LL * DAY;
	house.conf.warn_ms = 0;
	queue_renew(house.queue, &house.conf);
	qid = house_add("alice", alice, bob);
	house_run();
	house_answer(house_job(), "451 4.7.1 later");
	house.room = 0;
	house_pass(5LL * DAY);
	assert_true(house_has(qid));
	house_pass(4 * MINUTE);
	house.room = 1;
	queue_on_room(house.queue);
	house_run();
	house_answer(house_job(), "250 ok");
	assert_int_equal(house.notice_count, 0);
	assert_false(house_has(qid));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_schedule_is_kept),
		TEST(retries_of_many_are_spread),
		TEST(late_mail_is_warned_of_once),
		TEST(a_warning_moves_nothing),
		TEST(who_wants_none_gets_none),
		TEST(only_those_who_wait_are_warned_of),
		TEST(a_warning_that_was_not_stored_is_made_again),
		TEST(time_runs_out),
		TEST(who_was_never_asked_is_told_why),
		TEST(an_attempt_under_way_may_end),
		TEST(what_is_held_has_an_end_too),
		TEST(settings_may_change),
		TEST(many_ends_at_once),
		TEST(few_notices_are_made_at_once),
		TEST(a_wall_clock_that_jumps_changes_nothing),
		TEST(a_recovered_one_is_tried_before_its_end),
		TEST(a_recovered_one_has_a_quarter_of_its_time),
		TEST(no_pause_is_longer_than_the_longest),
		TEST(what_was_noted_is_still_so),
		TEST(the_last_attempt_waits_for_its_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
