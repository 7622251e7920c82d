#include "desk.h"
#include "gsasl.h"

#include "auth/users.h"

#include <stdio.h>
#include <stdlib.h>

/* SCRAM as a client has it that is not ours: GNU SASL, which msmtp and others are built on. */
static struct desk desk;
static char users[128], app[AUTH_APP_PASSWORD_TEXT_MAX], id[AUTH_APP_ID_MAX];

#define EXPORTER                                                                                   \
	"\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17\20\21\22\23\24\25\26\27\30\31\32\33\34\35\36\37"   \
	"\40"
#define EXPORTER_64 "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="
#define ANOTHER_64 "AAIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="

static int set_up(void **state)
{
	struct auth_hello hello;

	(void)state;
	desk_open(&desk);
	snprintf(users, sizeof(users), "%s", desk_path(&desk, "users"));
	assert_int_equal(auth_users_add(users, "alice", span_text("wonderland"), NULL), 0);
	assert_int_equal(auth_users_add(users, "a,b=c", span_text("comma"), NULL), 0);
	assert_int_equal(auth_users_app_add(users, "alice", "phone", 1, 0, true, id, app, NULL), 0);
	hello = (struct auth_hello){
		.backend = AUTH_BACKEND_USERS,
		.users_file = span_text(users),
		.hostname = span_text("relay.example.com"),
		.mechanisms = span_text("PLAIN SCRAM-SHA-256"),
		.domains = { span_text("example.com") },
		.domain_count = 1,
	};
	desk_hire(&desk, &hello);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	desk_close(&desk);
	return 0;
}

struct login {
	const char *what, *mechanism, *name, *password;
	const char *bindings[2];
	enum auth_verdict verdict;
	const char *credential;
};

/* It has an empty response to our signature only when that is right. */
static enum auth_verdict pass_on(const struct login *login, struct gsasl *g, uint64_t number)
{
	struct span said;
	enum auth_verdict v = AUTH_CONTINUE;
	bool is_next = false;

	while (v == AUTH_CONTINUE && gsasl_hear(g, &said)) {
		struct auth_request request = { .mechanism = span_text(login->mechanism),
						.conversation = number,
						.is_next = is_next,
						.has_binding = true,
						.binding = span_text("tls-exporter"),
						.binding_data = span_text(EXPORTER),
						.responses = { said },
						.response_count = 1 };

		if (is_next)
			request.binding = request.binding_data = span_of(NULL, 0);
		v = desk_request(&desk, &request);
		is_next = true;
		if (v == AUTH_CONTINUE)
			gsasl_say(g, desk.answer.challenge);
	}
	return v;
}

static void logs_in(void **state)
{
	const struct login logins[] = {
		{ "no binding", "SCRAM-SHA-256", "alice", "wonderland", { "", "" }, AUTH_OK, "" },
		{ "an app password", "SCRAM-SHA-256", "alice", app, { "", "" }, AUTH_OK, id },
		{ "an address",
		  "SCRAM-SHA-256",
		  "alice@example.com",
		  "wonderland",
		  { "", "" },
		  AUTH_OK,
		  "" },
		{ "a coded name", "SCRAM-SHA-256", "a,b=c", "comma", { "", "" }, AUTH_OK, "" },
		{ "a binding",
		  "SCRAM-SHA-256-PLUS",
		  "alice",
		  "wonderland",
		  { EXPORTER_64, NULL },
		  AUTH_OK,
		  "" },
		{ "another's binding",
		  "SCRAM-SHA-256-PLUS",
		  "alice",
		  "wonderland",
		  { ANOTHER_64, NULL },
		  AUTH_WRONG,
		  "" },
		{ "wrong", "SCRAM-SHA-256", "alice", "Wonderland", { "", "" }, AUTH_WRONG, "" },
		{ "unknown",
		  "SCRAM-SHA-256-PLUS",
		  "eve",
		  "wonderland",
		  { EXPORTER_64, NULL },
		  AUTH_WRONG,
		  "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(logins) / sizeof(logins[0]); i++) {
		char password[80], name[80];
		const char *const arguments[] = { "--mechanism", logins[i].mechanism,
						  name,		 "--authorization-id=",
						  password,	 NULL };
		struct gsasl g;

		snprintf(name, sizeof(name), "--authentication-id=%s", logins[i].name);
		snprintf(password, sizeof(password), "--password=%s", logins[i].password);
		gsasl_start(&g, arguments, logins[i].bindings);
		desk_expect(&desk, pass_on(&logins[i], &g, i + 1), logins[i].verdict,
			    logins[i].what);
		assert_span_text(desk.answer.credential, logins[i].credential);
		gsasl_stop(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(logs_in, set_up, tear_down),
	};

	return cmocka_run_group_tests_name("auth/worker-gsasl", tests, NULL, NULL);
}
