#include "desk.h"

#include "auth/users.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* App passwords beside each back end. */
static struct desk desk;
static uint32_t cache_seconds;
static char users[128], sasldb[128], nowhere[128];
static char id[AUTH_APP_ID_MAX], app[AUTH_APP_PASSWORD_TEXT_MAX];
static char lost_id[AUTH_APP_ID_MAX], lost[AUTH_APP_PASSWORD_TEXT_MAX];

static int set_up(void **state)
{
	char command[300];

	(void)state;
	desk_open(&desk);
	cache_seconds = 0;
	snprintf(users, sizeof(users), "%s", desk_path(&desk, "users"));
	snprintf(sasldb, sizeof(sasldb), "%s", desk_path(&desk, "sasldb2"));
	snprintf(nowhere, sizeof(nowhere), "%s", desk_path(&desk, "nowhere"));
	snprintf(command, sizeof(command),
		 "printf wonderland | saslpasswd2 -p -c -f %s -u example.com alice", sasldb);
	if (system(command) != 0)
		fail_msg("saslpasswd2 (Debian: sasl2-bin) failed");
	assert_int_equal(auth_users_add(users, "alice", span_text("wonderland"), NULL), 0);
	assert_int_equal(auth_users_app_add(users, "alice", "phone", 1, 0, true, id, app, NULL), 0);
	assert_int_equal(auth_users_app_add(users, "alice", "lost", 1, 2, true, lost_id, lost,
					    NULL),
			 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	desk_close(&desk);
	return 0;
}

static void hire(enum auth_backend backend, enum auth_app_passwords apps, const char *file)
{
	struct auth_hello hello = {
		.backend = backend,
		.users_file = span_text(file),
		.sasldb_file = span_text(sasldb),
		.saslauthd_socket = span_text(nowhere),
		.realm = span_text("example.com"),
		.hostname = span_text("relay.example.com"),
		.mechanisms = span_text("PLAIN LOGIN"),
		.domains = { span_text("example.com") },
		.domain_count = 1,
		.app_passwords = apps,
		.cache_seconds = cache_seconds,
	};

	if (desk.fd >= 0)
		assert_int_equal(desk_dismiss(&desk), 0);
	desk_hire(&desk, &hello);
}

static void as_configured(void **state)
{
	enum {
		NONE = AUTH_APP_PASSWORDS_NONE,
		OPTIONAL = AUTH_APP_PASSWORDS_OPTIONAL,
		REQUIRED = AUTH_APP_PASSWORDS_REQUIRED,
		MODES = 3
	};
	char spaced[64];
	const struct {
		const char *name, *password;
		enum auth_verdict verdicts[MODES];
		bool is_app;
	} cases[] = {
		{ "alice", "wonderland", { AUTH_OK, AUTH_OK, AUTH_APP_REQUIRED }, false },
		{ "alice", "Wonderland", { AUTH_WRONG, AUTH_WRONG, AUTH_WRONG }, false },
		{ "alice", app, { AUTH_OK, AUTH_WRONG, AUTH_OK }, true },
		{ "alice", spaced, { AUTH_OK, AUTH_WRONG, AUTH_OK }, true },
		{ "alice@example.com", app, { AUTH_OK, AUTH_WRONG, AUTH_OK }, true },
		{ "alice", lost, { AUTH_EXPIRED, AUTH_WRONG, AUTH_EXPIRED }, false },
		{ "bob", app, { AUTH_WRONG, AUTH_WRONG, AUTH_WRONG }, false },
		{ "eve", "wonderland", { AUTH_WRONG, AUTH_WRONG, AUTH_WRONG }, false },
		{ "alice",
		  "aaaa-bbbb-cccc-dddd-eeee",
		  { AUTH_WRONG, AUTH_WRONG, AUTH_WRONG },
		  false },
		{ "alice", "", { AUTH_WRONG, AUTH_WRONG, AUTH_WRONG }, false },
	};
	static const enum auth_backend backends[] = { AUTH_BACKEND_USERS, AUTH_BACKEND_SASLDB };

	(void)state;
	snprintf(spaced, sizeof(spaced), " %s ", app);
	for (char *c = spaced; *c; c++)
		*c = *c == '-' ? ' ' : *c;
	for (size_t b = 0; b < 2; b++)
		for (unsigned mode = 0; mode < MODES; mode++) {
			hire(backends[b], (enum auth_app_passwords)mode, users);
			for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
				enum auth_verdict expected = cases[i].verdicts[mode];

				desk_expect(&desk,
					    desk_plain(&desk, "", cases[i].name, cases[i].password),
					    expected, cases[i].password);
				assert_span_text(desk.answer.credential,
						 cases[i].is_app && expected == AUTH_OK ? id : "");
				desk_expect(&desk,
					    desk_login(&desk, cases[i].name, cases[i].password),
					    expected, cases[i].password);
			}
		}
}

/* Another back end needs no users file; what is wrong with one is no wrong password. */
static void without_a_users_file(void **state)
{
	(void)state;
	hire(AUTH_BACKEND_SASLDB, AUTH_APP_PASSWORDS_OPTIONAL, nowhere);
	desk_expect(&desk, desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK, "missing");
	assert_int_equal(desk.answer.detail.len, 0);
	desk_expect(&desk, desk_plain(&desk, "", "alice", app), AUTH_WRONG, "missing");
	hire(AUTH_BACKEND_SASLDB, AUTH_APP_PASSWORDS_OPTIONAL, "");
	desk_expect(&desk, desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK, "not named");
	desk_expect(&desk, desk_plain(&desk, "", "alice", app), AUTH_WRONG, "not named");

	assert_int_equal(chmod(users, 0666), 0);
	hire(AUTH_BACKEND_SASLDB, AUTH_APP_PASSWORDS_OPTIONAL, users);
	desk_expect(&desk, desk_plain(&desk, "", "alice", "wonderland"), AUTH_OK, "open");
	desk_expect(&desk, desk_plain(&desk, "", "alice", app), AUTH_UNAVAILABLE, "open");
	desk_detail_has(&desk, "might be an app password");
	desk_detail_has(&desk, "chmod");
	hire(AUTH_BACKEND_SASLDB, AUTH_APP_PASSWORDS_NONE, users);
	desk_expect(&desk, desk_plain(&desk, "", "alice", app), AUTH_WRONG, "not looked at");

	assert_int_equal(chmod(users, 0600), 0);
	hire(AUTH_BACKEND_SASLDB, AUTH_APP_PASSWORDS_OPTIONAL, users);
	desk_expect(&desk, desk_plain(&desk, "", "alice", app), AUTH_OK, "mended");
	assert_int_equal(unlink(users), 0);
	desk_expect(&desk, desk_plain(&desk, "", "alice", app), AUTH_WRONG, "gone");
}

/* A phone that goes on with an app password that was withdrawn must not lock the account elsewhere:
 * here a back end that cannot be reached tells whether it was asked. */
static void what_looks_like_one_is_not_shown_to_the_back_end(void **state)
{
	static const struct {
		const char *password;
		bool is_shown;
	} cases[] = {
		{ "aaaa-bbbb-cccc-dddd-eeee", false }, { "aaaabbbbccccddddeeee", false },
		{ "AAAA bbbb 2345 dddd eeee", false }, { "aaaa-bbbb-cccc-dddd-eee", true },
		{ "aaaa-bbbb-cccc-dddd-eeeef", true }, { "aaaa-bbbb-cccc-dddd-eee1", true },
		{ "aaaa_bbbb_cccc_dddd_eeee", true },  { "wonderland", true },
	};

	(void)state;
	hire(AUTH_BACKEND_SASLAUTHD, AUTH_APP_PASSWORDS_REQUIRED, users);
	desk_expect(&desk, desk_plain(&desk, "", "alice", app), AUTH_OK, "app");
	assert_int_equal(auth_users_app_rm(users, "alice", id, NULL), 0);
	desk_expect(&desk, desk_plain(&desk, "", "alice", app), AUTH_WRONG, "withdrawn");
	desk_detail_has(&desk, "no such app password");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		desk_expect(&desk, desk_plain(&desk, "", "alice", cases[i].password),
			    cases[i].is_shown ? AUTH_UNAVAILABLE : AUTH_WRONG, cases[i].password);
	hire(AUTH_BACKEND_SASLAUTHD, AUTH_APP_PASSWORDS_OPTIONAL, users);
	desk_expect(&desk, desk_plain(&desk, "", "alice", cases[0].password), AUTH_UNAVAILABLE,
		    "it might be her own");
}

/* Logins by the back end's passwords are refused anyhow: it is not missed. */
static void where_they_are_required_no_back_end_is(void **state)
{
	const struct auth_request probe = { .response_count = 0 };

	(void)state;
	hire(AUTH_BACKEND_SASLAUTHD, AUTH_APP_PASSWORDS_REQUIRED, users);
	desk_expect(&desk, desk_request(&desk, &probe), AUTH_OK, "required");
	hire(AUTH_BACKEND_SASLAUTHD, AUTH_APP_PASSWORDS_OPTIONAL, users);
	desk_expect(&desk, desk_request(&desk, &probe), AUTH_UNAVAILABLE, "optional");
	hire(AUTH_BACKEND_USERS, AUTH_APP_PASSWORDS_REQUIRED, "/nowhere/users");
	desk_expect(&desk, desk_request(&desk, &probe), AUTH_UNAVAILABLE, "no file");
}

static void a_user_may_have_app_passwords_alone(void **state)
{
	char other_id[AUTH_APP_ID_MAX], other[AUTH_APP_PASSWORD_TEXT_MAX];

	(void)state;
	assert_int_equal(auth_users_app_add(users, "carol", "scanner", 1, 0, false, other_id, other,
					    NULL),
			 0);
	hire(AUTH_BACKEND_SASLAUTHD, AUTH_APP_PASSWORDS_OPTIONAL, users);
	desk_expect(&desk, desk_plain(&desk, "", "carol", other), AUTH_OK, "carol");
	assert_span_text(desk.answer.account, "carol");
	assert_span_text(desk.answer.credential, other_id);
	desk_expect(&desk, desk_plain(&desk, "alice", "carol", other), AUTH_WRONG, "as alice");
}

/* Until a change would show in its times. */
static void let_settle(const char *file)
{
	struct timespec now;
	struct stat st;

	assert_int_equal(stat(file, &st), 0);
	do
		clock_gettime(CLOCK_REALTIME, &now);
	while ((int64_t)(now.tv_sec - st.st_ctim.tv_sec) * 1000 +
		       (now.tv_nsec - st.st_ctim.tv_nsec) / 1000000 <=
	       101);
}

static bool may_remember(const char *password, enum auth_verdict expected)
{
	desk_expect(&desk, desk_plain(&desk, "", "alice", password), expected, password);
	assert_int_equal(desk.answer.good_until_s == 0, desk.answer.file_state.len == 0);
	return desk.answer.good_until_s != 0;
}

static void only_an_app_password_may_be_remembered(void **state)
{
	const uint64_t soon = (uint64_t)time(NULL) + 1000;
	char brief_id[AUTH_APP_ID_MAX], brief[AUTH_APP_PASSWORD_TEXT_MAX];
	uint64_t before;

	(void)state;
	assert_int_equal(auth_users_app_add(users, "alice", "brief", 1, (int64_t)soon, true,
					    brief_id, brief, NULL),
			 0);
	cache_seconds = 3600;
	let_settle(users);
	for (int i = 0; i < 2; i++) {
		hire(i ? AUTH_BACKEND_SASLDB : AUTH_BACKEND_USERS, AUTH_APP_PASSWORDS_OPTIONAL,
		     users);
		before = (uint64_t)time(NULL);
		assert_true(may_remember(app, AUTH_OK));
		assert_in_range(desk.answer.good_until_s, before + 3600,
				(uint64_t)time(NULL) + 3600);
		/* No longer than it is good. */
		assert_true(may_remember(brief, AUTH_OK));
		assert_true(desk.answer.good_until_s == soon);
		desk_expect(&desk, desk_login(&desk, "alice", app), AUTH_OK, "LOGIN");
		assert_true(desk.answer.good_until_s != 0);
		assert_false(may_remember("wonderland", AUTH_OK));
		assert_false(may_remember("wonderland", AUTH_OK));
		assert_false(may_remember("Wonderland", AUTH_WRONG));
		assert_false(may_remember(lost, AUTH_EXPIRED));
	}
	cache_seconds = 0;
	hire(AUTH_BACKEND_USERS, AUTH_APP_PASSWORDS_OPTIONAL, users);
	assert_false(may_remember(app, AUTH_OK));
}

/* In each state of the file by another name, and by none where it cannot be told from the next. */
static void it_is_remembered_by_the_state_of_the_file(void **state)
{
	struct buf before = { 0 };
	FILE *f;

	(void)state;
	cache_seconds = 3600;
	let_settle(users);
	hire(AUTH_BACKEND_USERS, AUTH_APP_PASSWORDS_OPTIONAL, users);
	assert_true(may_remember(app, AUTH_OK));
	buf_put_span(&before, desk.answer.file_state);
	assert_true(may_remember(app, AUTH_OK));
	assert_true(span_eq(desk.answer.file_state, buf_span(&before)));

	assert_int_equal(auth_users_app_rm(users, "alice", lost_id, NULL), 0);
	let_settle(users);
	assert_true(may_remember(app, AUTH_OK));
	assert_false(span_eq(desk.answer.file_state, buf_span(&before)));

	f = fopen(users, "a");
	assert_non_null(f);
	fputs("a flaw\n", f);
	fclose(f);
	let_settle(users);
	assert_false(may_remember(app, AUTH_OK));
	desk_detail_has(&desk, "a flaw");
	assert_false(may_remember(app, AUTH_OK));
	buf_fini(&before);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_directory(as_configured),
		in_directory(without_a_users_file),
		in_directory(what_looks_like_one_is_not_shown_to_the_back_end),
		in_directory(where_they_are_required_no_back_end_is),
		in_directory(a_user_may_have_app_passwords_alone),
		in_directory(only_an_app_password_may_be_remembered),
		in_directory(it_is_remembered_by_the_state_of_the_file),
	};

	return cmocka_run_group_tests_name("auth/worker-apps", tests, NULL, NULL);
}
