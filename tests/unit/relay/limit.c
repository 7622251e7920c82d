/* tests/unit/relay/limit.c: the places and the rate that loops share, on a clock of the test's. */
#include "test.h"

#include "limit.h"

#include <stdlib.h>
#include <string.h>

enum { MINUTE = 60000 };

static void places_are_counted(void **state)
{
	struct relay_limit *l = relay_limit_new(2, 0);

	(void)state;
	assert_int_equal(limit_free_places(l), 2);
	assert_true(limit_take_place(l));
	assert_true(limit_take_place(l));
	assert_false(limit_take_place(l));
	relay_limit_set(l, 1, 0);
	assert_int_equal(limit_free_places(l), 0);
	limit_give_place(l);
	assert_false(limit_take_place(l));
	limit_give_place(l);
	assert_true(limit_take_place(l));
	relay_limit_set(l, 0, 0);
	assert_int_equal(limit_most(l), 1);
	relay_limit_free(&l);
	assert_null(l);
	relay_limit_free(&l);
}

static void no_rate_is_no_limit(void **state)
{
	struct relay_limit *l = relay_limit_new(1, 0);
	int64_t at;

	(void)state;
	for (int i = 0; i < 1000; i++)
		assert_true(limit_take_message(l, 5, &at));
	assert_true(limit_messages(l, 5) > 1000000);
	assert_int_equal(limit_wait_ms(l, 5), 0);
	limit_give_message(l, 5);
	relay_limit_free(&l);
}

static void a_message_counts_for_a_minute(void **state)
{
	struct relay_limit *l = relay_limit_new(1, 3);
	int64_t at;

	(void)state;
	assert_true(limit_take_message(l, 1000, &at));
	assert_true(limit_take_message(l, 1000, &at));
	assert_true(limit_take_message(l, 31000, &at));
	assert_false(limit_take_message(l, 60999, &at));
	assert_int_equal(limit_wait_ms(l, 60999), 1);
	assert_int_equal(limit_wait_ms(l, 61000), 0);
	assert_int_equal(limit_messages(l, 61000), 2);
	assert_true(limit_take_message(l, 61000, &at));
	assert_true(limit_take_message(l, 61000, &at));
	assert_int_equal(limit_wait_ms(l, 61000), 30000);
	relay_limit_free(&l);
}

static void what_was_not_sent_is_given_back(void **state)
{
	struct relay_limit *l = relay_limit_new(1, 2);
	int64_t first, second, third;

	(void)state;
	assert_true(limit_take_message(l, 10, &first));
	assert_true(limit_take_message(l, 20, &second));
	limit_give_message(l, first);
	assert_int_equal(limit_messages(l, 30), 1);
	assert_true(limit_take_message(l, 30, &third));
	/* The one of 20 is the oldest now. */
	assert_int_equal(limit_wait_ms(l, 30), 20 + MINUTE - 30);
	limit_give_message(l, 999);
	limit_give_message(l, first);
	assert_int_equal(limit_messages(l, 30), 0);
	relay_limit_free(&l);
}

static void a_loop_that_is_behind_loses_nothing(void **state)
{
	struct relay_limit *l = relay_limit_new(1, 2);
	int64_t at;

	(void)state;
	assert_true(limit_take_message(l, 1000, &at));
	assert_true(limit_take_message(l, 990, &at));
	assert_int_equal(at, 1000);
	assert_int_equal(limit_wait_ms(l, 990), MINUTE + 10);
	relay_limit_free(&l);
}

static void a_new_rate_knows_the_last_minute(void **state)
{
	struct relay_limit *l = relay_limit_new(1, 4);
	int64_t at;

	(void)state;
	for (int64_t t = 1; t <= 4; t++)
		assert_true(limit_take_message(l, t * 1000, &at));
	relay_limit_set(l, 1, 2);
	assert_int_equal(limit_wait_ms(l, 5000), 3000 + MINUTE - 5000);
	relay_limit_set(l, 1, 3);
	assert_int_equal(limit_messages(l, 5000), 1);
	relay_limit_set(l, 1, 0);
	assert_int_equal(limit_wait_ms(l, 5000), 0);
	relay_limit_set(l, 1, 1000 * 1000 * 1000);
	assert_int_equal(limit_rate(l), RELAY_RATE_MOST);
	relay_limit_free(&l);
}

/* Against a plain record of everything that was begun. */
static void no_minute_holds_more_than_the_rate(void **state)
{
	enum { STEPS = 20000 };
	static int64_t begun[STEPS];
	unsigned rate = 7;
	struct relay_limit *l = relay_limit_new(1, rate);
	int64_t now = 0, at;
	size_t n = 0;

	(void)state;
	srand(1);
	for (int i = 0; i < STEPS; i++) {
		size_t within = 0;

		now += rand() % 9000;
		for (size_t k = n; k > 0 && begun[k - 1] > now - MINUTE; k--)
			within++;
		assert_int_equal(limit_messages(l, now), rate - within);
		if (limit_take_message(l, now, &at)) {
			assert_true(within < rate);
			begun[n++] = at;
			if (rand() % 5 == 0)
				limit_give_message(l, begun[--n]);
		} else {
			assert_int_equal(within, rate);
			assert_int_equal(limit_wait_ms(l, now), begun[n - rate] + MINUTE - now);
		}
	}
	assert_true(n > STEPS / 4);
	relay_limit_free(&l);
}

enum { THREADS = 4, ROUNDS = 20000, PLACES = 3, RATE = 1000 };

static _Atomic unsigned inside, most_inside, taken;

static void *hammer(void *arg)
{
	struct relay_limit *l = arg;
	int64_t at;

	for (int i = 0; i < ROUNDS; i++) {
		if (limit_take_message(l, i % 50, &at))
			atomic_fetch_add(&taken, 1);
		if (!limit_take_place(l))
			continue;
		if (atomic_fetch_add(&inside, 1) + 1 > atomic_load(&most_inside))
			atomic_store(&most_inside, inside);
		atomic_fetch_sub(&inside, 1);
		limit_give_place(l);
	}
	return NULL;
}

static void loops_share_it(void **state)
{
	struct relay_limit *l = relay_limit_new(PLACES, RATE);
	pthread_t threads[THREADS];

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, l), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(taken, RATE);
	assert_true(most_inside <= PLACES);
	assert_int_equal(limit_free_places(l), PLACES);
	relay_limit_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_counted),
		cmocka_unit_test(no_rate_is_no_limit),
		cmocka_unit_test(a_message_counts_for_a_minute),
		cmocka_unit_test(what_was_not_sent_is_given_back),
		cmocka_unit_test(a_loop_that_is_behind_loses_nothing),
		cmocka_unit_test(a_new_rate_knows_the_last_minute),
		cmocka_unit_test(no_minute_holds_more_than_the_rate),
		cmocka_unit_test(loops_share_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
