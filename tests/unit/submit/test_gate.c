/* The counting of sessions, in all and per address. */
#include "test.h"

#include <stdio.h>

#include "gate.h"

static enum gate_verdict enter(struct submit_gate *gate, const char *text, long all, long each)
{
	struct gate_address address;

	gate_address_parse(text, &address);
	return gate_enter(gate, &address,
			  &(struct gate_limits){ .sessions = all, .sessions_per_address = each });
}

static void leave(struct submit_gate *gate, const char *text)
{
	struct gate_address address;

	gate_address_parse(text, &address);
	gate_leave(gate, &address, false);
}

static void test_per_address(void **state)
{
	struct submit_gate *gate = submit_gate_new(7, 100000);

	(void)state;
	assert_int_equal(enter(gate, "192.0.2.1", 10, 2), GATE_OPEN);
	assert_int_equal(enter(gate, "192.0.2.1", 10, 2), GATE_OPEN);
	assert_int_equal(enter(gate, "192.0.2.1", 10, 2), GATE_ADDRESS_FULL);
	assert_int_equal(enter(gate, "192.0.2.2", 10, 2), GATE_OPEN);
	leave(gate, "192.0.2.1");
	assert_int_equal(enter(gate, "192.0.2.1", 10, 2), GATE_OPEN);
	leave(gate, "192.0.2.1");
	leave(gate, "192.0.2.1");
	leave(gate, "192.0.2.2");
	submit_gate_free(&gate);
	assert_null(gate);
}

static void test_in_all(void **state)
{
	struct submit_gate *gate = submit_gate_new(7, 100000);

	(void)state;
	assert_int_equal(enter(gate, "192.0.2.1", 2, 2), GATE_OPEN);
	assert_int_equal(enter(gate, "192.0.2.2", 2, 2), GATE_OPEN);
	assert_int_equal(enter(gate, "192.0.2.3", 2, 2), GATE_FULL);
	leave(gate, "192.0.2.1");
	assert_int_equal(enter(gate, "192.0.2.3", 2, 2), GATE_OPEN);
	leave(gate, "192.0.2.2");
	leave(gate, "192.0.2.3");
	submit_gate_free(&gate);
}

static void test_its_own_most(void **state)
{
	struct submit_gate *gate = submit_gate_new(7, 1);

	(void)state;
	assert_int_equal(enter(gate, "192.0.2.1", 2, 2), GATE_OPEN);
	assert_int_equal(enter(gate, "192.0.2.2", 2, 2), GATE_FULL);
	leave(gate, "192.0.2.1");
	assert_int_equal(enter(gate, "192.0.2.2", 2, 2), GATE_OPEN);
	leave(gate, "192.0.2.2");
	submit_gate_free(&gate);
}

static void test_ipv6_counts_by_its_64_bits(void **state)
{
	struct submit_gate *gate = submit_gate_new(7, 100000);

	(void)state;
	assert_int_equal(enter(gate, "2001:db8:0:1::1", 10, 1), GATE_OPEN);
	assert_int_equal(enter(gate, "2001:db8:0:1:ffff::2", 10, 1), GATE_ADDRESS_FULL);
	assert_int_equal(enter(gate, "2001:db8:0:2::1", 10, 1), GATE_OPEN);
	leave(gate, "2001:db8:0:1::1");
	leave(gate, "2001:db8:0:2::1");
	submit_gate_free(&gate);
}

static void test_many_addresses_come_and_go(void **state)
{
	struct submit_gate *gate = submit_gate_new(7, 100000);
	char text[32];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "10.%d.%d.1", i / 250, i % 250);
		assert_int_equal(enter(gate, text, 100000, 1), GATE_OPEN);
		assert_int_equal(enter(gate, text, 100000, 1), GATE_ADDRESS_FULL);
	}
	for (int i = 0; i < 5000; i++) {
		snprintf(text, sizeof(text), "10.%d.%d.1", i / 250, i % 250);
		leave(gate, text);
	}
	submit_gate_free(&gate);
}

/* Under load an address is told from the others by who has not logged in. */
static void test_strangers(void **state)
{
	const struct gate_limits busy = { 10, 10, 2 }, calm = { 10, 10, 0 };
	struct submit_gate *gate = submit_gate_new(7, 100000);
	struct gate_address a, b;

	(void)state;
	gate_address_parse("192.0.2.1", &a);
	gate_address_parse("192.0.2.2", &b);
	assert_int_equal(gate_enter(gate, &a, &calm), GATE_OPEN);
	assert_int_equal(gate_enter(gate, &a, &busy), GATE_OPEN);
	assert_int_equal(gate_enter(gate, &a, &busy), GATE_BUSY);
	assert_int_equal(gate_enter(gate, &b, &busy), GATE_OPEN);
	gate_know(gate, &a);
	assert_int_equal(gate_enter(gate, &a, &busy), GATE_OPEN);
	assert_int_equal(gate_enter(gate, &a, &busy), GATE_BUSY);
	assert_int_equal(gate_enter(gate, &a, &calm), GATE_OPEN);
	gate_leave(gate, &a, true);
	gate_leave(gate, &a, false);
	assert_int_equal(gate_enter(gate, &a, &busy), GATE_BUSY);
	gate_leave(gate, &a, false);
	assert_int_equal(gate_enter(gate, &a, &busy), GATE_OPEN);
	gate_leave(gate, &a, false);
	gate_leave(gate, &a, false);
	gate_leave(gate, &b, false);
	submit_gate_free(&gate);
}

static void test_episode(void **state)
{
	struct submit_gate *gate = submit_gate_new(7, 100000);
	struct gate_episode ended;
	int64_t since_ms;
	uint64_t refused;

	(void)state;
	assert_false(submit_is_overloaded(gate, &since_ms, &refused));
	assert_true(gate_episode_add(gate, 1000, 1700000001000, 71));
	assert_false(gate_episode_add(gate, 1500, 1700000001500, 72));
	assert_false(gate_episode_add(gate, 4000, 1700000004000, 73));
	assert_int_equal(gate_episode_now(gate).sid, 71);
	assert_true(submit_is_overloaded(gate, &since_ms, &refused));
	assert_int_equal(since_ms, 1700000001000);
	assert_int_equal(refused, 3);
	assert_int_equal(gate_episode_end(gate, 11000, 10000, &ended), 3000);
	assert_int_equal(gate_episode_end(gate, 14000, 10000, &ended), 0);
	assert_int_equal(ended.sid, 71);
	assert_int_equal(ended.refused, 3);
	assert_int_equal(ended.last_ms - ended.since_ms, 3000);
	assert_false(submit_is_overloaded(gate, &since_ms, &refused));
	assert_true(gate_episode_add(gate, 20000, 1700000020000, 74));
	assert_int_equal(gate_episode_end(gate, 20000, 0, &ended), 0);
	assert_int_equal(ended.refused, 1);
	submit_gate_free(&gate);
}

/* Each loop reads its clock once a turn: another one's may be ahead. */
static void test_episode_of_loops_whose_clocks_differ(void **state)
{
	struct submit_gate *gate = submit_gate_new(7, 100000);
	struct gate_episode ended;

	(void)state;
	assert_true(gate_episode_add(gate, 1000, 1700000001000, 71));
	assert_false(gate_episode_add(gate, 1003, 1700000001003, 72));
	assert_false(gate_episode_add(gate, 999, 1700000000999, 73));
	assert_int_equal(gate_episode_end(gate, 1001, 0, &ended), 0);
	assert_int_equal(ended.sid, 71);
	assert_int_equal(ended.last_ms - ended.since_ms, 3);
	assert_int_equal(gate_episode_now(gate).sid, 0);
	submit_gate_free(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_per_address),
		cmocka_unit_test(test_in_all),
		cmocka_unit_test(test_its_own_most),
		cmocka_unit_test(test_ipv6_counts_by_its_64_bits),
		cmocka_unit_test(test_many_addresses_come_and_go),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_episode),
		cmocka_unit_test(test_episode_of_loops_whose_clocks_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
