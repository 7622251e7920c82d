/* smtp/datetime.h: the date-time of HOLDUNTIL.
 *
 * Source   RFC 4865 3. with its erratum 2040: date-time of RFC 3339 5.6
 */
#pragma once

#include "base/span.h"

/* "2026-11-29T12:00:00Z", with a fraction (left out) or an offset or not, as seconds since the
 * epoch; years from 1970 on. */
bool smtp_datetime_parse(struct span in, int64_t *unix_s_out);
