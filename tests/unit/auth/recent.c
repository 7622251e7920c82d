/* What a worker said yes to: kept only where it says so, and no longer than it says. */
#include "test.h"

#include "auth/recent.h"
#include "memo.h"
#include "users_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { NOW_MS = 5000, SECONDS = 300 };

static const int64_t WALL_MS = 1800000000000;
static const uint64_t WALL_S = 1800000000;

/* The users file is a link to files that nobody has touched for long: from one to the other it changes
 * without a wait. */
static const char *const settled[] = { "/etc/passwd", "/etc/group" };
static char directory[32], file[64];

/* When the file system says that a file was changed; NULL: what it really says. */
static const struct timespec *stamp;

int stat(const char *path, struct stat *st)
{
	int r = fstatat(AT_FDCWD, path, st, 0);

	if (r == 0 && stamp)
		st->st_ctim = *stamp;
	return r;
}

static void point_to(const char *target)
{
	unlink(file);
	assert_int_equal(symlink(target, file), 0);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/auth-recent-XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(file, sizeof(file), "%s/users", directory);
	point_to(settled[0]);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(file);
	assert_int_equal(rmdir(directory), 0);
	return 0;
}

static struct auth_request request_of(const char *mechanism, const char *first, const char *second)
{
	struct auth_request request = { .mechanism = span_text(mechanism) };

	request.responses[request.response_count++] = span_text(first);
	if (second)
		request.responses[request.response_count++] = span_text(second);
	return request;
}

static struct auth_recent_key key_of(const struct auth_recent *r, const char *first)
{
	struct auth_request request = request_of("PLAIN", first, NULL);
	struct auth_recent_key key;

	auth_recent_key(r, &request, &key);
	return key;
}

static struct auth_answer yes(struct buf *state)
{
	struct users_mark mark;

	assert_int_equal(users_file_mark(file, &mark, NULL), 0);
	buf_clear(state);
	assert_true(users_mark_put(&mark, state));
	return (struct auth_answer){ .verdict = AUTH_OK,
				     .account = span_text("alice"),
				     .credential = span_text("k3fz"),
				     .good_until_s = WALL_S + SECONDS,
				     .file_state = buf_span(state) };
}

static void keep(struct auth_recent *r, const char *first)
{
	struct auth_recent_key key = key_of(r, first);
	struct buf state = { 0 };
	struct auth_answer answer = yes(&state);

	auth_recent_keep(r, &key, NOW_MS, WALL_MS, &answer);
	buf_fini(&state);
}

static bool has_at(struct auth_recent *r, const char *first, int64_t now_ms, int64_t wall_ms)
{
	struct auth_recent_key key = key_of(r, first);
	struct auth_answer out;

	if (!auth_recent_find(r, &key, now_ms, wall_ms, &out))
		return false;
	assert_int_equal(out.verdict, AUTH_OK);
	assert_span_text(out.account, "alice");
	assert_span_text(out.credential, "k3fz");
	assert_int_equal(out.detail.len + out.challenge.len, 0);
	return true;
}

static bool has(struct auth_recent *r, const char *first)
{
	return has_at(r, first, NOW_MS, WALL_MS);
}

static void only_the_very_same_login_is_found(void **state)
{
	static const struct {
		const char *mechanism, *first, *second;
		bool expected;
	} cases[] = {
		{ "LOGIN", "alice", "abcd-efgh", true },
		{ "LOGIN", "alice", "abcd-efg", false },
		{ "LOGIN", "alice", "abcdefgh", false },
		{ "LOGIN", "alice", "", false },
		{ "LOGIN", "alice", NULL, false },
		{ "LOGIN", "alic", "eabcd-efgh", false },
		{ "LOGIN", "aliceabcd-efgh", "", false },
		{ "LOGIN", "bob", "abcd-efgh", false },
		{ "LOGIN", "Alice", "abcd-efgh", false },
		{ "PLAIN", "alice", "abcd-efgh", false },
		{ "LOGINalice", "abcd-efgh", NULL, false },
	};
	struct auth_recent *r = auth_recent_new(file, SECONDS);
	struct buf file_state = { 0 };
	struct auth_answer answer = yes(&file_state);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth_request request =
			request_of(cases[i].mechanism, cases[i].first, cases[i].second);
		struct auth_recent_key key;
		struct auth_answer out;

		auth_recent_key(r, &request, &key);
		if (i == 0)
			auth_recent_keep(r, &key, NOW_MS, WALL_MS, &answer);
		assert_int_equal(auth_recent_find(r, &key, NOW_MS, WALL_MS, &out),
				 cases[i].expected);
	}
	buf_fini(&file_state);
	auth_recent_free(&r);
	assert_null(r);
}

static void what_may_not_be_kept_is_not(void **state)
{
	struct auth_recent *r = auth_recent_new(file, SECONDS);
	struct auth_recent_key key = key_of(r, "x");
	struct buf file_state = { 0 };
	struct auth_answer answer = yes(&file_state), out;

	(void)state;
	answer.good_until_s = 0;
	auth_recent_keep(r, &key, NOW_MS, WALL_MS, &answer);
	assert_false(auth_recent_find(r, &key, NOW_MS, WALL_MS, &out));
	answer.good_until_s = WALL_S;
	auth_recent_keep(r, &key, NOW_MS, WALL_MS, &answer);
	assert_false(auth_recent_find(r, &key, NOW_MS, WALL_MS, &out));
	answer.good_until_s = WALL_S + 1;
	auth_recent_keep(r, &key, NOW_MS, WALL_MS, &answer);
	assert_true(auth_recent_find(r, &key, NOW_MS, WALL_MS, &out));
	buf_fini(&file_state);
	auth_recent_free(&r);
}

static void both_clocks_end_it(void **state)
{
	enum { LIFE_MS = SECONDS * 1000 };
	static const struct {
		const char *what;
		int64_t later_ms, wall_later_ms;
		bool expected;
	} cases[] = {
		{ "at once", 0, 0, true },
		{ "nearly over", LIFE_MS - 1, LIFE_MS - 1, true },
		{ "over", LIFE_MS, LIFE_MS, false },
		{ "the machine slept", 0, LIFE_MS, false },
		{ "the clock was set forward", 10, 86400000, false },
		{ "the clock was set back", LIFE_MS - 1, -86400000, true },
		{ "the clock was set back, and it is over", LIFE_MS, -86400000, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct auth_recent *r = auth_recent_new(file, SECONDS);

		keep(r, "x");
		if (has_at(r, "x", NOW_MS + cases[i].later_ms, WALL_MS + cases[i].wall_later_ms) !=
		    cases[i].expected)
			fail_msg("%s", cases[i].what);
		auth_recent_free(&r);
	}
}

/* The clock was set back by an hour between the worker's look at it and ours. */
static void nothing_is_kept_for_longer_than_configured(void **state)
{
	struct auth_recent *r = auth_recent_new(file, 60);
	struct auth_recent_key key = key_of(r, "x");
	struct buf file_state = { 0 };
	struct auth_answer answer = yes(&file_state), out;

	(void)state;
	auth_recent_keep(r, &key, NOW_MS, WALL_MS - 3600000, &answer);
	assert_true(auth_recent_find(r, &key, NOW_MS + 59999, WALL_MS - 3600000, &out));
	assert_false(auth_recent_find(r, &key, NOW_MS + 60000, WALL_MS - 3600000, &out));
	answer.good_until_s = UINT64_MAX;
	auth_recent_keep(r, &key, NOW_MS, WALL_MS, &answer);
	assert_true(auth_recent_find(r, &key, NOW_MS + 59999, WALL_MS, &out));
	assert_false(auth_recent_find(r, &key, NOW_MS + 60000, WALL_MS, &out));
	buf_fini(&file_state);
	auth_recent_free(&r);
}

static void another_state_of_the_file_ends_all(void **state)
{
	struct auth_recent *r = auth_recent_new(file, SECONDS);
	struct buf old = { 0 };
	struct auth_answer late = yes(&old);
	struct auth_recent_key key = key_of(r, "late");

	(void)state;
	keep(r, "x");
	keep(r, "y");
	assert_true(has(r, "x"));
	point_to(settled[1]);
	assert_false(has(r, "x"));
	/* It was thrown away, not passed over. */
	point_to(settled[0]);
	assert_false(has(r, "y"));
	point_to(settled[1]);
	keep(r, "x");
	assert_true(has(r, "x"));
	/* A worker that read the file before the change answers last. */
	auth_recent_keep(r, &key, NOW_MS, WALL_MS, &late);
	assert_false(has(r, "late"));
	assert_false(has(r, "x"));
	buf_fini(&old);
	auth_recent_free(&r);
}

static void a_file_whose_state_cannot_be_told_ends_all(void **state)
{
	struct auth_recent *r = auth_recent_new(file, SECONDS);
	FILE *f;

	(void)state;
	keep(r, "x");
	assert_int_equal(unlink(file), 0);
	assert_false(has(r, "x"));
	point_to(settled[0]);
	keep(r, "x");
	assert_true(has(r, "x"));
	/* One that was written a moment ago. */
	unlink(file);
	f = fopen(file, "w");
	assert_non_null(f);
	fclose(f);
	assert_false(has(r, "x"));
	auth_recent_free(&r);
}

/* Whether a state is built upon that is so old by its file's stamp. */
static bool is_settled(time_t seconds, long nanoseconds)
{
	struct timespec changed;
	struct users_mark mark;

	clock_gettime(CLOCK_REALTIME, &changed);
	changed = (struct timespec){ changed.tv_sec - seconds, nanoseconds };
	stamp = &changed;
	assert_int_equal(users_file_mark(file, &mark, NULL), 0);
	stamp = NULL;
	return mark.is_settled;
}

/* Such a second may not be over, and another change in it leaves the same stamp. */
static void whole_seconds_are_given_time_to_end(void **state)
{
	(void)state;
	assert_false(is_settled(0, 0));
	assert_false(is_settled(1, 0));
	assert_true(is_settled(4, 0));
	assert_true(is_settled(2, 1));
}

static void it_is_bounded(void **state)
{
	struct auth_recent *r = auth_recent_new(file, SECONDS);
	char name[16];

	(void)state;
	for (int i = 0; i <= MEMO_ENTRIES_MAX; i++) {
		snprintf(name, sizeof(name), "user%d", i);
		keep(r, name);
	}
	assert_false(has(r, "user0"));
	assert_true(has(r, "user1"));
	snprintf(name, sizeof(name), "user%d", MEMO_ENTRIES_MAX);
	assert_true(has(r, name));
	auth_recent_free(&r);
}

/* As after a reload, while a worker of before it still answers. */
static void a_key_is_of_no_use_in_another(void **state)
{
	struct auth_recent *old = auth_recent_new(file, SECONDS);
	struct auth_recent *fresh = auth_recent_new(file, SECONDS);
	struct auth_recent_key key = key_of(old, "x");
	struct buf file_state = { 0 };
	struct auth_answer answer = yes(&file_state);

	(void)state;
	auth_recent_keep(fresh, &key, NOW_MS, WALL_MS, &answer);
	assert_false(has(fresh, "x"));
	buf_fini(&file_state);
	auth_recent_free(&old);
	auth_recent_free(&fresh);
}

static void none_keeps_nothing(void **state)
{
	struct auth_recent *r = auth_recent_new(file, 0);
	struct auth_recent_key key = { { 0 } };
	struct auth_request request = request_of("PLAIN", "x", NULL);
	struct buf file_state = { 0 };
	struct auth_answer answer = yes(&file_state), out;

	(void)state;
	assert_null(r);
	auth_recent_key(r, &request, &key);
	auth_recent_keep(r, &key, NOW_MS, WALL_MS, &answer);
	assert_false(auth_recent_find(r, &key, NOW_MS, WALL_MS, &out));
	auth_recent_free(&r);
	buf_fini(&file_state);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_directory(only_the_very_same_login_is_found),
		in_directory(what_may_not_be_kept_is_not),
		in_directory(both_clocks_end_it),
		in_directory(nothing_is_kept_for_longer_than_configured),
		in_directory(another_state_of_the_file_ends_all),
		in_directory(a_file_whose_state_cannot_be_told_ends_all),
		in_directory(whole_seconds_are_given_time_to_end),
		in_directory(it_is_bounded),
		in_directory(a_key_is_of_no_use_in_another),
		in_directory(none_keeps_nothing),
	};

	return cmocka_run_group_tests_name("auth/recent", tests, NULL, NULL);
}
