#include "desk.h"

#include "auth/users.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct desk desk;

static struct auth_hello hello_for(const char *users_file)
{
	return (struct auth_hello){
		.backend = AUTH_BACKEND_USERS,
		.users_file = span_text(users_file),
		.hostname = span_text("relay.example.com"),
		.mechanisms = span_text("PLAIN LOGIN"),
		.domains = { span_text("example.com") },
		.domain_count = 1,
		.nt_domains = { span_text("EXAMPLE") },
		.nt_domain_count = 1,
	};
}

static void add(const char *name, const char *password)
{
	struct fault fault = { 0 };

	if (auth_users_add(desk_path(&desk, "users"), name, span_text(password), &fault) < 0)
		fail_msg("%s", fault.text);
}

static int set_up(void **state)
{
	(void)state;
	desk_open(&desk);
	add("alice", "wonderland");
	add("bj\xC3\xB6rn", "sm\xC3\xB6rg\xC3\xA5s");
	return 0;
}

static int set_up_and_hire(void **state)
{
	struct auth_hello hello;

	set_up(state);
	hello = hello_for(desk_path(&desk, "users"));
	desk_hire(&desk, &hello);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	desk_close(&desk);
	return 0;
}

static void tells_right_from_wrong(void **state)
{
	static const struct {
		const char *authzid, *name, *password;
		enum auth_verdict verdict;
		const char *account, *detail;
	} cases[] = {
		{ "", "alice", "wonderland", AUTH_OK, "alice", "" },
		{ "", "alice@example.com", "wonderland", AUTH_OK, "alice", "" },
		{ "", "alice@EXAMPLE.com", "wonderland", AUTH_OK, "alice", "" },
		{ "", "EXAMPLE\\alice", "wonderland", AUTH_OK, "alice", "" },
		{ "alice", "alice", "wonderland", AUTH_OK, "alice", "" },
		{ "alice@example.com", "EXAMPLE\\alice", "wonderland", AUTH_OK, "alice", "" },
		{ "", "bj\xC3\xB6rn", "sm\xC3\xB6rg\xC3\xA5s", AUTH_OK, "bj\xC3\xB6rn", "" },
		{ "", "bj\xC3\xB6rn", "sm\xF6rg\xE5s", AUTH_OK, "bj\xC3\xB6rn", "" },
		{ "", "alice", "Wonderland", AUTH_WRONG, "alice", "wrong password" },
		{ "", "alice", "wonderland ", AUTH_WRONG, "alice", "wrong password" },
		{ "", "alice", "", AUTH_WRONG, "alice", "empty" },
		{ "", "eve", "wonderland", AUTH_WRONG, "eve", "no such user" },
		{ "", "Alice", "wonderland", AUTH_WRONG, "Alice", "no such user" },
		{ "", "alice@other", "wonderland", AUTH_WRONG, "alice@other", "no such user" },
		{ "", "OTHER\\alice", "wonderland", AUTH_WRONG, "OTHER\\alice", "no such user" },
		{ "bob", "alice", "wonderland", AUTH_WRONG, "alice", "another account" },
		{ "alice@other", "alice", "wonderland", AUTH_WRONG, "alice", "another account" },
		{ " ", "alice", "wonderland", AUTH_WRONG, "alice", "another account" },
		{ "", " alice", "wonderland", AUTH_MALFORMED, "", "white space" },
		{ "", "alice ", "wonderland", AUTH_MALFORMED, "", "white space" },
		{ "", "", "wonderland", AUTH_MALFORMED, "", "empty" },
		{ "", "al\xFFice", "wonderland", AUTH_MALFORMED, "", "UTF-8" },
		{ "", "alice\r\nX: y", "wonderland", AUTH_MALFORMED, "", "control" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(desk_plain(&desk, cases[i].authzid, cases[i].name,
					    cases[i].password),
				 cases[i].verdict);
		assert_span_text(desk.answer.account, cases[i].account);
		desk_detail_has(&desk, cases[i].detail);
		if (cases[i].authzid[0])
			continue;
		assert_int_equal(desk_login(&desk, cases[i].name, cases[i].password),
				 cases[i].verdict);
		assert_span_text(desk.answer.account, cases[i].account);
	}
	assert_int_equal(desk_dismiss(&desk), 0);
}

static void refuses_what_is_malformed(void **state)
{
	static char name256[257];
	static const struct {
		const char *mechanism;
		struct span responses[3];
		size_t count;
		const char *why;
	} cases[] = {
#define S(text) { (const unsigned char *)(text), sizeof(text) - 1 }
		{ "PLAIN", { S("") }, 1, "without a NUL" },
		{ "PLAIN", { S("alice wonderland") }, 1, "without a NUL" },
		{ "PLAIN", { S("\0") }, 1, "one NUL" },
		{ "PLAIN", { S("\0alice") }, 1, "one NUL" },
		{ "PLAIN", { S("\0\0") }, 1, "the name is empty" },
		{ "PLAIN", { S("\0alice\0wonderland\0") }, 1, "a NUL in the password" },
		{ "PLAIN", { S("\0alice\0wonder\0land") }, 1, "a NUL in the password" },
		{ "PLAIN", { S("\0\0\0\0") }, 1, "a NUL in the password" },
		{ "PLAIN", { S("") }, 0, "not as many" },
		{ "PLAIN", { S("\0alice\0wonderland"), S("") }, 2, "not as many" },
		{ "LOGIN", { S("alice") }, 1, "not as many" },
		{ "LOGIN", { S("alice"), S("wonderland"), S("") }, 3, "not as many" },
		{ "LOGIN", { S("alice"), S("wonderland\0") }, 2, "a NUL in the password" },
		{ "LOGIN", { S("alice\0"), S("wonderland") }, 2, "control" },
		{ "LOGIN", { { (const unsigned char *)name256, 256 }, S("x") }, 2, "255" },
		{ "ANONYMOUS", { S("alice") }, 1, "not allowed" },
		{ "EXTERNAL", { S("alice") }, 1, "not allowed" },
		{ "", { S("\0alice\0wonderland") }, 1, "not allowed" },
#undef S
	};

	(void)state;
	memset(name256, 'n', 256);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(desk_ask(&desk, cases[i].mechanism, cases[i].responses,
					  cases[i].count),
				 AUTH_MALFORMED);
		assert_int_equal(desk.answer.account.len, 0);
		desk_detail_has(&desk, cases[i].why);
	}
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
}

static void a_mechanism_not_configured_is_not_allowed(void **state)
{
	struct auth_hello hello = hello_for(desk_path(&desk, "users"));

	(void)state;
	hello.mechanisms = span_text("LOGIN");
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_MALFORMED);
	assert_int_equal(desk_login(&desk, "alice", "wonderland"), AUTH_OK);
}

static void long_names_and_passwords(void **state)
{
	static const size_t names[] = { 255, 256, 1023, 1024, 9000 };
	static char name[9001], password[10241];

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		memset(name, 'n', sizeof(name));
		name[names[i]] = '\0';
		assert_int_equal(desk_plain(&desk, "", name, "x"),
				 names[i] > 255 ? AUTH_MALFORMED : AUTH_WRONG);
		assert_int_equal(desk_login(&desk, name, "x"),
				 names[i] > 255 ? AUTH_MALFORMED : AUTH_WRONG);
	}
	memset(password, 'p', sizeof(password) - 1);
	assert_int_equal(desk_plain(&desk, "", "alice", password), AUTH_WRONG);
	assert_int_equal(desk_login(&desk, "alice", password), AUTH_WRONG);
	password[600] = '\0';
	assert_int_equal(desk_plain(&desk, "", "alice", password), AUTH_WRONG);
	name[255] = '\0';
	password[511] = '\0';
	add(name, password);
	assert_int_equal(desk_plain(&desk, "", name, password), AUTH_OK);
	assert_int_equal(desk_login(&desk, name, password), AUTH_OK);
}

static void case_is_ignored_where_configured(void **state)
{
	struct auth_hello hello = hello_for(desk_path(&desk, "users"));

	(void)state;
	hello.ignore_case = true;
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "ALICE@Example.COM", "wonderland"), AUTH_OK);
	assert_span_text(desk.answer.account, "alice");
	assert_int_equal(desk_plain(&desk, "", "ALICE", "WONDERLAND"), AUTH_WRONG);
}

static void sees_changes_of_the_file(void **state)
{
	const char *path = desk_path(&desk, "users");
	struct auth_hello hello = hello_for(path);

	(void)state;
	hello.cache_seconds = 3600;
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
	assert_int_equal(auth_users_passwd(path, "alice", span_text("mirror"), NULL), 0);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_WRONG);
	assert_int_equal(desk_plain(&desk, "", "alice", "mirror"), AUTH_OK);
	assert_int_equal(desk_plain(&desk, "", "alice", "mirror"), AUTH_OK);
	assert_int_equal(auth_users_rm(path, "alice", NULL), 0);
	assert_int_equal(desk_plain(&desk, "", "alice", "mirror"), AUTH_WRONG);
	add("alice", "mirror");
	assert_int_equal(desk_plain(&desk, "", "alice", "mirror"), AUTH_OK);
}

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Never "wrong password", which makes people change good ones. */
static void a_file_that_cannot_be_used_is_no_verdict(void **state)
{
	const char *path = desk_path(&desk, "users");
	char missing[160];
	struct auth_hello hello;

	(void)state;
	snprintf(missing, sizeof(missing), "%s", desk_path(&desk, "none"));
	hello = hello_for(missing);
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, missing);
	desk_detail_has(&desk, "posternctl user add");
	write_text(missing, "alice\n");
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, "none:1: no ':'");
	assert_int_equal(unlink(missing), 0);
	assert_int_equal(link(path, missing), 0);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
	assert_int_equal(chmod(missing, 0644), 0);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, "chmod");
	assert_int_equal(chmod(missing, 0600), 0);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
	assert_int_equal(unlink(missing), 0);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, "No such file");
}

static void a_flaw_in_the_file_keeps_the_one_before(void **state)
{
	struct auth_hello hello = hello_for(desk_path(&desk, "users"));

	(void)state;
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
	write_text(desk_path(&desk, "users"), "alice:secret\n");
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK);
	desk_detail_has(&desk, "users:1: ");
	assert_int_equal(desk_plain(&desk, "", "alice", "secret"), AUTH_WRONG);
	desk_detail_has(&desk, "wrong password");
}

static void a_hash_that_crypt_cannot_do_is_no_verdict(void **state)
{
	struct auth_hello hello = hello_for(desk_path(&desk, "users"));

	(void)state;
	write_text(desk_path(&desk, "users"),
		   "alice:$y$j9T$=$0gc5bd8LE5/TUYLRtSXoO4bwZTbthf7fbb2PcMjtNAB\n");
	desk_hire(&desk, &hello);
	assert_int_equal(desk_plain(&desk, "", "alice", "wonderland"), AUTH_UNAVAILABLE);
	desk_detail_has(&desk, "damaged");
	assert_int_equal(desk_plain(&desk, "", "eve", "wonderland"), AUTH_WRONG);
}

static int64_t login_ns(const char *name, const char *password, enum auth_verdict expected)
{
	struct timespec from, to;

	clock_gettime(CLOCK_MONOTONIC, &from);
	assert_int_equal(desk_plain(&desk, "", name, password), expected);
	clock_gettime(CLOCK_MONOTONIC, &to);
	return (to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

enum { ROUNDS = 25 };

static void medians(const char *const names[2], const char *password, int64_t out[2])
{
	int64_t took[2][ROUNDS];

	/* Turn by turn, so that other work on the machine meets both. */
	for (int i = 0; i < ROUNDS; i++)
		for (int k = 0; k < 2; k++)
			took[k][i] = login_ns(names[k], password, AUTH_WRONG);
	for (int k = 0; k < 2; k++) {
		qsort(took[k], ROUNDS, sizeof(took[k][0]), compare);
		out[k] = took[k][ROUNDS / 2];
	}
}

static void an_unknown_name_takes_as_long(void **state)
{
	static const char *const names[2] = { "alice", "eve" };
	int64_t took[2];

	(void)state;
	medians(names, "wrong", took);
	print_message("known %lld us, unknown %lld us\n", (long long)took[0] / 1000,
		      (long long)took[1] / 1000);
	assert_true(took[0] < took[1] * 3 / 2);
	assert_true(took[1] < took[0] * 3 / 2);
}

static void a_second_login_is_cheap(void **state)
{
	struct auth_hello hello = hello_for(desk_path(&desk, "users"));
	int64_t first, again[ROUNDS];

	(void)state;
	hello.cache_seconds = 3600;
	desk_hire(&desk, &hello);
	first = login_ns("alice", "wonderland", AUTH_OK);
	for (int i = 0; i < ROUNDS; i++)
		again[i] = login_ns("alice", "wonderland", AUTH_OK);
	qsort(again, ROUNDS, sizeof(again[0]), compare);
	print_message("first %lld us, again %lld us\n", (long long)first / 1000,
		      (long long)again[ROUNDS / 2] / 1000);
	assert_true(again[ROUNDS / 2] < first / 4);
	assert_int_equal(desk_plain(&desk, "", "alice", "wrong"), AUTH_WRONG);
}

/* Ten thousand attempts of every bad kind that costs no hash. */
static void bad_attempts_leave_nothing(void **state)
{
	static const size_t lengths[] = { 255, 256, 1023, 1024, 9000 };
	static char name[9001], password[10241];
	long before = 0;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	memset(password, 'p', sizeof(password) - 1);
	for (int i = 0; i < 10000; i++) {
		size_t n = lengths[i % 5];

		name[n] = '\0';
		assert_int_not_equal(desk_plain(&desk, "", name, password), AUTH_OK);
		assert_int_not_equal(desk_login(&desk, name, password), AUTH_OK);
		/* Short enough for Cyrus, too long for crypt(3): the whole way but for the hash. */
		password[600] = '\0';
		assert_int_equal(desk_plain(&desk, "", "alice", password), AUTH_WRONG);
		password[600] = 'p';
		name[n] = 'n';
		if (i == 1000)
			before = desk_resident_kib(&desk);
	}
	print_message("resident after 1,000: %ld KiB, after 10,000: %ld KiB\n", before,
		      desk_resident_kib(&desk));
	assert_true(desk_resident_kib(&desk) <= before + DESK_GROWTH_KIB);
}

static void frames_come_in_any_pieces(void **state)
{
	struct span responses[2] = { span_text("alice"), span_text("wonderland") };
	struct auth_request request = { .mechanism = span_text("LOGIN"),
					.responses = { responses[0], responses[1] },
					.response_count = 2 };
	struct buf frame = { 0 };

	(void)state;
	buf_put(&frame, "\0\0\0\0", 4);
	auth_request_encode(&request, &frame);
	frame.at[0] = (unsigned char)(frame.len - 4);
	for (size_t i = 0; i < frame.len; i++)
		assert_int_equal(write(desk.fd, frame.at + i, 1), 1);
	assert_int_equal(desk_receive(&desk), AUTH_OK);
	/* Two at once: two answers, in order. */
	buf_room(&frame, frame.len);
	buf_put(&frame, frame.at, frame.len);
	frame.at[frame.len - 1] = 'X';
	assert_int_equal(write(desk.fd, frame.at, frame.len), frame.len);
	assert_int_equal(desk_receive(&desk), AUTH_OK);
	assert_int_equal(desk_receive(&desk), AUTH_WRONG);
	buf_fini(&frame);
}

static void a_bad_hello_ends_it(void **state)
{
	(void)state;
	desk_hire(&desk, NULL);
	desk_send(&desk, span_text("hello?"));
	assert_int_equal(desk_dismiss(&desk), 1);
}

static void a_bad_request_ends_it(void **state)
{
	struct auth_hello hello = hello_for(desk_path(&desk, "users"));

	(void)state;
	desk_hire(&desk, &hello);
	desk_send(&desk, span_text("what?"));
	assert_int_equal(desk_dismiss(&desk), 1);
}

static void a_huge_frame_ends_it(void **state)
{
	struct auth_hello hello = hello_for(desk_path(&desk, "users"));

	(void)state;
	desk_hire(&desk, &hello);
	assert_int_equal(write(desk.fd, "\xFF\xFF\xFF\x7F", 4), 4);
	assert_int_equal(desk_dismiss(&desk), 1);
}

static void closing_ends_it_in_order(void **state)
{
	struct auth_hello hello = hello_for(desk_path(&desk, "users"));

	(void)state;
	desk_hire(&desk, NULL);
	assert_int_equal(desk_dismiss(&desk), 0);
	desk_hire(&desk, &hello);
	assert_int_equal(desk_dismiss(&desk), 0);
	desk_hire(&desk, &hello);
	assert_int_equal(write(desk.fd, "\x10\0", 2), 2);
	assert_int_equal(desk_dismiss(&desk), 0);
}

static void odd_ones_are_judged(void **state)
{
	(void)state;
	desk_odd_ones_are_judged(&desk);
}

#define hired(test) cmocka_unit_test_setup_teardown(test, set_up_and_hire, tear_down)
#define open_only(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		hired(odd_ones_are_judged),
		hired(tells_right_from_wrong),
		hired(refuses_what_is_malformed),
		open_only(a_mechanism_not_configured_is_not_allowed),
		hired(long_names_and_passwords),
		open_only(case_is_ignored_where_configured),
		open_only(sees_changes_of_the_file),
		open_only(a_file_that_cannot_be_used_is_no_verdict),
		open_only(a_flaw_in_the_file_keeps_the_one_before),
		open_only(a_hash_that_crypt_cannot_do_is_no_verdict),
		hired(an_unknown_name_takes_as_long),
		open_only(a_second_login_is_cheap),
		hired(bad_attempts_leave_nothing),
		hired(frames_come_in_any_pieces),
		open_only(a_bad_hello_ends_it),
		open_only(a_bad_request_ends_it),
		open_only(a_huge_frame_ends_it),
		open_only(closing_ends_it_in_order),
	};

	return cmocka_run_group_tests_name("auth/worker-users", tests, NULL, NULL);
}
