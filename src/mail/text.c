#include "text.h"

size_t mail_text_char(struct span s)
{
	for (size_t n = 1; n <= 4 && n <= s.len; n++)
		if (span_is_utf8(span_first(s, n)))
			return n;
	return 0;
}

struct span mail_text_first(struct span s, size_t most)
{
	size_t n = most;

	if (s.len <= most)
		return s;
	while (n > most - 3 && (s.at[n] & 0xC0) == 0x80)
		n--;
	return span_first(s, n);
}

static bool is_control(struct span c)
{
	if (c.len == 1)
		return c.at[0] <= ' ' || c.at[0] == 127;
	return c.len == 2 && c.at[0] == 0xC2 && c.at[1] < 0xA0;
}

static void clean(struct span in, size_t most, bool ascii_only, struct buf *out)
{
	size_t start = out->len;
	bool wants_space = false;

	while (in.len) {
		size_t n = mail_text_char(in);
		struct span c = span_first(in, n ? n : 1);

		in = span_from(in, c.len);
		if (n && is_control(c)) {
			wants_space = out->len > start;
			continue;
		}
		if (n == 0 || (n > 1 && ascii_only))
			c = span_of("?", 1);
		if (out->len - start + wants_space + c.len > most)
			return;
		if (wants_space)
			buf_put_char(out, ' ');
		buf_put_span(out, c);
		wants_space = false;
	}
}

bool mail_text_is_clean(struct span in, size_t most)
{
	bool is_behind_space = true;

	if (in.len == 0 || in.len > most)
		return in.len == 0;
	for (size_t i = 0; i < in.len; i++) {
		bool is_space = in.at[i] == ' ';

		if ((is_space && is_behind_space) || in.at[i] < ' ' || in.at[i] >= 127)
			return false;
		is_behind_space = is_space;
	}
	return !is_behind_space;
}

void mail_text_clean(struct span in, size_t most, struct buf *out)
{
	clean(in, most, false, out);
}

void mail_text_ascii(struct span in, size_t most, struct buf *out)
{
	clean(in, most, true, out);
}

void mail_text_exact(struct span in, size_t most, bool ascii_only, struct buf *out)
{
	size_t start = out->len;

	while (in.len) {
		size_t n = mail_text_char(in);
		struct span c = span_first(in, n ? n : 1);

		in = span_from(in, c.len);
		if (n == 0 || (n > 1 && ascii_only) || (is_control(c) && c.at[0] != ' '))
			c = span_of("?", 1);
		if (out->len - start + c.len > most)
			return;
		buf_put_span(out, c);
	}
}
