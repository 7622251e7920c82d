/* Which logins are withdrawn while they are under way. */
#include "test.h"

#include <stdio.h>

#include "withdrawn.h"

static void test_by_account_and_credential(void **state)
{
	struct withdrawn w = { 0 };

	(void)state;
	assert_false(withdrawn_hit(&w, 0, "alice", ""));
	withdrawn_add(&w, "alice", "abcd");
	assert_true(withdrawn_hit(&w, 0, "alice", "abcd"));
	assert_false(withdrawn_hit(&w, 0, "alice", "efgh"));
	assert_false(withdrawn_hit(&w, 0, "alice", ""));
	assert_false(withdrawn_hit(&w, 0, "bob", "abcd"));
	withdrawn_add(&w, "bob", NULL);
	assert_true(withdrawn_hit(&w, 0, "bob", "abcd"));
	assert_true(withdrawn_hit(&w, 0, "bob", ""));
	assert_false(withdrawn_hit(&w, 0, "carol", ""));
	withdrawn_fini(&w);
}

static void test_only_what_came_later(void **state)
{
	struct withdrawn w = { 0 };

	(void)state;
	withdrawn_add(&w, "alice", NULL);
	assert_false(withdrawn_hit(&w, w.count, "alice", ""));
	withdrawn_add(&w, "alice", NULL);
	assert_true(withdrawn_hit(&w, 1, "alice", ""));
	withdrawn_fini(&w);
}

/* One more than are remembered: it may have been anybody. */
static void test_the_last_are_remembered(void **state)
{
	struct withdrawn w = { 0 };
	char name[16];

	(void)state;
	for (int round = 0; round < 3; round++) {
		uint64_t since = w.count;

		for (int i = 0; i < WITHDRAWN_MOST; i++) {
			snprintf(name, sizeof(name), "user%d", i);
			withdrawn_add(&w, name, NULL);
		}
		assert_true(withdrawn_hit(&w, since, "user0", ""));
		assert_true(withdrawn_hit(&w, since, name, ""));
		assert_false(withdrawn_hit(&w, since, "alice", ""));
		withdrawn_add(&w, "one more", NULL);
		assert_true(withdrawn_hit(&w, since, "alice", ""));
		assert_false(withdrawn_hit(&w, since + 1, "alice", ""));
	}
	withdrawn_fini(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_account_and_credential),
		cmocka_unit_test(test_only_what_came_later),
		cmocka_unit_test(test_the_last_are_remembered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
