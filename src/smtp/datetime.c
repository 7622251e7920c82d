#include "datetime.h"

/* date-time = full-date "T" full-time
 * full-date = 4DIGIT "-" 2DIGIT "-" 2DIGIT
 * full-time = 2DIGIT ":" 2DIGIT ":" 2DIGIT ["." 1*DIGIT] time-offset
 * time-offset = "Z" / ("+" / "-") 2DIGIT ":" 2DIGIT ; "T" and "Z" in either case */

static bool take_digits(struct span *in, size_t count, int least, int most, int *out)
{
	int value = 0;

	if (in->len < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		if (!ascii_is_digit(in->at[i]))
			return false;
		value = value * 10 + (in->at[i] - '0');
	}
	*in = span_from(*in, count);
	*out = value;
	return value >= least && value <= most;
}

static bool take_char(struct span *in, char lower)
{
	if (in->len == 0 || ascii_lower(in->at[0]) != lower)
		return false;
	*in = span_from(*in, 1);
	return true;
}

static bool is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int month_days(int year, int month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

	return days[month - 1] + (month == 2 && is_leap(year));
}

static int64_t days_before(int year, int month, int day)
{
	int64_t past = year - 1, days = day - 1;

	for (int m = 1; m < month; m++)
		days += month_days(year, m);
	return days + past * 365 + past / 4 - past / 100 + past / 400;
}

static bool take_date(struct span *in, int64_t *days)
{
	int year, month, day;

	if (!take_digits(in, 4, 1970, 9999, &year) || !take_char(in, '-') ||
	    !take_digits(in, 2, 1, 12, &month) || !take_char(in, '-') ||
	    !take_digits(in, 2, 1, month_days(year, month), &day))
		return false;
	*days = days_before(year, month, day) - days_before(1970, 1, 1);
	return true;
}

static bool skip_fraction(struct span *in)
{
	size_t n = 0;

	if (!take_char(in, '.'))
		return true;
	while (n < in->len && ascii_is_digit(in->at[n]))
		n++;
	*in = span_from(*in, n);
	return n > 0;
}

/* A leap second, ":60", is the first of the next minute. */
static bool take_time(struct span *in, int64_t *seconds)
{
	int hour, minute, second;

	if (!take_digits(in, 2, 0, 23, &hour) || !take_char(in, ':') ||
	    !take_digits(in, 2, 0, 59, &minute) || !take_char(in, ':') ||
	    !take_digits(in, 2, 0, 60, &second))
		return false;
	*seconds = hour * 3600 + minute * 60 + second;
	return skip_fraction(in);
}

static bool take_offset(struct span *in, int64_t *seconds)
{
	int sign, hour, minute;

	*seconds = 0;
	if (take_char(in, 'z'))
		return true;
	sign = take_char(in, '-') ? -1 : 1;
	if ((sign > 0 && !take_char(in, '+')) || !take_digits(in, 2, 0, 23, &hour) ||
	    !take_char(in, ':') || !take_digits(in, 2, 0, 59, &minute))
		return false;
	*seconds = sign * (hour * 3600 + minute * 60);
	return true;
}

bool smtp_datetime_parse(struct span in, int64_t *unix_s_out)
{
	int64_t days, seconds, offset;

	if (!take_date(&in, &days) || !take_char(&in, 't') || !take_time(&in, &seconds) ||
	    !take_offset(&in, &offset) || in.len)
		return false;
	*unix_s_out = days * 86400 + seconds - offset;
	return true;
}
