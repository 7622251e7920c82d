#include "groups.h"

/* Enough to tell reasons apart; what is behind that is mostly links and ids. */
enum { REASON_OCTETS = 160 };

#define ADDRESS "<address>"

static bool is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_of_number(unsigned char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

/* A run of letters, digits, - and _ that holds a digit is a number, a time or an id. */
static unsigned char *put_run(struct span run, bool has_digit, unsigned char *at)
{
	if (has_digit) {
		*at = '#';
		return at + 1;
	}
	memcpy(at, run.at, run.len);
	return at + run.len;
}

static unsigned char *put_word(struct span word, unsigned char *at)
{
	size_t start = 0;
	bool has_digit = false;

	if (span_find(word, '@') < word.len) {
		memcpy(at, ADDRESS, strlen(ADDRESS));
		return at + strlen(ADDRESS);
	}
	for (size_t i = 0; i <= word.len; i++) {
		if (i < word.len && is_of_number(word.at[i])) {
			has_digit = has_digit || ascii_is_digit(word.at[i]);
			continue;
		}
		at = put_run(span_from(span_first(word, i), start), has_digit && i > start, at);
		if (i < word.len)
			*at++ = word.at[i];
		start = i + 1;
		has_digit = false;
	}
	return at;
}

void ctl_reason_put(const char *words, struct buf *out)
{
	struct span rest = span_first(span_text(words), REASON_OCTETS);
	/* Every other octet may be an address and a space. */
	unsigned char *room = buf_room(out, rest.len * (strlen(ADDRESS) + 1)), *at = room;
	size_t n;

	for (; rest.len; rest = span_from(rest, n)) {
		for (n = 0; n < rest.len && !is_space(rest.at[n]); n++)
			;
		if (n && at > room)
			*at++ = ' ';
		if (n)
			at = put_word(span_first(rest, n), at);
		while (n < rest.len && is_space(rest.at[n]))
			n++;
	}
	buf_grew(out, (size_t)(at - room));
}
