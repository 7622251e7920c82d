#include "base/digits.h"

struct span digits_of(uint64_t n, char room[DIGITS_MAX])
{
	size_t at = DIGITS_MAX;

	do {
		room[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	return span_of(room + at, DIGITS_MAX - at);
}
