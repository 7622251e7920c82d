#include "base/logline.h"

#include "base/digits.h"
#include "base/id.h"

#include <stdio.h>

enum { VALUE_MAX = 256, MARK_OCTETS = 4 };

static void put(struct logline *l, const char *at, size_t n)
{
	if (l->is_cut)
		return;
	if (l->len + n > sizeof(l->text) - 1 - MARK_OCTETS) {
		memcpy(l->text + l->len, "...", 4);
		l->len += 3;
		l->is_cut = true;
		return;
	}
	memcpy(l->text + l->len, at, n);
	l->len += n;
	l->text[l->len] = '\0';
}

static void put_key(struct logline *l, const char *key)
{
	put(l, " ", 1);
	put(l, key, strlen(key));
	put(l, "=", 1);
}

static const bool is_bare[256] = {
	['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['.'] = true,
	['_'] = true,	      [':'] = true,	    ['/'] = true,	  ['@'] = true,
	['+'] = true,	      ['<'] = true,	    ['>'] = true,	  [','] = true,
	['-'] = true,
};

static bool all_bare(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_bare[s.at[i]])
			return false;
	return s.len > 0;
}

static bool is_plain_character(struct span c)
{
	return !span_is_control(c) && c.at[0] != '"' && c.at[0] != '\\';
}

static void put_hex(struct logline *l, unsigned char c)
{
	static const char digits[] = "0123456789ABCDEF";
	const char hex[] = { '\\', 'x', digits[c >> 4], digits[c & 15] };

	put(l, hex, sizeof(hex));
}

static void put_escaped(struct logline *l, struct span s)
{
	while (s.len) {
		size_t n = span_character(s);

		if (n && is_plain_character(span_first(s, n))) {
			put(l, (const char *)s.at, n);
		} else {
			n = 1;
			put_hex(l, s.at[0]);
		}
		s = span_from(s, n);
	}
}

void logline_start(struct logline *l, enum log_level level, const char *event)
{
	l->level = level;
	l->is_cut = false;
	l->len = 0;
	put(l, "event=", 6);
	put(l, event, strlen(event));
}

void logline_span(struct logline *l, const char *key, struct span value)
{
	bool too_long = value.len > VALUE_MAX;

	if (value.at == NULL)
		return;
	value = span_first(value, VALUE_MAX);
	put_key(l, key);
	if (!too_long && all_bare(value)) {
		put(l, (const char *)value.at, value.len);
		return;
	}
	put(l, "\"", 1);
	put_escaped(l, value);
	put(l, too_long ? "...\"" : "\"", too_long ? 4 : 1);
}

void logline_text(struct logline *l, const char *key, const char *value)
{
	if (value)
		logline_span(l, key, span_text(value));
}

void logline_number(struct logline *l, const char *key, int64_t value)
{
	char room[DIGITS_MAX];
	struct span text = digits_of(value < 0 ? -(uint64_t)value : (uint64_t)value, room);

	put_key(l, key);
	if (value < 0)
		put(l, "-", 1);
	put(l, (const char *)text.at, text.len);
}

void logline_id(struct logline *l, const char *key, uint64_t id)
{
	char text[ID_TEXT_MAX];

	if (id == 0)
		return;
	id_format(id, text);
	put_key(l, key);
	put(l, text, ID_TEXT_MAX - 1);
}

void logline_format(struct logline *l, const char *key, const char *fmt, ...)
{
	char text[VALUE_MAX * 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	logline_text(l, key, text);
}
