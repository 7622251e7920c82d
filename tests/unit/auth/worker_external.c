#include "desk.h"

#include "auth/users.h"

#include <stdio.h>
#include <stdlib.h>

static struct desk desk;
static char users[128];

static int set_up(void **state)
{
	char id[AUTH_APP_ID_MAX], app[AUTH_APP_PASSWORD_TEXT_MAX];

	(void)state;
	desk_open(&desk);
	snprintf(users, sizeof(users), "%s", desk_path(&desk, "users"));
	assert_int_equal(auth_users_add(users, "alice", span_text("wonderland"), NULL), 0);
	assert_int_equal(auth_users_app_add(users, "scanner", "x", 1, 0, false, id, app, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	desk_close(&desk);
	return 0;
}

static void hire(enum auth_backend backend, const char *mechanisms)
{
	struct auth_hello hello = {
		.backend = backend,
		.users_file = span_text(users),
		.hostname = span_text("relay.example.com"),
		.mechanisms = span_text(mechanisms),
		.domains = { span_text("example.com") },
		.domain_count = 1,
		.nt_domains = { span_text("EXAMPLE") },
		.nt_domain_count = 1,
		.app_passwords = AUTH_APP_PASSWORDS_REQUIRED,
	};

	desk_hire(&desk, &hello);
}

#define S(text)                                                                                    \
	{                                                                                          \
		(const unsigned char *)(text), sizeof(text) - 1                                    \
	}
#define NAMES(text) S(text "\0")

struct external {
	const char *what;
	struct span names;
	const char *authzid; /* NULL: no response */
	enum auth_verdict verdict;
	const char *account, *detail;
};

static void run(const struct external *cases, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct auth_request request = { .mechanism = span_text("EXTERNAL"),
						.names = cases[i].names,
						.responses = { span_text(cases[i].authzid) },
						.response_count = cases[i].authzid != NULL };

		desk_expect(&desk, desk_request(&desk, &request), cases[i].verdict, cases[i].what);
		assert_span_text(desk.answer.account, cases[i].account);
		desk_detail_has(&desk, cases[i].detail);
	}
}

static void a_name_of_an_account_is_found(void **state)
{
	static const struct external cases[] = {
		{ "an address", NAMES("alice@example.com"), "", AUTH_OK, "alice", "" },
		{ "a name", NAMES("alice"), "", AUTH_OK, "alice", "" },
		{ "one known by an app password", NAMES("scanner"), "", AUTH_OK, "scanner", "" },
		{ "the second", NAMES("a.liddell@example.org\0alice"), "", AUTH_OK, "alice", "" },
		{ "the first of two", NAMES("alice\0scanner"), "", AUTH_OK, "alice", "" },
		{ "behind one that is none", NAMES("\0 \0al\xFFice\0alice"), "", AUTH_OK, "alice",
		  "" },
		{ "itself", NAMES("alice@example.com"), "alice", AUTH_OK, "alice", "" },
		{ "itself, called otherwise", NAMES("alice"), "EXAMPLE\\alice", AUTH_OK, "alice",
		  "" },
		{ "another", NAMES("alice"), "scanner", AUTH_WRONG, "alice", "another account" },
		{ "another of its own", NAMES("alice\0scanner"), "scanner", AUTH_WRONG, "alice",
		  "another account" },
		{ "nonsense", NAMES("alice"), " ", AUTH_WRONG, "alice", "another account" },
		{ "nobody's", NAMES("eve@example.com"), "", AUTH_WRONG, "",
		  "no name of an account" },
		{ "another domain's", NAMES("alice@example.org"), "", AUTH_WRONG, "",
		  "no name of an account" },
		{ "no name", NAMES(""), "", AUTH_WRONG, "", "no name of an account" },
		{ "no certificate", S(""), "", AUTH_WRONG, "", "no client certificate" },
		{ "no response", NAMES("alice"), NULL, AUTH_MALFORMED, "", "not as many" },
	};

	(void)state;
	hire(AUTH_BACKEND_USERS, "EXTERNAL");
	run(cases, sizeof(cases) / sizeof(cases[0]));
	assert_int_equal(remove(users), 0);
	run(&(struct external){ "no file", NAMES("alice"), "", AUTH_UNAVAILABLE, "alice",
				"No such file" },
	    1);
}

/* Whoever the authority names: there is nobody else to ask. */
static void other_back_ends_accept(void **state)
{
	static const struct external cases[] = {
		{ "anybody", NAMES("eve@example.com"), "", AUTH_OK, "eve", "" },
		{ "the first", NAMES("bob\0alice"), "", AUTH_OK, "bob", "" },
		{ "the first that can be", NAMES(" \0alice"), "", AUTH_OK, "alice", "" },
		{ "not as another", NAMES("bob\0alice"), "alice", AUTH_WRONG, "bob", "another" },
	};

	(void)state;
	hire(AUTH_BACKEND_SASLAUTHD, "PLAIN EXTERNAL");
	run(cases, sizeof(cases) / sizeof(cases[0]));
}

static void not_where_it_is_not_configured(void **state)
{
	static const struct external cases[] = {
		{ "not allowed", NAMES("alice"), "", AUTH_MALFORMED, "", "not allowed" },
	};

	(void)state;
	hire(AUTH_BACKEND_USERS, "PLAIN LOGIN");
	run(cases, 1);
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_directory(a_name_of_an_account_is_found),
		in_directory(other_back_ends_accept),
		in_directory(not_where_it_is_not_configured),
	};

	return cmocka_run_group_tests_name("auth/worker-external", tests, NULL, NULL);
}
