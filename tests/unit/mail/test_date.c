#include "mail/date.h"

#include <stdio.h>

#include "test.h"

struct date_case {
	const char *name;
	int64_t unix_ms;
	const char *mail;
};

static const struct date_case cases[] = {
	{ "epoch", 0, "Thu, 01 Jan 1970 00:00:00 +0000" },
	{ "last ms of a second", 999, "Thu, 01 Jan 1970 00:00:00 +0000" },
	{ "last second of a day", 86399999, "Thu, 01 Jan 1970 23:59:59 +0000" },
	{ "second day", 86400000, "Fri, 02 Jan 1970 00:00:00 +0000" },
	{ "leap day of a year of 400", 951782400000, "Tue, 29 Feb 2000 00:00:00 +0000" },
	{ "1 March 2000", 951868800000, "Wed, 01 Mar 2000 00:00:00 +0000" },
	{ "last day of 2000", 978307199000, "Sun, 31 Dec 2000 23:59:59 +0000" },
	{ "leap day 2024", 1709164800000, "Thu, 29 Feb 2024 00:00:00 +0000" },
	{ "2026", 1795299114123, "Sat, 21 Nov 2026 22:11:54 +0000" },
	{ "last of 31 bits", 2147483647000, "Tue, 19 Jan 2038 03:14:07 +0000" },
	{ "beyond 31 bits", 2147483648000, "Tue, 19 Jan 2038 03:14:08 +0000" },
	{ "2100 has no leap day", 4107542400000, "Mon, 01 Mar 2100 00:00:00 +0000" },
	{ "28 February 2100", 4107456000000, "Sun, 28 Feb 2100 00:00:00 +0000" },
	{ "end of 9999", 253402300799999, "Fri, 31 Dec 9999 23:59:59 +0000" },
	{ "after 9999", 253402300800000, "Fri, 31 Dec 9999 23:59:59 +0000" },
	{ "the far end", INT64_MAX, "Fri, 31 Dec 9999 23:59:59 +0000" },
	{ "negative", -1, "Thu, 01 Jan 1970 00:00:00 +0000" },
	{ "very negative", INT64_MIN, "Thu, 01 Jan 1970 00:00:00 +0000" },
};

static void test_dates(void **state)
{
	char out[MAIL_DATE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("%s\n", cases[i].name);
		mail_date_format(cases[i].unix_ms, out);
		assert_string_equal(out, cases[i].mail);
	}
}

/* Every day of 1970 to 2200 follows the one before by the rules of the calendar. */
static void test_every_day(void **state)
{
	static const char *const weekdays[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int year = 1970, month = 1, day = 1;
	char out[MAIL_DATE_MAX], expected[64];

	(void)state;
	for (int64_t days = 0; year < 2200; days++) {
		bool is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

		snprintf(expected, sizeof(expected), "%s, %02d %s %04d 12:00:00 +0000",
			 weekdays[days % 7], day, months[month - 1], year);
		mail_date_format(days * 86400000 + 43200000, out);
		assert_string_equal(out, expected);
		if (++day > lengths[month - 1] + (is_leap && month == 2)) {
			day = 1;
			month = month == 12 ? 1 : month + 1;
			year += month == 1;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_every_day),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
