#include "test.h"

#include "auth/mech.h"

static void finds_its_mechanisms(void **state)
{
	(void)state;
	assert_int_equal(auth_mech_find(span_text("PLAIN"))->challenge_count, 1);
	assert_string_equal(auth_mech_find(span_text("plain"))->challenges[0], "");
	assert_int_equal(auth_mech_find(span_text("Login"))->challenge_count, 2);
	assert_string_equal(auth_mech_find(span_text("LOGIN"))->challenges[0], "Username:");
	assert_string_equal(auth_mech_find(span_text("LOGIN"))->challenges[1], "Password:");
}

static void knows_no_others(void **state)
{
	static const char *const others[] = {
		"",
		"ANONYMOUS",
		"NTLM",
		"DIGEST-MD5",
		"SCRAM-SHA-1",
		"SCRAM-SHA-512",
		"OTP",
		"PLAI",
		"PLAINX",
		" PLAIN",
		"PLAIN ",
		"LOGIN PLAIN",
		"XLOGINLOGINLOGINLOGIN",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_null(auth_mech_find(span_text(others[i])));
	assert_null(auth_mech_find(span_of("PLAIN\0", 6)));
	assert_null(auth_mech_find(span_of(NULL, 0)));
}

static void each_is_of_its_kind(void **state)
{
	static const struct auth_mech expected[] = {
		{ .name = "PLAIN", .needs_password = true, .challenge_count = 1 },
		{ .name = "LOGIN", .needs_password = true, .challenge_count = 2 },
		{ .name = "EXTERNAL", .needs_certificate = true, .challenge_count = 1 },
		{ .name = "SCRAM-SHA-256", AUTH_MECH_CONVERSATION, .needs_password = true },
		{ .name = "SCRAM-SHA-256-PLUS",
		  AUTH_MECH_CONVERSATION,
		  .needs_binding = true,
		  .needs_password = true },
		{ .name = "CRAM-MD5",
		  AUTH_MECH_CONVERSATION,
		  .is_server_first = true,
		  .needs_password = true },
		{ .name = "GSSAPI", AUTH_MECH_CONVERSATION },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct auth_mech *m = auth_mech_find(span_text(expected[i].name));

		assert_non_null(m);
		assert_string_equal(m->name, expected[i].name);
		assert_int_equal(m->kind, expected[i].kind);
		assert_int_equal(m->is_server_first, expected[i].is_server_first);
		assert_int_equal(m->needs_binding, expected[i].needs_binding);
		assert_int_equal(m->needs_certificate, expected[i].needs_certificate);
		assert_int_equal(m->needs_password, expected[i].needs_password);
		assert_int_equal(m->challenge_count, expected[i].challenge_count);
	}
}

static void names_what_it_knows(void **state)
{
	struct span rest = span_text(auth_mech_names);
	unsigned count = 0;

	(void)state;
	while (rest.len) {
		size_t end = span_find(rest, ' ');

		assert_non_null(auth_mech_find(span_first(rest, end)));
		rest = span_from(rest, end + 1);
		count++;
	}
	assert_int_equal(count, 7);
}

static void says_what_a_back_end_cannot(void **state)
{
	enum {
		U = 1 << AUTH_BACKEND_USERS,
		D = 1 << AUTH_BACKEND_SASLAUTHD,
		B = 1 << AUTH_BACKEND_SASLDB
	};
	static const struct {
		const char *name;
		unsigned can;
		const char *fix;
	} cases[] = {
		{ "PLAIN", U | D | B, "" },
		{ "login", U | D | B, "" },
		{ "EXTERNAL", U | D | B, "" },
		{ "GSSAPI", U | D | B, "" },
		{ "SCRAM-SHA-256", U, "login.backend = users" },
		{ "scram-sha-256-plus", U, "login.backend = users" },
		{ "CRAM-MD5", B, "login.backend = sasldb" },
		{ "NTLM", 0, "SCRAM-SHA-256" },
		{ "ANONYMOUS", 0, "PLAIN" },
		{ "DIGEST-MD5", 0, "CRAM-MD5" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (unsigned b = AUTH_BACKEND_USERS; b <= AUTH_BACKEND_SASLDB; b++) {
			const char *flaw =
				auth_mech_flaw(span_text(cases[i].name), (enum auth_backend)b);

			assert_int_equal(flaw == NULL, (cases[i].can >> b & 1) != 0);
			if (flaw)
				assert_non_null(strstr(flaw, cases[i].fix));
		}
}

static void finds_the_binding(void **state)
{
	static const char *const cases[][2] = {
		{ "p=tls-exporter,,n=alice,r=x", "tls-exporter" },
		{ "p=tls-unique,a=alice,n=alice,r=x", "tls-unique" },
		{ "p=x,", "x" },
		{ "p=,,n=alice,r=x", "" },
		{ "p=tls-exporter", "" },
		{ "n,,n=alice,r=x", "" },
		{ "y,,n=alice,r=x", "" },
		{ "P=tls-exporter,,", "" },
		{ ",p=tls-exporter,", "" },
		{ "p", "" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_span_text(auth_mech_binding(span_text(cases[i][0])), cases[i][1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_its_mechanisms),
		cmocka_unit_test(knows_no_others),
		cmocka_unit_test(each_is_of_its_kind),
		cmocka_unit_test(names_what_it_knows),
		cmocka_unit_test(says_what_a_back_end_cannot),
		cmocka_unit_test(finds_the_binding),
	};

	return cmocka_run_group_tests_name("auth/mech", tests, NULL, NULL);
}
