#include "base/span.h"

#include <errno.h>

size_t span_find(struct span s, unsigned char octet)
{
	const unsigned char *p = s.len ? memchr(s.at, octet, s.len) : NULL;

	return p ? (size_t)(p - s.at) : s.len;
}

bool span_has_word(struct span words, struct span word)
{
	while (words.len) {
		size_t n = span_find(words, ' ');

		if (span_eq(span_first(words, n), word))
			return true;
		words = span_from(words, n + 1);
	}
	return false;
}

bool span_ieq(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (a.at[i] != b.at[i] && ascii_lower(a.at[i]) != ascii_lower(b.at[i]))
			return false;
	return true;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

struct span span_trim(struct span s)
{
	while (s.len && is_blank(s.at[0])) {
		s.at++;
		s.len--;
	}
	while (s.len && is_blank(s.at[s.len - 1]))
		s.len--;
	return s;
}

/* Of eight octets at a time: the top bit is set where one is 128 or more, becomes so by adding 1 where it
 * is 127, and by the difference where it is below 32. A carry or borrow comes only from an octet that sets
 * its own. */
bool span_is_printable(struct span s)
{
	const uint64_t ones = UINT64_MAX / 255;
	uint64_t eight, tops = 0;
	size_t i = 0;

	for (; s.len - i >= sizeof(eight); i += sizeof(eight)) {
		memcpy(&eight, s.at + i, sizeof(eight));
		tops |= eight | (eight + ones) | (eight - ones * ' ');
	}
	for (; i < s.len; i++)
		tops |= s.at[i] < ' ' || s.at[i] >= 127 ? 128 : 0;
	return (tops & (ones * 128)) == 0;
}

/* RFC 3629 section 4. */
size_t span_character(struct span s)
{
	unsigned char c, low = 0x80, high = 0xBF;
	size_t n;

	if (s.len == 0)
		return 0;
	c = s.at[0];
	if (c < 0x80)
		return 1;
	if (c >= 0xC2 && c <= 0xDF)
		n = 2;
	else if (c >= 0xE0 && c <= 0xEF)
		n = 3;
	else if (c >= 0xF0 && c <= 0xF4)
		n = 4;
	else
		return 0;
	if (c == 0xE0)
		low = 0xA0;
	else if (c == 0xED)
		high = 0x9F;
	else if (c == 0xF0)
		low = 0x90;
	else if (c == 0xF4)
		high = 0x8F;
	if (s.len < n || s.at[1] < low || s.at[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((s.at[i] & 0xC0) != 0x80)
			return 0;
	return n;
}

/* U+061C; U+200E, U+200F; U+2028 to U+202E; U+2066 to U+2069 */
static bool turns_others(struct span c)
{
	if (c.len == 2)
		return c.at[0] == 0xD8 && c.at[1] == 0x9C;
	if (c.len != 3 || c.at[0] != 0xE2)
		return false;
	if (c.at[1] == 0x80)
		return (c.at[2] >= 0x8E && c.at[2] <= 0x8F) || (c.at[2] >= 0xA8 && c.at[2] <= 0xAE);
	return c.at[1] == 0x81 && c.at[2] >= 0xA6 && c.at[2] <= 0xA9;
}

bool span_is_control(struct span c)
{
	if (c.len == 1)
		return c.at[0] < 0x20 || c.at[0] == 0x7F;
	return (c.len == 2 && c.at[0] == 0xC2 && c.at[1] < 0xA0) || turns_others(c);
}

bool span_is_utf8(struct span s)
{
	while (s.len) {
		size_t n = span_character(s);

		if (n == 0)
			return false;
		s = span_from(s, n);
	}
	return true;
}

int span_number(struct span s, uint64_t *out)
{
	uint64_t value = 0;

	if (s.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_digit(s.at[i]))
			return -EINVAL;
		if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(s.at[i] - '0'), &value))
			return -ERANGE;
	}
	*out = value;
	return 0;
}
