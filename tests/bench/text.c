#include "text.h"

#include <string.h>

size_t line_take(struct line *l, const char *at, size_t n)
{
	const char *lf = memchr(at, '\n', n);
	size_t part = lf ? (size_t)(lf - at) : n, room;

	if (l->is_whole) {
		l->is_whole = false;
		l->len = 0;
	}
	room = sizeof(l->text) - 1 - l->len;
	memcpy(l->text + l->len, at, part < room ? part : room);
	l->len += part < room ? part : room;
	if (lf == NULL)
		return n;
	l->is_whole = true;
	if (l->len && l->text[l->len - 1] == '\r')
		l->len--;
	l->text[l->len] = '\0';
	return part + 1;
}

static unsigned dot_step(unsigned seen, char c)
{
	switch (c) {
	case '\r':
		return seen == 3 ? 4 : 1;
	case '\n':
		return seen == 1 ? 2 : seen == 4 ? DOT_END : 0;
	case '.':
		return seen == 2 ? 3 : 0;
	default:
		return 0;
	}
}

size_t dot_take(unsigned *seen, const char *at, size_t n)
{
	size_t i = 0;

	while (i < n && *seen != DOT_END) {
		const char *dot;

		/* Two octets to look back upon, and none of the end seen: then only a dot counts. */
		if (i < 2 || *seen > 2) {
			*seen = dot_step(*seen, at[i++]);
			continue;
		}
		dot = memchr(at + i, '.', n - i);
		i = dot ? (size_t)(dot - at) : n;
		*seen = at[i - 1] == '\r' ? 1 : at[i - 1] == '\n' && at[i - 2] == '\r' ? 2 : 0;
		if (dot)
			*seen = dot_step(*seen, at[i++]);
	}
	return i;
}
