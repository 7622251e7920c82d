#include "groups.h"

/* Enough to tell reasons apart; what is behind that is mostly links and ids. */
enum { REASON_OCTETS = 160 };

static bool is_of_number(unsigned char c)
{
	return ascii_is_alnum(c) || c == '-' || c == '_';
}

static void put_run(struct span run, struct buf *out)
{
	for (size_t i = 0; i < run.len; i++)
		if (ascii_is_digit(run.at[i])) {
			buf_put_char(out, '#');
			return;
		}
	buf_put_span(out, run);
}

/* A run of letters, digits, - and _ that holds a digit is a number, a time or an id. */
static void put_word(struct span word, struct buf *out)
{
	size_t n;

	if (span_find(word, '@') < word.len) {
		buf_put_text(out, "<address>");
		return;
	}
	for (; word.len; word = span_from(word, n)) {
		for (n = 0; n < word.len && is_of_number(word.at[n]); n++)
			;
		put_run(span_first(word, n), out);
		if (n < word.len)
			buf_put(out, word.at + n++, 1);
	}
}

static bool is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void ctl_reason_put(const char *words, struct buf *out)
{
	struct span rest = span_first(span_text(words), REASON_OCTETS);
	bool is_first = true;
	size_t n;

	for (; rest.len; rest = span_from(rest, n)) {
		for (n = 0; n < rest.len && !is_space(rest.at[n]); n++)
			;
		if (n) {
			if (!is_first)
				buf_put_char(out, ' ');
			is_first = false;
			put_word(span_first(rest, n), out);
		}
		while (n < rest.len && is_space(rest.at[n]))
			n++;
	}
}
