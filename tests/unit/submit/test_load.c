/* From which wait on new sessions are turned away, and until which. */
#include "test.h"

#include "load.h"

struct step {
	int64_t wait_ms;
	enum load expected;
};

static void walk(int64_t limit_ms, const struct step *steps, size_t count)
{
	struct load_gauge gauge = { 0 };

	for (size_t i = 0; i < count; i++)
		if (load_gauge_judge(&gauge, steps[i].wait_ms, limit_ms) != steps[i].expected)
			fail_msg("step %zu: a wait of %ld ms", i, (long)steps[i].wait_ms);
}

static void either_ends_at_half_of_where_it_began(void **state)
{
	static const struct step steps[] = {
		{ 0, LOAD_FINE },    { 499, LOAD_FINE },  { 500, LOAD_BUSY },  { 999, LOAD_BUSY },
		{ 1000, LOAD_OVER }, { 5000, LOAD_OVER }, { 999, LOAD_OVER },  { 500, LOAD_OVER },
		{ 499, LOAD_BUSY },  { 600, LOAD_BUSY },  { 1000, LOAD_OVER }, { 499, LOAD_BUSY },
		{ 250, LOAD_BUSY },  { 249, LOAD_FINE },  { 499, LOAD_FINE },  { 1000, LOAD_OVER },
		{ 0, LOAD_FINE },
	};

	(void)state;
	walk(1000, steps, sizeof(steps) / sizeof(steps[0]));
}

static void without_a_limit_all_may_come(void **state)
{
	static const struct step steps[] = { { 0, LOAD_FINE }, { 100000, LOAD_FINE } };

	(void)state;
	walk(0, steps, sizeof(steps) / sizeof(steps[0]));
}

/* A millisecond, the least limit there is, is not reached by none. */
static void no_wait_is_never_too_long(void **state)
{
	static const struct step steps[] = { { 0, LOAD_FINE }, { 1, LOAD_OVER }, { 0, LOAD_FINE } };

	(void)state;
	walk(1, steps, sizeof(steps) / sizeof(steps[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(either_ends_at_half_of_where_it_began),
		cmocka_unit_test(without_a_limit_all_may_come),
		cmocka_unit_test(no_wait_is_never_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
