/* tests/unit/relay/urgent.c: who goes first, how much work there is room for, and when that is told. */
#include "test.h"

#include "pool.h"
#include "rig.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

enum { LONG_MS = 600000 };

static const char content[] = "Subject: t\r\n\r\nHello\r\n";

static struct rig rig;
static struct fake fake, other;
static struct relay_limit *limit, *other_limit;
static struct test_job jobs[64];
static unsigned rooms;

static int set_up(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	memset(&other, 0, sizeof(other));
	fake.offers = other.offers = "250-PIPELINING\r\n";
	limit = relay_limit_new(3, 0);
	other_limit = relay_limit_new(2, 0);
	rig_start(&rig);
	rooms = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_stop(&rig);
	if (fake.port)
		fake_stop(&fake);
	if (other.port)
		fake_stop(&other);
	assert_int_equal(limit->hungry, 0);
	assert_int_equal(limit->open, 0);
	assert_int_equal(other_limit->open, 0);
	relay_limit_free(&limit);
	relay_limit_free(&other_limit);
	return 0;
}

static void on_room(void *user)
{
	(void)user;
	assert_true(relay_room(rig.relay) > 0);
	rooms++;
}

static bool was_room_told(void *user)
{
	return rooms > *(unsigned *)user;
}

static void relay_of(const struct relay_smarthost *to, size_t count)
{
	struct relay_conf conf = rig_relay_conf(&rig, to, count);

	conf.room = on_room;
	rig.relay = relay_new(&conf);
}

static struct relay_smarthost first_smarthost(fake_answer *answer)
{
	fake.answer = answer;
	fake_start(&fake);
	return rig_smarthost("main", fake.port, limit);
}

static void one_smarthost(fake_answer *answer)
{
	struct relay_smarthost to = first_smarthost(answer);

	relay_of(&to, 1);
}

static void one_dead_smarthost(int64_t pause_ms)
{
	struct relay_smarthost to = rig_smarthost("dead", fake_closed_port(), limit);

	to.pause_first_ms = to.pause_most_ms = pause_ms;
	relay_of(&to, 1);
}

static void put(size_t i, bool is_urgent)
{
	job_init(&jobs[i], "alice@example.com",
		 is_urgent ? "urgent@example.net" : "bob@example.net", content);
	jobs[i].job.is_urgent = is_urgent;
	relay_send(rig.relay, &jobs[i].job);
}

static void put_some(size_t from, size_t count)
{
	for (size_t i = from; i < from + count; i++)
		put(i, false);
}

static void wait_for(size_t i)
{
	rig_until(&rig, job_is_done, &jobs[i]);
}

static bool all_done(void *count)
{
	for (size_t i = 0; i < *(size_t *)count; i++)
		if (!jobs[i].is_done)
			return false;
	return true;
}

static void wait_for_all(size_t count)
{
	rig_until(&rig, all_done, &count);
}

static void assert_untried(size_t i, const char *reason)
{
	const struct seen_verdict *v = &jobs[i].verdicts[0];

	assert_int_equal(v->outcome, RELAY_DEFERRED);
	assert_true(v->is_untried);
	assert_string_equal(v->smarthost, "");
	if (!strstr(v->reason, reason))
		fail_msg("\"%s\" is not in \"%s\"", reason, v->reason);
}

static int64_t paused_ms(void)
{
	struct relay_view view;

	assert_true(relay_look(rig.relay, 0, &view));
	return view.paused_ms;
}

static atomic_bool is_held;

static const char *holds_mail(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	while (is_held && strncmp(line, "MAIL", 4) == 0)
		sched_yield();
	return NULL;
}

static const char *holds_greeting(const struct fake_talk *talk, const char *line)
{
	(void)talk;
	while (is_held && line[0] == '\0')
		sched_yield();
	return NULL;
}

static bool one_is_busy(void *user)
{
	struct relay_view view;

	(void)user;
	return relay_look(rig.relay, 0, &view) && view.busy == 1;
}

static bool three_are_busy(void *user)
{
	struct relay_view view;

	(void)user;
	return relay_look(rig.relay, 0, &view) && view.busy == 3;
}

static bool is_idle(void *user)
{
	struct relay_view view;

	(void)user;
	return relay_look(rig.relay, 0, &view) && view.idle > 0 && view.busy == 0;
}

/* Who goes first */

static void urgent_is_next(void **state)
{
	(void)state;
	relay_limit_set(limit, 1, 0);
	is_held = true;
	one_smarthost(holds_mail);
	put_some(0, 20);
	rig_until(&rig, one_is_busy, NULL);
	put(20, true);
	assert_int_equal(relay_waiting(rig.relay), 20);
	is_held = false;
	wait_for_all(21);
	assert_int_equal(fake.message_count, 21);
	assert_string_equal(fake.messages[0].recipients, "bob@example.net");
	assert_string_equal(fake.messages[1].recipients, "urgent@example.net");
}

static void urgent_takes_the_first_that_comes_free(void **state)
{
	enum { BEFORE = 50 };
	unsigned place = 0;

	(void)state;
	is_held = true;
	one_smarthost(holds_mail);
	put_some(0, BEFORE);
	rig_until(&rig, three_are_busy, NULL);
	put(BEFORE, true);
	is_held = false;
	wait_for_all(BEFORE + 1);
	while (strcmp(fake.messages[place].recipients, "urgent@example.net") != 0)
		place++;
	/* Behind the three that were under way, and what two other connections took while its own, of
	 * which the smarthost knows nothing, was served late. */
	assert_true(place <= BEFORE / 2);
}

/* Who has one under way already lets those go first who have none, in the order in which they came. */
static void a_second_one_lets_others_go_first(void **state)
{
	static const char *const names[] = { "first@example.net", "second@example.net",
					     "third@example.net", "other@example.net",
					     "another@example.net" };
	static const size_t order[] = { 0, 3, 4, 1, 2 };

	(void)state;
	relay_limit_set(limit, 1, 0);
	is_held = true;
	one_smarthost(holds_mail);
	for (size_t i = 0; i < 5; i++) {
		job_init(&jobs[i], "alice@example.com", names[i], content);
		jobs[i].job.is_urgent = true;
		jobs[i].job.is_second = i == 1 || i == 2;
		relay_send(rig.relay, &jobs[i].job);
		if (i == 0)
			rig_until(&rig, one_is_busy, NULL);
	}
	is_held = false;
	wait_for_all(5);
	for (size_t i = 0; i < 5; i++)
		assert_string_equal(fake.messages[i].recipients, names[order[i]]);
}

static void put_named(size_t i, const char *name, bool is_second)
{
	job_init(&jobs[i], "alice@example.com", name, content);
	jobs[i].job.is_urgent = true;
	jobs[i].job.is_second = is_second;
	relay_send(rig.relay, &jobs[i].job);
}

/* Also when those among them that came first give up. */
static void second_ones_may_leave(void **state)
{
	static const char *const order[] = { "busy@example.net", "a@example.net", "b@example.net",
					     "late@example.net" };

	(void)state;
	relay_limit_set(limit, 1, 0);
	is_held = true;
	one_smarthost(holds_mail);
	put_named(0, "busy@example.net", false);
	rig_until(&rig, one_is_busy, NULL);
	put_named(1, "gone@example.net", true);
	put_named(2, "late@example.net", true);
	assert_true(relay_cancel(&jobs[1].job));
	put_named(3, "a@example.net", false);
	put_named(1, "gone@example.net", true);
	assert_true(relay_cancel(&jobs[2].job));
	assert_true(relay_cancel(&jobs[1].job));
	put_named(1, "late@example.net", true);
	put_named(2, "b@example.net", false);
	is_held = false;
	wait_for_all(4);
	for (size_t i = 0; i < 4; i++)
		assert_string_equal(fake.messages[i].recipients, order[i]);
}

/* However many clients wait: each fifth job is one that the queue sent. */
static void a_crowd_of_urgent_jobs_leaves_room(void **state)
{
	unsigned place = 0;

	(void)state;
	is_held = true;
	relay_limit_set(limit, 1, 0);
	one_smarthost(holds_mail);
	for (size_t i = 0; i < 20; i++)
		put(i, true);
	assert_int_equal(relay_room(rig.relay), 1);
	put(20, false);
	assert_int_equal(relay_room(rig.relay), 0);
	is_held = false;
	wait_for_all(21);
	while (strcmp(fake.messages[place].recipients, "bob@example.net") != 0)
		place++;
	assert_true(place <= 4);
}

static void urgent_waits_for_no_pause(void **state)
{
	(void)state;
	one_dead_smarthost(LONG_MS);
	put(0, false);
	wait_for(0);
	assert_untried(0, "refused");
	assert_true(paused_ms() > LONG_MS / 2);
	put(1, true);
	assert_false(jobs[1].is_done);
	wait_for(1);
	assert_untried(1, "refused");
	assert_int_equal(fake.connections, 0);
}

static void urgent_beyond_the_rate_comes_back(void **state)
{
	struct relay_view view;

	(void)state;
	relay_limit_set(limit, 3, 1);
	one_smarthost(NULL);
	put(0, true);
	put(1, true);
	put(2, false);
	wait_for_all(2);
	assert_int_equal(jobs[0].verdicts[0].outcome, RELAY_DELIVERED);
	assert_untried(1, "no more than 1 messages a minute");
	assert_false(jobs[2].is_done);
	assert_true(relay_look(rig.relay, 0, &view));
	assert_int_equal(view.rate, 1);
	assert_true(view.rated_ms > 0 && view.rated_ms <= 60000);
	assert_int_equal(relay_room(rig.relay), 0);
	assert_true(relay_cancel(&jobs[2].job));
	/* Another connection makes no more of the rate. */
	assert_int_equal(fake.connections, 1);
}

/* A pause that is over: one client may wait for the probe, the others have their answer. */
static void one_urgent_job_waits_for_the_probe(void **state)
{
	struct relay_smarthost to;

	(void)state;
	is_held = true;
	to = first_smarthost(holds_greeting);
	to.pause_first_ms = to.pause_most_ms = LONG_MS;
	relay_of(&to, 1);
	relay_scale_deadlines(rig.relay, 1);
	put(0, false);
	wait_for(0);
	assert_untried(0, "greeting");
	relay_scale_deadlines(rig.relay, 1000);
	relay_hurry(rig.relay);
	put(1, true);
	put(2, true);
	put(3, false);
	wait_for(2);
	assert_untried(2, "greeting");
	put(4, true);
	wait_for(4);
	assert_false(jobs[1].is_done);
	assert_false(jobs[3].is_done);
	assert_int_equal(relay_room(rig.relay), 0);
	is_held = false;
	wait_for(1);
	wait_for(3);
	assert_int_equal(jobs[1].verdicts[0].outcome, RELAY_DELIVERED);
	assert_int_equal(jobs[3].verdicts[0].outcome, RELAY_DELIVERED);
}

/* Room */

static void room_is_what_can_be_used(void **state)
{
	(void)state;
	is_held = true;
	one_smarthost(holds_mail);
	/* Three connections, and as many jobs that the next to come free find waiting. */
	assert_int_equal(relay_room(rig.relay), 6);
	put_some(0, 4);
	assert_int_equal(relay_room(rig.relay), 2);
	put_some(4, 2);
	assert_int_equal(relay_room(rig.relay), 0);
	put(6, false);
	assert_int_equal(relay_room(rig.relay), 0);
	rig_until(&rig, three_are_busy, NULL);
	assert_int_equal(relay_waiting(rig.relay), 4);
	assert_int_equal(relay_room(rig.relay), 0);
	assert_true(relay_cancel(&jobs[5].job));
	assert_true(relay_cancel(&jobs[6].job));
	assert_int_equal(relay_room(rig.relay), 1);
	jobs[5].is_done = jobs[6].is_done = true;
	rooms = 0;
	is_held = false;
	wait_for_all(7);
	assert_true(rooms > 0);
	rig_until(&rig, is_idle, NULL);
	assert_int_equal(relay_room(rig.relay), 6);
}

static void room_is_within_the_rate(void **state)
{
	unsigned none = 0;

	(void)state;
	relay_limit_set(limit, 3, 4);
	limit_scale(limit, 300);
	one_smarthost(NULL);
	assert_int_equal(relay_room(rig.relay), 4);
	put_some(0, 4);
	assert_int_equal(relay_room(rig.relay), 0);
	wait_for_all(4);
	rig_until(&rig, is_idle, NULL);
	assert_int_equal(relay_room(rig.relay), 0);
	rooms = 0;
	rig_until(&rig, was_room_told, &none);
	assert_true(relay_room(rig.relay) > 0);
}

/* Another loop takes the last message after room was told and before it is used. */
static void room_comes_again_when_another_loop_took_it(void **state)
{
	unsigned none = 0;
	int64_t at;

	(void)state;
	relay_limit_set(limit, 3, 1);
	limit_scale(limit, 200);
	one_smarthost(NULL);
	assert_int_equal(relay_room(rig.relay), 1);
	assert_true(limit_take_message(limit, loop_now_ms(rig.loop), &at));
	assert_int_equal(relay_room(rig.relay), 0);
	rig_until(&rig, was_room_told, &none);
	put(0, false);
	wait_for(0);
	assert_int_equal(jobs[0].verdicts[0].outcome, RELAY_DELIVERED);
}

/* Sent beyond the room: it is held, not failed, and no faster than the rate. */
static void what_is_above_the_rate_waits(void **state)
{
	int64_t began;

	(void)state;
	relay_limit_set(limit, 3, 2);
	limit_scale(limit, 150);
	one_smarthost(NULL);
	began = loop_now_ms(rig.loop);
	put_some(0, 7);
	wait_for_all(7);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(jobs[i].verdicts[0].outcome, RELAY_DELIVERED);
	assert_true(loop_now_ms(rig.loop) - began >= 450);
}

static void dead_smarthost_has_room_for_one_probe(void **state)
{
	unsigned told;

	(void)state;
	one_dead_smarthost(150);
	assert_int_equal(relay_room(rig.relay), 6);
	put_some(0, 6);
	wait_for_all(6);
	assert_int_equal(relay_room(rig.relay), 0);
	for (size_t i = 0; i < 3; i++) {
		told = rooms;
		assert_int_equal(relay_room(rig.relay), 0);
		rig_until(&rig, was_room_told, &told);
		assert_int_equal(paused_ms(), 0);
		assert_int_equal(relay_room(rig.relay), 1);
		put(10 + i, false);
		assert_int_equal(relay_room(rig.relay), 0);
		wait_for(10 + i);
		assert_untried(10 + i, "refused");
	}
}

static void hurry_ends_the_pause(void **state)
{
	unsigned told;

	(void)state;
	one_dead_smarthost(LONG_MS);
	put(0, false);
	wait_for(0);
	told = rooms;
	assert_int_equal(relay_room(rig.relay), 0);
	relay_hurry(rig.relay);
	assert_int_equal(rooms, told);
	rig_until(&rig, was_room_told, &told);
	assert_int_equal(relay_room(rig.relay), 1);
}

static void renewal_makes_room(void **state)
{
	struct relay_smarthost to;
	unsigned none = 0;

	(void)state;
	relay_of(NULL, 0);
	assert_int_equal(relay_room(rig.relay), 0);
	put(0, true);
	wait_for(0);
	assert_untried(0, "no smarthost is configured");
	assert_int_equal(rooms, 0);
	to = first_smarthost(NULL);
	relay_renew(rig.relay, &to, 1, "relay.example.com");
	rig_until(&rig, was_room_told, &none);
	assert_int_equal(relay_room(rig.relay), 6);
}

static void room_is_of_the_smarthost_in_charge(void **state)
{
	struct relay_smarthost to[2];

	(void)state;
	fake_start(&other);
	to[0] = rig_smarthost("dead", fake_closed_port(), limit);
	to[1] = rig_smarthost("second", other.port, other_limit);
	to[0].pause_first_ms = to[0].pause_most_ms = LONG_MS;
	relay_of(to, 2);
	assert_int_equal(relay_room(rig.relay), 6);
	put(0, true);
	wait_for(0);
	assert_string_equal(jobs[0].verdicts[0].smarthost, "second");
	assert_int_equal(relay_room(rig.relay), 4);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(urgent_is_next),
		TEST(urgent_takes_the_first_that_comes_free),
		TEST(a_second_one_lets_others_go_first),
		TEST(second_ones_may_leave),
		TEST(a_crowd_of_urgent_jobs_leaves_room),
		TEST(urgent_waits_for_no_pause),
		TEST(urgent_beyond_the_rate_comes_back),
		TEST(one_urgent_job_waits_for_the_probe),
		TEST(room_is_what_can_be_used),
		TEST(room_is_within_the_rate),
		TEST(room_comes_again_when_another_loop_took_it),
		TEST(what_is_above_the_rate_waits),
		TEST(dead_smarthost_has_room_for_one_probe),
		TEST(hurry_ends_the_pause),
		TEST(renewal_makes_room),
		TEST(room_is_of_the_smarthost_in_charge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
