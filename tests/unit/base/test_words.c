#include "test.h"

#include "base/counters.h"
#include "base/fault.h"
#include "base/logline.h"

#include <errno.h>
#include <stdio.h>

static void test_fault(void **state)
{
	struct fault fault = { 0 };
	char longer[600];

	(void)state;
	assert_int_equal(fault_set(&fault, -ENOENT, "opening %s", "/etc/x"), -ENOENT);
	assert_int_equal(fault.code, -ENOENT);
	assert_string_equal(fault.text, "opening /etc/x");
	fault_prefix(&fault, "line %d: ", 7);
	assert_string_equal(fault.text, "line 7: opening /etc/x");
	assert_int_equal(fault_set(NULL, -EIO, "nobody asked"), -EIO);
	fault_prefix(NULL, "nobody asked");
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	fault_set(&fault, -EIO, "%s", longer);
	assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
	fault_prefix(&fault, "%s", longer);
	assert_int_equal(strlen(fault.text), sizeof(fault.text) - 1);
}

static void test_counters(void **state)
{
	struct counters c = { 0 };

	(void)state;
	assert_string_equal(counter_names[0].name, "sessions_opened");
	counter_add(&c.sessions_opened, 3);
	counter_add(&c.spool_failures, 5);
	counter_sub(&c.spool_failures, 1);
	assert_int_equal(counters_get(&c, 0), 3);
	assert_string_equal(counter_names[counter_count - 1].name, "spool_failures");
	assert_int_equal(counters_get(&c, counter_count - 1), 4);
}

static void test_logline_values(void **state)
{
	static const struct {
		const char *value, *text;
	} cases[] = {
		{ "bare-._:/@+<>,", "bare-._:/@+<>," },
		{ "", "\"\"" },
		{ "two words", "\"two words\"" },
		{ "a=b", "\"a=b\"" },
		{ "say \"hi\"", "\"say \\x22hi\\x22\"" },
		{ "back\\slash", "\"back\\x5Cslash\"" },
		{ "a\r\nevent=forged", "\"a\\x0D\\x0Aevent=forged\"" },
		{ "\x1B[31m", "\"\\x1B[31m\"" },
		{ "\x7F", "\"\\x7F\"" },
		{ "gr\xC3\xBC\xC3\x9F", "\"gr\xC3\xBC\xC3\x9F\"" },
		{ "C1 \xC2\x9B", "\"C1 \\xC2\\x9B\"" },
		{ "after C1 \xC2\xA0", "\"after C1 \xC2\xA0\"" },
		{ "\xE2\x80\xAEmoc", "\"\\xE2\\x80\\xAEmoc\"" },
		{ "two\xE2\x80\xA8lines", "\"two\\xE2\\x80\\xA8lines\"" },
		{ "a \xE2\x81\xA6\xE2\x81\xA9", "\"a \\xE2\\x81\\xA6\\xE2\\x81\\xA9\"" },
		{ "\xD8\x9C\xE2\x80\x8F", "\"\\xD8\\x9C\\xE2\\x80\\x8F\"" },
		{ "joined \xE2\x80\x8D \xE2\x80\xA7", "\"joined \xE2\x80\x8D \xE2\x80\xA7\"" },
		{ "\xD8\xA7\xE2\x82\xAC", "\"\xD8\xA7\xE2\x82\xAC\"" },
		{ "not UTF-8 \xE4 \xC3", "\"not UTF-8 \\xE4 \\xC3\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct logline l;
		char expected[200];

		logline_start(&l, LOG_LEVEL_INFO, "test");
		logline_text(&l, "k", cases[i].value);
		snprintf(expected, sizeof(expected), "event=test k=%s", cases[i].text);
		assert_string_equal(l.text, expected);
		assert_int_equal(l.len, strlen(l.text));
	}
}

static void test_logline_kinds(void **state)
{
	struct logline l;

	(void)state;
	logline_start(&l, LOG_LEVEL_WARN, "kinds");
	assert_int_equal(l.level, LOG_LEVEL_WARN);
	assert_string_equal(l.text, "event=kinds");
	logline_text(&l, "none", NULL);
	logline_span(&l, "none", span_of(NULL, 0));
	logline_id(&l, "none", 0);
	logline_number(&l, "n", INT64_MIN);
	logline_number(&l, "z", 0);
	logline_number(&l, "p", INT64_MAX);
	logline_id(&l, "qid", 33);
	logline_format(&l, "f", "%d/%d", 1, 2);
	logline_span(&l, "nul", span_of("a\0b", 3));
	assert_string_equal(l.text, "event=kinds n=-9223372036854775808 z=0 p=9223372036854775807 "
				    "qid=0000000000011 f=1/2 "
				    "nul=\"a\\x00b\"");
}

/* A value is cut at 256 octets, a line at its end, and both say so. */
static void test_logline_cuts(void **state)
{
	char value[300];
	struct logline l;

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[256] = '\0';
	logline_start(&l, LOG_LEVEL_INFO, "t");
	logline_text(&l, "k", value);
	assert_int_equal(l.len, strlen("event=t k=") + 256);
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	logline_start(&l, LOG_LEVEL_INFO, "t");
	logline_text(&l, "k", value);
	assert_int_equal(l.len, strlen("event=t k=") + 256 + strlen("\"...\""));
	assert_string_equal(l.text + l.len - 5, "v...\"");
	assert_false(l.is_cut);
	for (int i = 0; i < 8; i++)
		logline_text(&l, "k", value);
	assert_true(l.is_cut);
	assert_true(l.len < sizeof(l.text));
	assert_int_equal(l.len, strlen(l.text));
	assert_string_equal(l.text + l.len - 3, "...");
}

/* Wherever the end of the line falls, the line is text and ends in "...". */
static void test_logline_is_cut_anywhere(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 256; n++) {
		char value[300];
		struct logline l;

		memset(value, '\n', n);
		value[n] = '\0';
		logline_start(&l, LOG_LEVEL_INFO, "t");
		for (int i = 0; i < 5; i++)
			logline_text(&l, "key", value);
		assert_int_equal(l.len, strlen(l.text));
		assert_null(strchr(l.text, '\n'));
		if (l.is_cut)
			assert_string_equal(l.text + l.len - 3, "...");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fault),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_logline_values),
		cmocka_unit_test(test_logline_kinds),
		cmocka_unit_test(test_logline_cuts),
		cmocka_unit_test(test_logline_is_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
