#include "mail/date.h"

#include "base/digits.h"

#define LAST_SECOND 253402300799 /* 9999-12-31T23:59:59Z */
#define DAY_SECONDS 86400

struct civil {
	int year, month, day, weekday; /* month from 1, weekday from 0, Sunday */
	int hour, minute, second;
};

/* Days since the epoch to a date, by eras of 400 years (146,097 days) that begin on 1 March: so the
 * leap day is the last of its year. */
static void civil_from_days(int64_t days, struct civil *out)
{
	int64_t shifted = days + 719468;
	int64_t era = shifted / 146097;
	int64_t day_of_era = shifted % 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_from_march = (5 * day_of_year + 2) / 153;

	out->day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
	out->month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	out->year = (int)(year_of_era + era * 400) + (out->month <= 2);
	out->weekday = (int)((days + 4) % 7); /* 1970-01-01 was a Thursday */
}

static struct civil civil_of(int64_t unix_ms)
{
	int64_t seconds = unix_ms < 0 ? 0 : unix_ms / 1000;
	struct civil c;
	int in_day;

	if (seconds > LAST_SECOND)
		seconds = LAST_SECOND;
	civil_from_days(seconds / DAY_SECONDS, &c);
	in_day = (int)(seconds % DAY_SECONDS);
	c.hour = in_day / 3600;
	c.minute = in_day / 60 % 60;
	c.second = in_day % 60;
	return c;
}

void mail_date_format(int64_t unix_ms, char out[MAIL_DATE_MAX])
{
	static const char weekdays[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
					    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
	struct civil c = civil_of(unix_ms);

	memcpy(out, "Www, dd Mmm yyyy hh:mm:ss +0000", sizeof("Www, dd Mmm yyyy hh:mm:ss +0000"));
	memcpy(out, weekdays[c.weekday], 3);
	digits_put_two((unsigned)c.day, out + 5);
	memcpy(out + 8, months[c.month - 1], 3);
	digits_put_two((unsigned)c.year / 100, out + 12);
	digits_put_two((unsigned)c.year, out + 14);
	digits_put_two((unsigned)c.hour, out + 17);
	digits_put_two((unsigned)c.minute, out + 20);
	digits_put_two((unsigned)c.second, out + 23);
}
