#include "test.h"

#include "cache.h"
#include "memo.h"

#include <stdio.h>

#define HASH "$y$j9T$salt$digest"
#define OTHER_HASH "$y$j9T$salt$another"

static bool has(struct cache *c, const char *account, const char *hash, const char *password,
		int64_t now_ms)
{
	return cache_has(c, span_text(account), span_text(hash ? hash : ""), span_text(password),
			 now_ms);
}

static void keep(struct cache *c, const char *account, const char *password, int64_t now_ms)
{
	cache_keep(c, span_text(account), span_text(HASH), span_text(password), now_ms);
}

static void knows_only_what_it_was_told(void **state)
{
	static const struct {
		const char *account, *hash, *password;
		bool expected;
	} cases[] = {
		{ "alice", HASH, "wonderland", true },
		{ "alice", HASH, "wonderlan", false },
		{ "alice", HASH, "wonderland ", false },
		{ "alice", HASH, "", false },
		{ "bob", HASH, "wonderland", false },
		{ "alice", OTHER_HASH, "wonderland", false },
		{ "alice", NULL, "wonderland", false },
		{ "alic", HASH, "wonderland", false },
		{ "alice", HASH "wonder", "land", false },
	};
	struct cache *c = cache_new(60);

	(void)state;
	keep(c, "alice", "wonderland", 1000);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(has(c, cases[i].account, cases[i].hash, cases[i].password, 1000),
				 cases[i].expected);
	cache_free(&c);
	assert_null(c);
}

static void forgets_in_time(void **state)
{
	struct cache *c = cache_new(60);

	(void)state;
	assert_int_equal(cache_expire(c, 0), -1);
	keep(c, "alice", "a", 1000);
	keep(c, "bob", "b", 2000);
	assert_int_equal(cache_expire(c, 2000), 59000);
	assert_true(has(c, "alice", HASH, "a", 60999));
	assert_false(has(c, "alice", HASH, "a", 61000));
	assert_true(has(c, "bob", HASH, "b", 61999));
	assert_int_equal(cache_expire(c, 61999), 1);
	assert_int_equal(cache_expire(c, 62000), -1);
	cache_free(&c);
}

static void the_last_password_counts(void **state)
{
	struct cache *c = cache_new(60);

	(void)state;
	keep(c, "alice", "one", 0);
	keep(c, "alice", "two", 0);
	assert_false(has(c, "alice", HASH, "one", 0));
	assert_true(has(c, "alice", HASH, "two", 0));
	cache_free(&c);
}

static void is_bounded(void **state)
{
	struct cache *c = cache_new(60);
	char name[16];
	unsigned known = 0;

	(void)state;
	for (int i = 0; i < MEMO_ENTRIES_MAX + 100; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		keep(c, name, "x", i);
	}
	for (int i = 0; i < MEMO_ENTRIES_MAX + 100; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		known += has(c, name, HASH, "x", 5000);
	}
	assert_int_equal(known, MEMO_ENTRIES_MAX);
	assert_false(has(c, "user99", HASH, "x", 5000));
	assert_true(has(c, "user100", HASH, "x", 5000));
	cache_free(&c);
}

static void none_keeps_nothing(void **state)
{
	struct cache *c = cache_new(0);

	(void)state;
	assert_null(c);
	keep(c, "alice", "x", 0);
	assert_false(has(c, "alice", HASH, "x", 0));
	assert_int_equal(cache_expire(c, 0), -1);
	cache_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_only_what_it_was_told), cmocka_unit_test(forgets_in_time),
		cmocka_unit_test(the_last_password_counts),    cmocka_unit_test(is_bounded),
		cmocka_unit_test(none_keeps_nothing),
	};

	return cmocka_run_group_tests_name("auth/cache", tests, NULL, NULL);
}
