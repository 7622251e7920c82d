/* tests/unit/queue/acts.c: what an administrator may ask for, wherever the message stands, and that it
 * is answered once the spool has it. */
#include "test.h"

#include "house.h"

#include <errno.h>
#include <string.h>

enum { MINUTE = 60 * 1000, HOUR = 60 * MINUTE };

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

struct test_order {
	struct queue_order order;
	unsigned times;
	int status;
	char text[200];
};

static void on_done(struct queue_order *order, int status, const struct fault *fault)
{
	struct test_order *o = list_entry(order, struct test_order, order);

	o->times++;
	o->status = status;
	strcpy(o->text, fault ? fault->text : "");
}

/* Never inside queue_act(). */
static void give(struct test_order *o, uint64_t qid, enum queue_action action)
{
	*o = (struct test_order){ .order = { .action = action, .done = on_done } };
	queue_act(house.queue, qid, &o->order);
	assert_int_equal(o->times, 0);
}

static void act(uint64_t qid, enum queue_action action)
{
	struct test_order o;

	give(&o, qid, action);
	house_run();
	assert_int_equal(o.times, 1);
	if (o.status)
		fail_msg("%s", o.text);
}

/* Where it stands before: */
enum place { LINE, PAUSED, HELD, FUTURE, FUTURE_HELD };

static uint64_t stand_at(enum place place)
{
	uint64_t qid;

	house.room = place == PAUSED ? 1 : 0;
	qid = place < FUTURE ? house_add("alice", alice, bob)
			     : house_add_future("alice", house.wall_ms + HOUR);
	house_run();
	if (place == PAUSED)
		house_answer(house_job(), "451 4.7.1 later");
	if (place == HELD || place == FUTURE_HELD)
		act(qid, QUEUE_HOLD);
	house.hurries = house.write_count = house.notice_count = house.log_octets = 0;
	house.room = 0;
	return qid;
}

#define GONE -1

static const struct {
	const char *name;
	enum place place;
	enum queue_action action;
	int after; /* enum queue_stand, or GONE */
	const char *written, *event;
	unsigned hurries, notices;
} cases[] = {
	{ "flush in line", LINE, QUEUE_FLUSH, QUEUE_STAND_LINE, "", "flushed", 1, 0 },
	{ "flush paused", PAUSED, QUEUE_FLUSH, QUEUE_STAND_LINE, "note", "flushed", 1, 0 },
	{ "flush held", HELD, QUEUE_FLUSH, QUEUE_STAND_HELD, "", NULL, 0, 0 },
	{ "hold in line", LINE, QUEUE_HOLD, QUEUE_STAND_HELD, "note", "held", 0, 0 },
	{ "hold paused", PAUSED, QUEUE_HOLD, QUEUE_STAND_HELD, "note", "held", 0, 0 },
	{ "hold held", HELD, QUEUE_HOLD, QUEUE_STAND_HELD, "", NULL, 0, 0 },
	{ "release in line", LINE, QUEUE_RELEASE, QUEUE_STAND_LINE, "", NULL, 0, 0 },
	{ "release paused", PAUSED, QUEUE_RELEASE, QUEUE_STAND_RETRY, "", NULL, 0, 0 },
	{ "release held", HELD, QUEUE_RELEASE, QUEUE_STAND_LINE, "note", "released", 1, 0 },
	{ "remove in line", LINE, QUEUE_REMOVE, GONE, "settle", "removed", 0, 0 },
	{ "remove paused", PAUSED, QUEUE_REMOVE, GONE, "settle", "removed", 0, 0 },
	{ "remove held", HELD, QUEUE_REMOVE, GONE, "settle", "removed", 0, 0 },
	{ "bounce in line", LINE, QUEUE_BOUNCE, GONE, "settle", "given-up", 0, 1 },
	{ "bounce paused", PAUSED, QUEUE_BOUNCE, GONE, "settle", "given-up", 0, 1 },
	{ "bounce held", HELD, QUEUE_BOUNCE, GONE, "settle", "given-up", 0, 1 },
	{ "reroute in line", LINE, QUEUE_REROUTE, QUEUE_STAND_LINE, "note", "rerouted", 1, 0 },
	{ "reroute paused", PAUSED, QUEUE_REROUTE, QUEUE_STAND_LINE, "note", "rerouted", 1, 0 },
	{ "reroute held", HELD, QUEUE_REROUTE, QUEUE_STAND_HELD, "note", "rerouted", 0, 0 },
	{ "flush future", FUTURE, QUEUE_FLUSH, QUEUE_STAND_LINE, "note", "flushed", 1, 0 },
	{ "hold future", FUTURE, QUEUE_HOLD, QUEUE_STAND_HELD, "note", "held", 0, 0 },
	{ "release future", FUTURE, QUEUE_RELEASE, QUEUE_STAND_FUTURE, "", NULL, 0, 0 },
	{ "remove future", FUTURE, QUEUE_REMOVE, GONE, "settle", "removed", 0, 0 },
	{ "bounce future", FUTURE, QUEUE_BOUNCE, GONE, "settle", "given-up", 0, 1 },
	{ "reroute future", FUTURE, QUEUE_REROUTE, QUEUE_STAND_FUTURE, "note", "rerouted", 1, 0 },
	{ "flush held future", FUTURE_HELD, QUEUE_FLUSH, QUEUE_STAND_HELD, "", NULL, 0, 0 },
	{ "release held future", FUTURE_HELD, QUEUE_RELEASE, QUEUE_STAND_FUTURE, "note", "released",
	  1, 0 },
	{ "remove held future", FUTURE_HELD, QUEUE_REMOVE, GONE, "settle", "removed", 0, 0 },
	{ "bounce held future", FUTURE_HELD, QUEUE_BOUNCE, GONE, "settle", "given-up", 0, 1 },
};

static void check(size_t i, uint64_t qid)
{
	int after = house_has(qid) ? (int)house_view(qid).stand : GONE;

	if (after != cases[i].after || strcmp(house_written(qid), cases[i].written) != 0 ||
	    house.hurries != cases[i].hurries || house.notice_count != cases[i].notices)
		fail_msg("%s: stands at %d, wrote \"%s\", %u hurries, %zu notices", cases[i].name,
			 after, house_written(qid), house.hurries, house.notice_count);
	if (cases[i].event && house_said(cases[i].event, "qid=") != 1)
		fail_msg("%s: not in the log", cases[i].name);
}

static void each_action_at_each_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t qid = stand_at(cases[i].place);

		act(qid, cases[i].action);
		check(i, qid);
		if (house_has(qid))
			act(qid, QUEUE_REMOVE);
	}
	assert_int_equal(house.counters.queue_held, 0);
	assert_int_equal(queue_length(house.queue), 0);
}

/* done() comes when the spool has it, and says when it has not. */
static void what_is_asked_for_is_stored_first(void **state)
{
	static const enum queue_action actions[] = { QUEUE_HOLD, QUEUE_RELEASE, QUEUE_REROUTE,
						     QUEUE_BOUNCE, QUEUE_REMOVE };

	(void)state;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		for (int error = 0; error >= -ENOSPC; error -= ENOSPC) {
			uint64_t qid = stand_at(actions[i] == QUEUE_RELEASE ? HELD : PAUSED);
			struct test_order o;

			house.is_spool_slow = true;
			give(&o, qid, actions[i]);
			house_run();
			assert_int_equal(o.times, 0);
			house.spool_error = error;
			house_finish_slow();
			assert_int_equal(o.times, 1);
			assert_int_equal(o.status, error);
			assert_int_equal(error == 0, o.text[0] == '\0');
			house.spool_error = 0;
			house.is_spool_slow = false;
			if (house_has(qid))
				act(qid, QUEUE_REMOVE);
		}
	}
}

static void unknown_is_told(void **state)
{
	struct test_order o;

	(void)state;
	give(&o, 12345, QUEUE_FLUSH);
	house_run();
	assert_int_equal(o.times, 1);
	assert_int_equal(o.status, -ENOENT);
	assert_true(o.text[0]);
}

static void a_held_one_is_noted_as_held(void **state)
{
	uint64_t qid = stand_at(PAUSED);
	struct delivery d;

	(void)state;
	act(qid, QUEUE_HOLD);
	assert_int_equal(house.counters.queue_held, 1);
	d = house_note();
	assert_true(d.is_held);
	assert_int_equal(d.attempts, 1);
	assert_int_equal(d.next_ms, 0);
	assert_string_equal(d.recipients[0].text, "later");
	delivery_fini(&d);
	house.room = 100;
	house_pass(2 * HOUR);
	assert_int_equal(house.sent, 1);
	act(qid, QUEUE_RELEASE);
	d = house_note();
	assert_false(d.is_held);
	delivery_fini(&d);
	assert_int_equal(house.sent, 2);
	assert_int_equal(house.counters.queue_held, 0);
	house_answer(house_job(), "250 ok");
}

static void a_flushed_one_goes_at_once(void **state)
{
	uint64_t qid = stand_at(PAUSED);
	struct delivery d;

	(void)state;
	house.room = 1;
	act(qid, QUEUE_FLUSH);
	assert_int_equal(house.sent, 2);
	d = house_note();
	assert_int_equal(d.next_ms, 0);
	delivery_fini(&d);
	house_answer(house_job(), "451 4.7.1 later");
	/* The schedule goes on: it was the second attempt. */
	assert_int_equal(house_view(qid).delivery->attempts, 2);
	assert_true(house_view(qid).next_ms > house.wall_ms + 3 * MINUTE);
}

static void a_rerouted_one_begins_anew(void **state)
{
	uint64_t qid = stand_at(PAUSED);
	struct delivery d;

	(void)state;
	house.room = 1;
	act(qid, QUEUE_REROUTE);
	assert_int_equal(house.sent, 2);
	d = house_note();
	assert_int_equal(d.attempts, 0);
	assert_int_equal(d.next_ms, 0);
	assert_int_equal(d.try_count, 1);
	delivery_fini(&d);
	house_answer(house_job(), "451 4.7.1 later");
	assert_int_equal(house_view(qid).delivery->attempts, 1);
	assert_true(house_view(qid).next_ms < house.wall_ms + 2 * MINUTE);
}

static void who_waits_is_given_up(void **state)
{
	uint64_t qid = house_add("alice", alice, "bob@example.net carol@example.net");

	(void)state;
	house_run();
	house_hear(house_job(), 0, "250 ok");
	house_hear(house_job(), 1, "450 4.2.0 later");
	house_end(house_job());
	house_run();
	act(qid, QUEUE_BOUNCE);
	assert_int_equal(house.notice_count, 1);
	assert_int_equal(house.notices[0].action, MAIL_DSN_FAILED);
	assert_string_equal(house.notices[0].places, "1");
	assert_true(house.notices[0].is_by_hand);
	assert_false(house.notices[0].is_expired);
	assert_string_equal(house.notices[0].text, "Given up by the administrator");
	assert_int_equal(house.notices[0].status.class, 5);
	assert_string_equal(house_written(qid), "note settle");
}

static void a_notice_comes_before_the_settle(void **state)
{
	uint64_t qid = stand_at(PAUSED);
	struct test_order o, second;

	(void)state;
	house.is_notice_slow = true;
	give(&o, qid, QUEUE_BOUNCE);
	give(&second, qid, QUEUE_HOLD);
	house_run();
	assert_int_equal(o.times + second.times, 0);
	assert_string_equal(house_written(qid), "");
	house_finish_notice(0);
	assert_string_equal(house_written(qid), "settle");
	assert_int_equal(o.times, 1);
	assert_int_equal(o.status, 0);
	assert_int_equal(second.times, 1);
	assert_int_equal(second.status, -ENOENT);
}

static void a_notice_that_fails_is_told_and_made_again(void **state)
{
	uint64_t qid = stand_at(PAUSED);
	struct test_order o, hold;

	(void)state;
	house.notice_error = -ENOSPC;
	give(&o, qid, QUEUE_BOUNCE);
	house_run();
	assert_int_equal(o.times, 1);
	assert_int_equal(o.status, -ENOSPC);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_NOTICE);
	give(&hold, qid, QUEUE_HOLD);
	house.notice_error = 0;
	house_pass(2 * MINUTE);
	assert_int_equal(house.notice_count, 2);
	assert_false(house_has(qid));
	assert_int_equal(o.times, 1);
	assert_int_equal(hold.status, -ENOENT);
	assert_int_equal(house.sent, 1);
}

static uint64_t active_one(void)
{
	uint64_t qid = house_add("alice", alice, bob);

	house_run();
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_ACTIVE);
	return qid;
}

static void others_wait_for_the_attempt(void **state)
{
	struct test_order hold, reroute;
	uint64_t qid = active_one();

	(void)state;
	give(&reroute, qid, QUEUE_REROUTE);
	give(&hold, qid, QUEUE_HOLD);
	house_run();
	assert_int_equal(hold.times + reroute.times, 0);
	house_answer(house_job(), "451 4.7.1 later");
	assert_int_equal(hold.times + reroute.times, 2);
	assert_int_equal(hold.status, 0);
	assert_int_equal(reroute.status, 0);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_HELD);
	assert_string_equal(house_written(qid), "lazy-note note note");
	act(qid, QUEUE_REMOVE);
	/* It is delivered before it can be held. */
	qid = active_one();
	give(&hold, qid, QUEUE_HOLD);
	house_answer(house_job(), "250 ok");
	assert_int_equal(hold.times, 1);
	assert_int_equal(hold.status, -ENOENT);
	/* It is given back untried, and held in place of the next attempt. */
	qid = active_one();
	give(&hold, qid, QUEUE_HOLD);
	house_give_back(house_job());
	house_run();
	assert_int_equal(hold.status, 0);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_HELD);
}

static void removed_while_active(void **state)
{
	struct test_order remove, hold, again;
	uint64_t qid = active_one();

	(void)state;
	give(&hold, qid, QUEUE_HOLD);
	give(&remove, qid, QUEUE_REMOVE);
	give(&again, qid, QUEUE_REMOVE);
	house_run();
	assert_int_equal(remove.times, 1);
	assert_int_equal(remove.status, 0);
	assert_int_equal(hold.status, -ENOENT);
	assert_int_equal(again.status, -ENOENT);
	assert_false(house_has(qid));
	assert_int_equal(queue_length(house.queue), 0);
	assert_string_equal(house_written(qid), "settle");
	house_answer(house_job(), "550 5.1.1 unknown");
	assert_int_equal(house.notice_count, 0);
	assert_int_equal(house_said("failed", "unknown"), 1);
	assert_string_equal(house_written(qid), "settle");
}

static void removed_while_its_notice_is_written(void **state)
{
	uint64_t qid = active_one();

	(void)state;
	house.is_notice_slow = true;
	house_answer(house_job(), "550 5.1.1 unknown");
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_NOTICE);
	act(qid, QUEUE_REMOVE);
	assert_false(house_has(qid));
	house_finish_notice(0);
	assert_string_equal(house_written(qid), "settle");
	assert_int_equal(house.queue->reporting, 0);
}

/* A job that stands in the relay's line comes back, and the order takes effect at once. */
static void what_is_not_carried_yet_is_taken_back(void **state)
{
	static const struct {
		enum queue_action action;
		int after;
		const char *written;
		unsigned notices;
	} orders[] = {
		{ QUEUE_REMOVE, GONE, "settle", 0 },
		{ QUEUE_HOLD, QUEUE_STAND_HELD, "note", 0 },
		{ QUEUE_BOUNCE, GONE, "settle", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		struct test_order flush;
		uint64_t qid = active_one();

		house.is_carried = true;
		give(&flush, qid, QUEUE_FLUSH);
		house.is_carried = false;
		house.write_count = house.notice_count = 0;
		act(qid, orders[i].action);
		assert_true(list_is_empty(&house.jobs));
		assert_int_equal(house.queue->active, 0);
		assert_int_equal(house_has(qid) ? (int)house_view(qid).stand : GONE,
				 orders[i].after);
		assert_string_equal(house_written(qid), orders[i].written);
		assert_int_equal(house.notice_count, orders[i].notices);
		assert_int_equal(flush.times, 1);
		if (house_has(qid)) {
			assert_int_equal(house_view(qid).delivery->attempts, 0);
			act(qid, QUEUE_REMOVE);
		}
	}
}

/* The others wait for the end of the attempt: it would be made anyway. */
static void what_is_to_go_is_not_taken_back(void **state)
{
	static const enum queue_action actions[] = { QUEUE_FLUSH, QUEUE_RELEASE, QUEUE_REROUTE };

	(void)state;
	house.is_carried = false;
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct test_order o;
		uint64_t qid = active_one();

		give(&o, qid, actions[i]);
		house_run();
		assert_int_equal(o.times, 0);
		house_answer(house_job(), "250 ok");
		assert_int_equal(o.status, -ENOENT);
	}
}

/* One was refused before the connection was lost, and the job waits for another one. */
static void what_was_heard_before_it_was_taken_back_counts(void **state)
{
	uint64_t qid = house_add("alice", alice, "bob@example.net carol@example.net");
	struct delivery d;

	(void)state;
	house_run();
	house_hear(house_job(), 0, "550 5.1.1 unknown");
	house.is_carried = false;
	act(qid, QUEUE_HOLD);
	assert_int_equal(house.notice_count, 1);
	assert_string_equal(house.notices[0].places, "0");
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_HELD);
	assert_int_equal(house_view(qid).delivery->attempts, 1);
	d = house_note();
	assert_true(d.is_held);
	assert_int_equal(d.recipients[0].state, RECIPIENT_FAILED);
	assert_false(d.recipients[0].is_owed);
	assert_int_equal(d.recipients[1].state, RECIPIENT_WAITING);
	delivery_fini(&d);
	house.is_carried = true;
	act(qid, QUEUE_RELEASE);
	assert_int_equal(house_job()->message.recipient_count, 1);
	house_answer(house_job(), "250 ok");
}

/* One removed, one with an order that waits, one whose notice is being written. */
/* What recovery found has nothing under way yet, not even where a notice is the first thing to come. */
static void what_owes_a_notice_after_a_start_takes_orders(void **state)
{
	struct envelope e =
		house_envelope(7, "alice", alice, "bob@example.net carol@example.net", 0);
	struct buf envelope = { 0 }, note = { 0 };
	struct spool_found found = { .id = 7 };
	struct delivery d;
	struct test_order o;

	(void)state;
	delivery_init(&d, 2);
	d.recipients[0].state = RECIPIENT_FAILED;
	d.recipients[0].is_owed = true;
	envelope_encode(&e, &envelope);
	delivery_encode(&d, &note);
	found.envelope = buf_span(&envelope);
	found.note = buf_span(&note);
	assert_int_equal(queue_recover(house.queue, &found), 0);
	give(&o, 7, QUEUE_HOLD);
	house_run();
	assert_int_equal(o.times, 1);
	assert_int_equal(o.status, 0);
	assert_int_equal(house.notice_count, 1);
	assert_int_equal(house_view(7).stand, QUEUE_STAND_HELD);
	delivery_fini(&d);
	envelope_fini(&e);
	buf_fini(&envelope);
	buf_fini(&note);
}

static void a_stop_answers_everybody(void **state)
{
	struct test_order remove, hold, late;
	uint64_t first = active_one(), second = active_one();
	struct queue *queue = house.queue;

	(void)state;
	give(&remove, first, QUEUE_REMOVE);
	give(&hold, second, QUEUE_HOLD);
	queue_free(queue, NULL, NULL);
	house_run();
	give(&late, second, QUEUE_FLUSH);
	house_run();
	assert_int_equal(remove.status, 0);
	assert_int_equal(late.status, -ESHUTDOWN);
	assert_int_equal(hold.times, 0);
	house_answer(house_job_of(first), "250 ok");
	house_answer(house_job_of(second), "451 4.7.1 later");
	assert_int_equal(hold.times, 1);
	assert_int_equal(hold.status, -ESHUTDOWN);
	assert_string_equal(house_written(second), "note");
	house.queue = queue_new(&house.conf);
}

static unsigned done_count;

static void count_done(struct queue_order *order, int status, const struct fault *fault)
{
	(void)order, (void)fault;
	assert_int_equal(status, 0);
	done_count++;
}

static void thousands_at_once(void **state)
{
	enum { MANY = 20000 };
	static struct queue_order orders[MANY];

	(void)state;
	house.room = 0;
	done_count = 0;
	for (int i = 0; i < MANY; i++)
		house_add("alice", alice, bob);
	for (int i = 0; i < MANY; i++) {
		orders[i] = (struct queue_order){ .action = QUEUE_HOLD, .done = count_done };
		queue_act(house.queue, (uint64_t)i + 1, &orders[i]);
	}
	/* All are on their way to the spool before the first is answered: they share its batches. */
	assert_int_equal(house.write_count, MANY);
	house_run();
	assert_int_equal(done_count, MANY);
	assert_int_equal(house.counters.queue_held, MANY);
	for (int i = 0; i < MANY; i++) {
		orders[i] = (struct queue_order){ .action = QUEUE_RELEASE, .done = count_done };
		queue_act(house.queue, (uint64_t)i + 1, &orders[i]);
	}
	house_run();
	assert_int_equal(done_count, 2 * MANY);
	assert_int_equal(house.hurries, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_action_at_each_place),
		TEST(what_is_asked_for_is_stored_first),
		TEST(unknown_is_told),
		TEST(a_held_one_is_noted_as_held),
		TEST(a_flushed_one_goes_at_once),
		TEST(a_rerouted_one_begins_anew),
		TEST(who_waits_is_given_up),
		TEST(a_notice_comes_before_the_settle),
		TEST(a_notice_that_fails_is_told_and_made_again),
		TEST(others_wait_for_the_attempt),
		TEST(removed_while_active),
		TEST(removed_while_its_notice_is_written),
		TEST(what_is_not_carried_yet_is_taken_back),
		TEST(what_is_to_go_is_not_taken_back),
		TEST(what_was_heard_before_it_was_taken_back_counts),
		TEST(what_owes_a_notice_after_a_start_takes_orders),
		TEST(a_stop_answers_everybody),
		TEST(thousands_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
