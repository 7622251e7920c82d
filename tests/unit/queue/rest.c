/* tests/unit/queue/rest.c: a smarthost takes only some recipients at once: the others go at once too, each
 * of them once, in turn with everybody's mail; and the whole counts as one attempt.
 */
#include "test.h"

#include "house.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE, MANY = 1000, ALL = 100 };

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

static const char alice[] = "alice@example.com", six[] = "0@x 1@x 2@x 3@x 4@x 5@x";

/* The first `most` recipients hear what their digit's place in `replies` says: + - ~; the others are too
 * many. Verdicts on these come first where the smarthost tells of its limit. */
static void answer(struct relay_job *job, size_t most, const char *replies)
{
	for (size_t i = most; i < job->message.recipient_count; i++)
		house_leave(job, i);
	for (size_t i = 0; i < most && i < job->message.recipient_count; i++) {
		char reply = replies[job->message.recipients[i].at[0] - '0'];

		house_hear(job, i,
			   reply == '+'	  ? "250 ok"
			   : reply == '-' ? "550 5.1.1 unknown"
					  : "450 4.2.0 later");
	}
	house_end(job);
	house_run();
}

/* "012": whom the job is about. */
static const char *about(const struct relay_job *job)
{
	static char text[HOUSE_MOST];
	size_t n = 0;

	for (size_t i = 0; i < job->message.recipient_count; i++)
		text[n++] = (char)job->message.recipients[i].at[0];
	text[n] = '\0';
	return text;
}

/* What six recipients hear when two, say, are taken at once; who is in each transaction; and what is
 * left after: the attempts counted, and who is told of failure. */
static const struct {
	const char *name, *replies;
	size_t most;
	const char *jobs;
	unsigned attempts; /* 0: settled */
	const char *failed;
} cases[] = {
	{ "all in one", "++++++", 6, "012345", 0, NULL },
	{ "all taken", "++++++", 2, "012345 2345 45", 0, NULL },
	{ "one by one", "++++++", 1, "012345 12345 2345 345 45 5", 0, NULL },
	{ "some refused", "+-++-+", 2, "012345 2345 45", 0, "1 4" },
	{ "some deferred", "~+~+~+", 2, "012345 2345 45", 1, NULL },
	{ "all deferred", "~~~~~~", 2, "012345 2345 45", 1, NULL },
	{ "the first deferred", "~~++++", 2, "012345 2345 45", 1, NULL },
	{ "all refused", "------", 4, "012345 45", 0, "0 1 2 3 4 5" },
	{ "of everything", "+-~+-~", 3, "012345 345", 1, "1 4" },
};

static void each_is_asked_about_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t qid = house_add("alice", alice, six);
		char jobs[256] = "";

		house.notice_count = 0;
		house_run();
		while (!list_is_empty(&house.jobs)) {
			snprintf(jobs + strlen(jobs), sizeof(jobs) - strlen(jobs), "%s%s",
				 jobs[0] ? " " : "", about(house_job()));
			answer(house_job(), cases[i].most, cases[i].replies);
		}
		if (strcmp(jobs, cases[i].jobs) != 0)
			fail_msg("%s: %s", cases[i].name, jobs);
		if (house_has(qid) != (cases[i].attempts > 0))
			fail_msg("%s: settled or not", cases[i].name);
		assert_int_equal(house.notice_count, cases[i].failed != NULL);
		if (cases[i].failed)
			assert_string_equal(house.notices[0].places, cases[i].failed);
		if (!cases[i].attempts)
			continue;
		assert_int_equal(house_view(qid).delivery->attempts, cases[i].attempts);
		assert_int_equal(house_view(qid).stand, QUEUE_STAND_RETRY);
		/* Then those who were deferred are asked about, and nobody else. */
		house_pass(2 * MINUTE);
		for (size_t n = 0; n < house_job()->message.recipient_count; n++)
			assert_int_equal(cases[i].replies[about(house_job())[n] - '0'], '~');
		house_answer(house_job(), "250 ok");
		assert_false(house_has(qid));
	}
}

/* Whom the first transaction delivered to is in stable storage before the second begins. */
static void each_transaction_is_noted(void **state)
{
	uint64_t qid = house_add("alice", alice, six);
	struct delivery d;

	(void)state;
	house_run();
	answer(house_job(), 2, "+-++++");
	assert_string_equal(house_written(qid), "note");
	d = house_note();
	assert_int_equal(d.attempts, 0);
	assert_int_equal(d.next_ms, 0);
	assert_int_equal(d.recipients[0].state, RECIPIENT_DELIVERED);
	assert_int_equal(d.recipients[1].state, RECIPIENT_FAILED);
	assert_true(d.recipients[1].is_owed);
	assert_int_equal(d.recipients[2].state, RECIPIENT_WAITING);
	assert_null(d.recipients[2].text);
	delivery_fini(&d);
	assert_int_equal(house_said("continued", "recipients=4"), 1);
	assert_int_equal(house.notice_count, 0);
	answer(house_job(), 4, "++++++");
	assert_int_equal(house.notice_count, 1);
	assert_string_equal(house.notices[0].host, "smtp.example.net");
	assert_string_equal(house_written(qid), "note lazy-settle");
}

/* A try is one, however many transactions it took. */
static void one_attempt_is_one_try(void **state)
{
	uint64_t qid = house_add("alice", alice, six);
	struct queue_view view;

	(void)state;
	house_run();
	for (int i = 0; i < 3; i++)
		answer(house_job(), 2, "~~~~~~");
	view = house_view(qid);
	assert_int_equal(view.delivery->try_count, 1);
	assert_int_equal(view.delivery->tries[0].times, 1);
	assert_int_equal(view.delivery->tries[0].recipients, 6);
	house_pass(2 * MINUTE);
	house_answer(house_job(), "250 ok");
}

static char *addresses(size_t count)
{
	char *text = malloc(count * 16), *at = text;

	for (size_t i = 0; i < count; i++)
		at += sprintf(at, "%s%zu@x", i ? " " : "", i);
	return text;
}

static void a_thousand_go_by_hundreds(void **state)
{
	unsigned char heard[MANY] = { 0 };
	char *recipients = addresses(MANY);
	uint64_t qid = house_add("alice", alice, recipients);

	(void)state;
	house_run();
	while (!list_is_empty(&house.jobs)) {
		struct relay_job *job = house_job();

		for (size_t i = 0; i < job->message.recipient_count; i++) {
			if (i >= ALL) {
				house_leave(job, i);
				continue;
			}
			heard[atoi((const char *)job->message.recipients[i].at)]++;
			house_hear(job, i, "250 ok");
		}
		house_end(job);
		house_run();
	}
	assert_int_equal(house.sent, MANY / ALL);
	for (size_t i = 0; i < MANY; i++)
		assert_int_equal(heard[i], 1);
	assert_false(house_has(qid));
	assert_true(house.now_ms == 1000000); /* no time passed */
	free(recipients);
}

/* Others of the same account, and other accounts, have their turns between. */
static void nobody_starves(void **state)
{
	uint64_t large, small, other;

	(void)state;
	house.conf.active = 1;
	queue_renew(house.queue, &house.conf);
	large = house_add("alice", alice, six);
	small = house_add("alice", alice, "7@x");
	other = house_add("bob", "bob@example.com", "8@x");
	house_run();
	answer(house_job_of(large), 2, "++++++");
	house_answer(house_job_of(other), "250 ok");
	house_answer(house_job_of(small), "250 ok");
	answer(house_job_of(large), 2, "++++++");
	answer(house_job_of(large), 2, "++++++");
	assert_false(house_has(large));
}

/* The smarthosts are gone before the second transaction: that is no attempt, and it waits in line. */
static void the_rest_waits_for_a_smarthost(void **state)
{
	uint64_t qid = house_add("alice", alice, six);

	(void)state;
	house_run();
	answer(house_job(), 2, "~-++++");
	house.room = 0;
	house.looks[0].paused_ms = 60000;
	house.looks[0].reason = "connection refused";
	house_give_back(house_job());
	house_pass(HOUR);
	assert_int_equal(house_view(qid).delivery->attempts, 0);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_NO_SMARTHOST);
	assert_int_equal(house.sent, 2);
	house.room = 8;
	queue_on_room(house.queue);
	house_run();
	assert_string_equal(about(house_job()), "2345");
	answer(house_job(), 4, "++++++");
	assert_int_equal(house.notice_count, 1);
	assert_string_equal(house.notices[0].places, "1");
	assert_int_equal(house_view(qid).delivery->attempts, 1);
	house_pass(2 * MINUTE);
	assert_string_equal(about(house_job()), "0");
	house_answer(house_job(), "250 ok");
}

/* A relay that has room, and whose smarthost takes nobody: after a while that is a failed attempt like
 * others, and the message pauses longer and longer instead of coming back each second. */
static void who_takes_nobody_is_not_asked_for_ever(void **state)
{
	uint64_t qid = house_add("alice", alice, six), other;
	unsigned before;

	(void)state;
	house.gives_back = true;
	for (int i = 0; i < 30; i++) {
		house.room = 8;
		house_pass(1000);
	}
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_RETRY);
	assert_int_equal(house_view(qid).delivery->attempts, 1);
	assert_true(house.sent <= 10);
	house.gives_back = false;
	other = house_add("bob", alice, "7@x");
	house_run();
	house_answer(house_job_of(other), "250 ok");
	/* And it is heard again as soon as it can be sent. */
	before = house.sent;
	house_pass(2 * MINUTE);
	assert_int_equal(house.sent, before + 1);
	house_answer(house_job_of(qid), "250 ok");
}

/* By hand, between two transactions */

static int status_of_order;

static void on_done(struct queue_order *order, int status, const struct fault *fault)
{
	(void)order, (void)fault;
	status_of_order = status;
}

static void act(uint64_t qid, enum queue_action action)
{
	struct queue_order order = { .action = action, .done = on_done };

	status_of_order = 1;
	queue_act(house.queue, qid, &order);
	house_run();
	assert_int_equal(status_of_order, 0);
}

static uint64_t stand_between(void)
{
	uint64_t qid = house_add("alice", alice, six);

	house.room = 1;
	house.notice_count = 0;
	house_run();
	answer(house_job(), 2, "-+++++");
	assert_int_equal(house_view(qid).delivery->attempts, 0);
	assert_true(list_is_empty(&house.jobs));
	return qid;
}

static const struct {
	const char *name;
	enum queue_action action;
	bool is_gone, is_held;
	unsigned notices;
	const char *next; /* whom the next transaction is about */
} orders[] = {
	{ "flush", QUEUE_FLUSH, false, false, 0, "2345" },
	{ "hold", QUEUE_HOLD, false, true, 1, "2345" },
	{ "release", QUEUE_RELEASE, false, false, 0, "2345" },
	{ "remove", QUEUE_REMOVE, true, false, 0, NULL },
	{ "bounce", QUEUE_BOUNCE, true, false, 1, NULL },
	{ "reroute", QUEUE_REROUTE, false, false, 0, "2345" },
};

static void orders_come_between(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		uint64_t qid = stand_between();

		act(qid, orders[i].action);
		if (house_has(qid) == orders[i].is_gone || house.notice_count != orders[i].notices)
			fail_msg("%s: %zu notices", orders[i].name, house.notice_count);
		if (orders[i].is_gone)
			continue;
		assert_int_equal(house_view(qid).stand == QUEUE_STAND_HELD, orders[i].is_held);
		if (orders[i].is_held)
			act(qid, QUEUE_RELEASE);
		house.room = 8;
		queue_on_room(house.queue);
		house_run();
		assert_string_equal(about(house_job()), orders[i].next);
		answer(house_job(), 4, "++++++");
		assert_false(house_has(qid));
		assert_int_equal(house.notice_count, 1);
	}
}

/* The daemon stops after the first transaction: that one is noted, and the next start goes on. */
static void a_stop_comes_between(void **state)
{
	uint64_t qid = house_add("alice", alice, six);
	struct envelope e = house_envelope(qid, "alice", alice, six, 0);
	struct spool_found found = { .id = qid };
	struct buf record = { 0 };

	(void)state;
	house_run();
	answer(house_job(), 2, "++++++");
	house_give_back(house_job());
	house_restart();
	envelope_encode(&e, &record);
	found.envelope = buf_span(&record);
	found.note = buf_span(&house.note);
	assert_int_equal(queue_recover(house.queue, &found), 0);
	house_run();
	assert_string_equal(about(house_job()), "2345");
	answer(house_job(), 4, "++++++");
	assert_false(house_has(qid));
	envelope_fini(&e);
	buf_fini(&record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_is_asked_about_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(each_transaction_is_noted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_attempt_is_one_try, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_thousand_go_by_hundreds, set_up, tear_down),
		cmocka_unit_test_setup_teardown(nobody_starves, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_rest_waits_for_a_smarthost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_takes_nobody_is_not_asked_for_ever, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(orders_come_between, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stop_comes_between, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
