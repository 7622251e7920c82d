#include "smtp/dsn.h"

#include "test.h"

enum { S = SMTP_NOTIFY_SUCCESS, F = SMTP_NOTIFY_FAILURE, D = SMTP_NOTIFY_DELAY };

static void notify_comes_back(void **state)
{
	static const struct {
		const char *in;
		unsigned flags; /* 0: refused */
		const char *out;
	} cases[] = {
		{ "NEVER", SMTP_NOTIFY_NEVER, "NEVER" },
		{ "never", SMTP_NOTIFY_NEVER, "NEVER" },
		{ "SUCCESS", S, "SUCCESS" },
		{ "Failure", F, "FAILURE" },
		{ "DELAY", D, "DELAY" },
		{ "FAILURE,SUCCESS", S | F, "SUCCESS,FAILURE" },
		{ "DELAY,FAILURE,SUCCESS", S | F | D, "SUCCESS,FAILURE,DELAY" },
		{ "", 0, NULL },
		{ ",", 0, NULL },
		{ "SUCCESS,", 0, NULL },
		{ ",SUCCESS", 0, NULL },
		{ "SUCCESS,,DELAY", 0, NULL },
		{ "SUCCESS, DELAY", 0, NULL },
		{ "SUCCESS;DELAY", 0, NULL },
		{ "NEVER,SUCCESS", 0, NULL },
		{ "SUCCESS,NEVER", 0, NULL },
		{ "NEVER,NEVER", 0, NULL },
		{ "DELAY,DELAY", 0, NULL },
		{ "FAILURE,DELAY,failure", 0, NULL },
		{ "FAILURES", 0, NULL },
		{ "FAIL", 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };
		unsigned flags = 0;
		int rc = smtp_notify_parse(span_text(cases[i].in), &flags);

		if ((rc == 0) != (cases[i].flags != 0) || flags != cases[i].flags)
			fail_msg("%s: %d, %u", cases[i].in, rc, flags);
		smtp_notify_format(flags, &out);
		assert_span_text(buf_span(&out), flags ? cases[i].out : "");
		buf_fini(&out);
	}
}

struct vector {
	const char *in;
	bool is_valid;
};

static void check(bool (*is_valid)(struct span), const struct vector *v, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (is_valid(span_text(v[i].in)) != v[i].is_valid)
			fail_msg("%s", v[i].in);
}

static void judges_values(void **state)
{
	static const struct vector envids[] = {
		{ "QQ314159", true },	{ "a+20b+2B", true }, { "<1@x>", true }, { "", false },
		{ "+", false },		{ "+4", false },      { "+zz", false },	 { "+3d", false },
		{ "a+0Ab", false },	{ "+0D+0A", false },  { "+00", false },	 { "+09", false },
		{ "+7F", false },	{ "+C3+BC", false },  { "a b", false },	 { "a=b", false },
		{ "a\r\nRSET", false }, { "\303\274", false }
	};
	static const struct vector orcpts[] = {
		{ "rfc822;a@b", true },
		{ "rfc822;a+2Bb@c", true },
		{ "x-type;1", true },
		{ "utf-8;+5Cx{FC}@b", true },
		{ "rfc822;a;b", true },
		{ "", false },
		{ ";", false },
		{ "a@b", false },
		{ "rfc822", false },
		{ "rfc822;", false },
		{ ";a@b", false },
		{ "rfc 822;a", false },
		{ "rfc.822;a", false },
		{ "rfc822;a+0A-H", false },
		{ "rfc822;a+b@c", false },
		{ "rfc822;a=b", false },
		{ "rfc822;a b", false },
		{ "rfc822;\303\274@b", false },
		{ "\303\274;a@b", false },
		{ "rfc822;a\r\n", false },
	};

	(void)state;
	check(smtp_envid_is_valid, envids, sizeof(envids) / sizeof(envids[0]));
	check(smtp_orcpt_is_valid, orcpts, sizeof(orcpts) / sizeof(orcpts[0]));
	assert_false(smtp_orcpt_is_valid(span_of("rfc822\0;a", 9)));
	assert_false(smtp_envid_is_valid(span_of("a\0b", 3)));
}

static void bounds_values(void **state)
{
	char text[SMTP_ORCPT_MOST + 2];

	(void)state;
	memset(text, 'a', sizeof(text));
	assert_true(smtp_envid_is_valid(span_of(text, 100)));
	assert_false(smtp_envid_is_valid(span_of(text, 101)));
	memcpy(text, "rfc822;", 7);
	assert_true(smtp_orcpt_is_valid(span_of(text, 500)));
	assert_false(smtp_orcpt_is_valid(span_of(text, 501)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(notify_comes_back),
		cmocka_unit_test(judges_values),
		cmocka_unit_test(bounds_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
