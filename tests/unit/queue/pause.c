/* tests/unit/queue/pause.c: pauses follow the schedule, its last entry repeats, and each moves by a
 * quarter. */
#include "test.h"

#include "pause.h"

static const int64_t schedule[] = { 60000, 300000, 172800000 }, one[] = { 1000 },
		     tiny[] = { 1, 0, -5 };

static const struct {
	const char *name;
	const int64_t *schedule;
	unsigned count, attempts;
	int64_t base;
} cases[] = {
	{ "first", schedule, 3, 1, 60000 },
	{ "second", schedule, 3, 2, 300000 },
	{ "third", schedule, 3, 3, 172800000 },
	{ "the last repeats", schedule, 3, 4, 172800000 },
	{ "far beyond", schedule, 3, 4000000000, 172800000 },
	{ "before the first", schedule, 3, 0, 60000 },
	{ "one entry", one, 1, 9, 1000 },
	{ "no schedule", NULL, 0, 3, 1000 },
	{ "one ms", tiny, 3, 1, 1 },
	{ "none", tiny, 3, 2, 1 },
	{ "less than none", tiny, 3, 3, 1 },
};

static void stays_within_a_quarter(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t least = cases[i].base - cases[i].base / 4;
		int64_t most = cases[i].base + cases[i].base / 4;
		int64_t seen_least = INT64_MAX, seen_most = 0;

		for (uint64_t random = 0; random < 200000; random += 97) {
			int64_t pause = queue_pause(cases[i].schedule, cases[i].count,
						    cases[i].attempts, random * 0x9E3779B97F4A7C15);

			if (pause < least || pause > most || pause < 1)
				fail_msg("%s: %lld", cases[i].name, (long long)pause);
			seen_least = pause < seen_least ? pause : seen_least;
			seen_most = pause > seen_most ? pause : seen_most;
		}
		if (cases[i].base >= 1000)
			assert_true(seen_most - seen_least > cases[i].base * 2 / 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(stays_within_a_quarter) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
