/* tests/unit/queue/future.c: what is to go later goes then: by the wall clock, whatever it does, over a
 * restart, and sooner when somebody says so.
 */
#include "test.h"

#include "house.h"

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

static void act(uint64_t qid, enum queue_action action);

static void it_goes_when_its_sender_said(void **state)
{
	int64_t release_ms = house.wall_ms + 3 * DAY;
	uint64_t qid = house_add_future("alice", release_ms), other;
	struct queue_view view;

	(void)state;
	house_pass(DAY);
	view = house_view(qid);
	assert_int_equal(view.stand, QUEUE_STAND_FUTURE);
	assert_true(view.next_ms == release_ms);
	assert_true(view.envelope->release_ms == release_ms);
	assert_true(view.delivery->next_ms == release_ms);
	assert_true(view.warn_ms == release_ms + 4 * HOUR);
	assert_true(view.expire_ms == release_ms + 5 * DAY);
	assert_int_equal(house_said("future", "next_s=259200"), 1);
	/* It is in nobody's way. */
	other = house_add("alice", "alice@example.com", "bob@example.net");
	house_run();
	house_answer(house_job_of(other), "250 ok");
	house_pass(2 * DAY - 1);
	assert_int_equal(house.sent, 1);
	house_pass(1);
	assert_int_equal(house.sent, 2);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_ACTIVE);
	house_answer(house_job(), "250 ok");
	assert_false(house_has(qid));
	assert_string_equal(house_written(qid), "lazy-settle");
}

static void a_date_that_is_past_delays_nothing(void **state)
{
	uint64_t qid = house_add_future("alice", house.wall_ms - 1);

	(void)state;
	house_run();
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_ACTIVE);
	house_answer(house_job(), "451 4.7.1 later");
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_RETRY);
	house_pass(2 * MINUTE);
	house_answer(house_job(), "250 ok");
}

/* Not counted are the days before. */
static void its_age_begins_with_its_release(void **state)
{
	uint64_t qid = house_add_future("alice", house.wall_ms + 20 * DAY);
	int64_t left;

	(void)state;
	house_pass(20 * DAY - 1);
	house.room = 0;
	house.looks[0].reason = "connection refused";
	house.looks[0].paused_ms = 1000;
	house_pass(4 * HOUR - MINUTE);
	assert_int_equal(house.notice_count, 0);
	house_pass(2 * MINUTE);
	assert_int_equal(house.notice_count, 1);
	assert_int_equal(house.notices[0].action, MAIL_DSN_DELAYED);
	left = house_view(qid).expire_ms - house.wall_ms;
	house_pass(left - MINUTE);
	assert_true(house_has(qid));
	house_pass(2 * MINUTE);
	assert_false(house_has(qid));
	assert_int_equal(house.notice_count, 2);
	assert_true(house.notices[1].is_expired);
}

static const struct {
	const char *name;
	int64_t jump_ms;
	int64_t sent_from_ms, sent_to_ms; /* of the loop's time, after the message came */
} jumps[] = {
	{ "forward", 2 * HOUR, 8 * HOUR, 8 * HOUR },
	{ "forward, beyond its release", 2 * DAY, 1 * HOUR, 1 * HOUR + MINUTE },
	{ "back", -5 * HOUR, 15 * HOUR, 15 * HOUR },
	{ "back by a year", -365LL * DAY, 365LL * DAY + 10 * HOUR, 365LL * DAY + 10 * HOUR },
};

/* It comes ten hours before its release; the clock jumps after one. */
static void the_wall_clock_decides(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		int64_t release_ms = house.wall_ms + 10 * HOUR;
		int64_t from_ms = house.now_ms;
		unsigned before = house.sent;
		uint64_t qid = house_add_future("alice", release_ms);

		house_pass(HOUR);
		house.wall_ms += jumps[i].jump_ms;
		house_pass(jumps[i].sent_from_ms - HOUR - 1);
		if (house.sent != before)
			fail_msg("%s: sent too early", jumps[i].name);
		house_pass(1 + jumps[i].sent_to_ms - jumps[i].sent_from_ms);
		if (house.sent != before + 1)
			fail_msg("%s: not sent after %lld minutes", jumps[i].name,
				 (long long)((house.now_ms - from_ms) / MINUTE));
		assert_true(house_view(qid).expire_ms <= house.wall_ms + 5 * DAY);
		house_answer(house_job(), "250 ok");
	}
}

/* Also with the next attempts, and with its age. */
static void what_was_released_stays_so(void **state)
{
	uint64_t qid = house_add_future("alice", house.wall_ms + HOUR);

	(void)state;
	house_pass(HOUR);
	house_answer(house_job(), "451 4.7.1 later");
	house.wall_ms -= 10 * DAY;
	house_pass(2 * MINUTE);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_ACTIVE);
	house_answer(house_job(), "451 4.7.1 later");
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_RETRY);
	assert_true(house_view(qid).expire_ms <= house.wall_ms + 5 * DAY);
	act(qid, QUEUE_REMOVE);
}

/* Of messages without a date nobody asks what the wall says. */
static void others_have_nothing_to_do_with_the_wall(void **state)
{
	uint64_t qid = house_add("alice", "alice@example.com", "bob@example.net");
	uint64_t future = house_add_future("alice", house.wall_ms + DAY);

	(void)state;
	house_run();
	house_answer(house_job_of(qid), "451 4.7.1 later");
	house.wall_ms -= 10 * DAY;
	house_pass(2 * MINUTE);
	house_answer(house_job_of(qid), "250 ok");
	act(future, QUEUE_REMOVE);
}

static void many_wait_in_the_order_of_their_dates(void **state)
{
	static const int64_t hours[] = { 5, 3, 4, 1, 2 };

	(void)state;
	for (size_t i = 0; i < 5; i++)
		house_add_future("alice", house.wall_ms + hours[i] * HOUR);
	for (uint64_t i = 1; i <= 5; i++) {
		house_pass(HOUR);
		assert_int_equal(house.sent, i);
		assert_int_equal(hours[house_job()->qid - 1], i);
		house_answer(house_job(), "250 ok");
	}
}

/* Orders, and the next start */

static void on_done(struct queue_order *order, int status, const struct fault *fault)
{
	(void)order, (void)fault;
	assert_int_equal(status, 0);
}

static void act(uint64_t qid, enum queue_action action)
{
	struct queue_order order = { .action = action, .done = on_done };

	queue_act(house.queue, qid, &order);
	house_run();
}

static void recover(uint64_t qid, int64_t arrived_ms, int64_t release_ms, bool has_note)
{
	struct envelope e = house_envelope(qid, "alice", "alice@example.com", "bob@example.net", 0);
	struct spool_found found = { .id = qid };
	struct buf record = { 0 };

	e.arrived_ms = arrived_ms;
	e.release_ms = release_ms;
	envelope_encode(&e, &record);
	found.envelope = buf_span(&record);
	if (has_note)
		found.note = buf_span(&house.note);
	assert_int_equal(queue_recover(house.queue, &found), 0);
	envelope_fini(&e);
	buf_fini(&record);
}

/* What was done to it, and where it stands after a start one hour later; its date is a day off. */
static const struct {
	const char *name;
	enum queue_action actions[2];
	unsigned count;
	enum queue_stand stand;
} starts[] = {
	{ "nothing", { 0 }, 0, QUEUE_STAND_FUTURE },
	{ "held", { QUEUE_HOLD }, 1, QUEUE_STAND_HELD },
	{ "held and released", { QUEUE_HOLD, QUEUE_RELEASE }, 2, QUEUE_STAND_FUTURE },
	{ "rerouted", { QUEUE_REROUTE }, 1, QUEUE_STAND_FUTURE },
	{ "flushed", { QUEUE_FLUSH }, 1, QUEUE_STAND_LINE },
};

static void a_start_knows_the_date(void **state)
{
	(void)state;
	house.room = 0;
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		int64_t arrived_ms = house.wall_ms, release_ms = arrived_ms + DAY;
		uint64_t qid = house_add_future("alice", release_ms);
		struct queue_view view;

		for (unsigned n = 0; n < starts[i].count; n++)
			act(qid, starts[i].actions[n]);
		house_restart();
		house_pass(HOUR);
		recover(qid, arrived_ms, release_ms, starts[i].count > 0);
		house_run();
		view = house_view(qid);
		if (view.stand != starts[i].stand)
			fail_msg("%s: stands as %s", starts[i].name, queue_stand_word(view.stand));
		if (view.stand == QUEUE_STAND_FUTURE) {
			assert_true(view.next_ms == release_ms);
			house_pass(DAY - HOUR - 1);
			assert_int_equal(house_view(qid).stand, QUEUE_STAND_FUTURE);
			house_pass(1);
			assert_int_equal(house_view(qid).stand, QUEUE_STAND_LINE);
			assert_true(house_view(qid).expire_ms == release_ms + 5 * DAY);
		}
		act(qid, QUEUE_REMOVE);
	}
}

/* The date passed while nothing ran: it has its age from there. */
static void a_start_after_the_date_sends(void **state)
{
	int64_t release_ms = house.wall_ms - 2 * HOUR;

	(void)state;
	house_restart();
	recover(77, release_ms - 10 * DAY, release_ms, false);
	house_run();
	assert_int_equal(house_view(77).stand, QUEUE_STAND_ACTIVE);
	assert_true(house_view(77).expire_ms == release_ms + 5 * DAY);
	house_answer(house_job(), "250 ok");
}

/* Two days after its date somebody lets it go, with the age that it has. */
static void a_hold_outlasts_the_date(void **state)
{
	int64_t release_ms = house.wall_ms + DAY;
	uint64_t qid = house_add_future("alice", release_ms);

	(void)state;
	act(qid, QUEUE_HOLD);
	house_pass(3 * DAY);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_HELD);
	assert_int_equal(house.sent, 0);
	act(qid, QUEUE_RELEASE);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_ACTIVE);
	assert_true(house_view(qid).expire_ms == release_ms + 5 * DAY);
	house_answer(house_job(), "250 ok");
}

static void a_reload_changes_nothing(void **state)
{
	int64_t release_ms = house.wall_ms + 20 * DAY;
	uint64_t qid = house_add_future("alice", release_ms);

	(void)state;
	house_run();
	house.conf.expire_ms = DAY;
	house.conf.warn_ms = HOUR;
	queue_renew(house.queue, &house.conf);
	house_pass(20 * DAY - 1);
	assert_int_equal(house_view(qid).stand, QUEUE_STAND_FUTURE);
	assert_true(house_view(qid).next_ms == release_ms);
	assert_int_equal(house.notice_count, 0);
	house_pass(1);
	house_answer(house_job(), "250 ok");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_goes_when_its_sender_said, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_date_that_is_past_delays_nothing, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(its_age_begins_with_its_release, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_wall_clock_decides, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_released_stays_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(others_have_nothing_to_do_with_the_wall, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(many_wait_in_the_order_of_their_dates, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_start_knows_the_date, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_start_after_the_date_sends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_hold_outlasts_the_date, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_reload_changes_nothing, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
