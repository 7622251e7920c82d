#include "test.h"

#include <errno.h>

static void test_equality(void **state)
{
	static const struct {
		const char *a, *b;
		bool is_equal, is_iequal;
	} cases[] = {
		{ "", "", true, true },	     { "a", "a", true, true },
		{ "a", "A", false, true },   { "a", "b", false, false },
		{ "ab", "a", false, false }, { "@", "`", false, false },
		{ "[", "{", false, false },  { "\xC4", "\xE4", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span a = span_text(cases[i].a), b = span_text(cases[i].b);

		assert_int_equal(span_eq(a, b), cases[i].is_equal);
		assert_int_equal(span_ieq(a, b), cases[i].is_iequal);
		assert_int_equal(span_ieq_text(a, cases[i].b), cases[i].is_iequal);
	}
	assert_true(span_eq(span_of(NULL, 0), span_text("")));
	assert_false(span_ieq_text(span_of("a\0b", 3), "a"));
}

static void test_parts(void **state)
{
	struct span s = span_text("abc");

	(void)state;
	assert_span_text(span_from(s, 1), "bc");
	assert_int_equal(span_from(s, 3).len, 0);
	assert_int_equal(span_from(s, 99).len, 0);
	assert_ptr_equal(span_from(s, 99).at, s.at + 3);
	assert_span_text(span_first(s, 2), "ab");
	assert_span_text(span_first(s, 99), "abc");
	assert_int_equal(span_find(s, 'c'), 2);
	assert_int_equal(span_find(s, 'x'), 3);
	assert_int_equal(span_find(span_of(NULL, 0), 'x'), 0);
	assert_true(span_has_word(span_text("ab cd"), span_text("cd")));
	assert_false(span_has_word(span_text("ab cde"), span_text("cd")));
	assert_false(span_has_word(span_text("ab"), span_text("a")));
	assert_false(span_has_word(span_of(NULL, 0), span_text("a")));
	assert_true(span_istarts(s, "AB"));
	assert_true(span_istarts(s, ""));
	assert_false(span_istarts(s, "abcd"));
	assert_int_equal(span_text(NULL).len, 0);
}

static void test_trim(void **state)
{
	static const char *const cases[][2] = {
		{ "", "" },	 { " \t", "" },	   { "a", "a" },
		{ " a\t", "a" }, { "a b", "a b" }, { "\na ", "\na" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_span_text(span_trim(span_text(cases[i][0])), cases[i][1]);
}

static void test_utf8(void **state)
{
	static const struct {
		const char *name, *octets;
		bool is_utf8;
	} cases[] = {
		{ "empty", "", true },
		{ "ASCII", "abc\x7F", true },
		{ "first of two", "\xC2\x80", true },
		{ "last of two", "\xDF\xBF", true },
		{ "first of three", "\xE0\xA0\x80", true },
		{ "before the surrogates", "\xED\x9F\xBF", true },
		{ "last of three", "\xEF\xBF\xBF", true },
		{ "first of four", "\xF0\x90\x80\x80", true },
		{ "last of all", "\xF4\x8F\xBF\xBF", true },
		{ "mixed", "a\xC3\xA4z\xE2\x82\xAC", true },
		{ "lone continuation", "\x80", false },
		{ "overlong slash", "\xC0\xAF", false },
		{ "overlong of two", "\xC1\xBF", false },
		{ "overlong of three", "\xE0\x9F\xBF", false },
		{ "surrogate", "\xED\xA0\x80", false },
		{ "overlong of four", "\xF0\x8F\xBF\xBF", false },
		{ "beyond the last", "\xF4\x90\x80\x80", false },
		{ "five octets", "\xF8\x88\x80\x80\x80", false },
		{ "FF", "\xFF", false },
		{ "cut after one of two", "a\xC3", false },
		{ "cut after two of three", "\xE2\x82", false },
		{ "cut after three of four", "\xF0\x90\x80", false },
		{ "second is no continuation", "\xC3(", false },
		{ "third is no continuation", "\xE2\x82(", false },
		{ "fourth is no continuation", "\xF0\x90\x80(", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (span_is_utf8(span_text(cases[i].octets)) != cases[i].is_utf8)
			fail_msg("%s", cases[i].name);
	assert_true(span_is_ascii(span_text("az\x7F")));
	assert_false(span_is_ascii(span_text("a\x80")));
}

/* Each octet at each place of a text that is longer than what is looked at at once. */
static void test_octets(void **state)
{
	unsigned char text[19];

	(void)state;
	for (size_t place = 0; place < sizeof(text); place++) {
		for (unsigned octet = 0; octet < 256; octet++) {
			struct span s = span_of(text, sizeof(text));

			memset(text, ' ', sizeof(text));
			text[place] = (unsigned char)octet;
			assert_int_equal(span_is_ascii(s), octet < 128);
			assert_int_equal(span_is_printable(s), octet >= ' ' && octet < 127);
			s = span_first(s, place);
			assert_true(span_is_ascii(s) && span_is_printable(s));
		}
	}
	memset(text, '~', sizeof(text));
	assert_true(span_is_printable(span_of(text, sizeof(text))));
	assert_true(span_is_printable(span_of(NULL, 0)));
	assert_true(span_is_ascii(span_of(NULL, 0)));
}

/* The same beyond the blocks that a long text is looked at in, which may begin anywhere. */
static void test_long_ascii(void **state)
{
	unsigned char text[300];

	(void)state;
	memset(text, 127, sizeof(text));
	for (size_t from = 0; from < 9; from++)
		for (size_t to = from; to <= sizeof(text); to++) {
			struct span s = span_of(text + from, to - from);

			assert_true(span_is_ascii(s));
			if (to < sizeof(text))
				text[to] = 128;
			assert_true(span_is_ascii(s));
			if (s.len) {
				text[from + to % s.len] = 128;
				assert_false(span_is_ascii(s));
			}
			memset(text, 127, sizeof(text));
		}
}

static void test_number(void **state)
{
	static const struct {
		const char *text;
		int status;
		uint64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "99999999999999999999", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "0x1", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint64_t value = 0;

		assert_int_equal(span_number(span_text(cases[i].text), &value), cases[i].status);
		assert_int_equal(value, cases[i].value);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equality),   cmocka_unit_test(test_parts),
		cmocka_unit_test(test_trim),	   cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_octets),	   cmocka_unit_test(test_number),
		cmocka_unit_test(test_long_ascii),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
