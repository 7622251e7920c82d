/* mail/date.h: dates as RFC 5322 3.3 writes them.
 *
 * Units    ms since the epoch; always UTC ("+0000"): the zone of the server says nothing to a
 *          reader. Before 1970 counts as 1970, after 9999 as the last second of 9999
 */
#pragma once

#include <stdint.h>

#define MAIL_DATE_MAX 40

/* Sat, 21 Nov 2026 22:11:54 +0000 */
void mail_date_format(int64_t unix_ms, char out[MAIL_DATE_MAX]);
