#include "base/id.h"

#include <errno.h>

static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void id_format(uint64_t id, char out[ID_TEXT_MAX])
{
	for (int i = ID_TEXT_MAX - 2; i >= 0; i--) {
		out[i] = digits[id & 31];
		id >>= 5;
	}
	out[ID_TEXT_MAX - 1] = '\0';
}

/* Crockford: what people write for a digit that looks like a letter. */
static unsigned char as_digit(unsigned char c)
{
	if (c >= 'a' && c <= 'z')
		c = (unsigned char)(c - 'a' + 'A');
	if (c == 'O')
		return '0';
	return c == 'I' || c == 'L' ? '1' : c;
}

static int digit_value(unsigned char c)
{
	const char *p = memchr(digits, as_digit(c), sizeof(digits) - 1);

	return p ? (int)(p - digits) : -1;
}

int id_parse(struct span text, uint64_t *out)
{
	uint64_t id = 0;

	if (text.len != ID_TEXT_MAX - 1)
		return -EINVAL;
	for (size_t i = 0; i < text.len; i++) {
		int v = digit_value(text.at[i]);

		if (v < 0 || (i == 0 && v > 15))
			return -EINVAL;
		id = id << 5 | (uint64_t)v;
	}
	*out = id;
	return 0;
}
