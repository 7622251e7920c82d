/* base/digits.h: numbers as text, where printf would cost more than the number.
 *
 * Owns     nothing; the caller's array is filled from its end
 */
#pragma once

#include "base/span.h"

#define DIGITS_MAX 20 /* of UINT64_MAX */

/* Decimal, without leading zeros. Lives as long as `room`. */
struct span digits_of(uint64_t n, char room[DIGITS_MAX]);
/* The last two digits of n. */
static inline void digits_put_two(unsigned n, char out[2])
{
	out[0] = (char)('0' + n / 10 % 10);
	out[1] = (char)('0' + n % 10);
}
