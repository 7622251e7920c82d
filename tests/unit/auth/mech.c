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
		"EXTERNAL",
		"DIGEST-MD5",
		"CRAM-MD5",
		"OTP",
		"GSSAPI",
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

static void names_what_it_knows(void **state)
{
	(void)state;
	assert_string_equal(auth_mech_names, "PLAIN LOGIN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_its_mechanisms),
		cmocka_unit_test(knows_no_others),
		cmocka_unit_test(names_what_it_knows),
	};

	return cmocka_run_group_tests_name("auth/mech", tests, NULL, NULL);
}
