/* tests/unit/queue/pause.c: pauses double, end at the most, and move by a quarter. */
#include "test.h"

#include "pause.h"

static const struct {
	const char *name;
	unsigned attempts;
	int64_t first, most, base;
} cases[] = {
	{ "first", 1, 1000, 60000, 1000 },
	{ "second", 2, 1000, 60000, 2000 },
	{ "third", 3, 1000, 60000, 4000 },
	{ "at the most", 7, 1000, 60000, 60000 },
	{ "far beyond", 4000000, 1000, 60000, 60000 },
	{ "first above most", 1, 5000, 100, 100 },
	{ "none", 0, 1000, 60000, 1000 },
	{ "one ms", 1, 1, 1, 1 },
	{ "days", 40, 1000, 172800000, 172800000 },
};

static void stays_within_a_quarter(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t least = cases[i].base - cases[i].base / 4;
		int64_t most = cases[i].base + cases[i].base / 4;
		int64_t seen_least = INT64_MAX, seen_most = 0;

		for (uint64_t random = 0; random < 200000; random += 97) {
			int64_t pause = queue_pause(cases[i].attempts, cases[i].first,
						    cases[i].most, random * 0x9E3779B97F4A7C15);

			if (pause < least || pause > most)
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
