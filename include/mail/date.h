/* mail/date.h: dates as RFC 5322 3.3 writes them, and as RFC 3339 does.
 *
 * Units    ms since the epoch; always UTC ("+0000"): the zone of the server says nothing to a
 *          reader. Before 1970 counts as 1970, after 9999 as the last second of 9999
 */
#pragma once

#include <stdint.h>

#define MAIL_DATE_MAX 40

/* Sat, 21 Nov 2026 22:11:54 +0000 */
void mail_date_format(int64_t unix_ms, char out[MAIL_DATE_MAX]);
/* 2026-11-21T22:11:54Z */
void mail_date_format_rfc3339(int64_t unix_ms, char out[MAIL_DATE_MAX]);
