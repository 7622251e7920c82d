#include "lines64.h"

#include "base/base64.h"

enum { COLUMNS = 76 };

static void put_line(struct mail_lines64 *l, struct span octets, struct buf *out)
{
	if (l->has_line)
		buf_put_text(out, "\r\n");
	base64_encode(octets, out);
	l->has_line = true;
}

static void encode(struct mail_lines64 *l, struct span in, struct buf *out)
{
	while (l->count + in.len >= sizeof(l->held)) {
		struct span part = span_first(in, sizeof(l->held) - l->count);

		in = span_from(in, part.len);
		if (l->count) {
			memcpy(l->held + l->count, part.at, part.len);
			part = span_of(l->held, sizeof(l->held));
		}
		put_line(l, part, out);
		l->count = 0;
	}
	if (in.len)
		memcpy(l->held + l->count, in.at, in.len);
	l->count += in.len;
}

/* RFC 2045 6.8: readers ignore all other octets, line ends too. */
static void mend(struct mail_lines64 *l, struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = in.at[i];

		if (!ascii_is_alnum(c) && c != '+' && c != '/' && c != '=')
			continue;
		if (l->column == COLUMNS) {
			buf_put_text(out, "\r\n");
			l->column = 0;
		}
		buf_put_char(out, (char)c);
		l->column++;
		l->has_line = true;
	}
}

void mail_lines64_put(struct mail_lines64 *l, struct span in, struct buf *out)
{
	if (l->is_mending)
		mend(l, in, out);
	else
		encode(l, in, out);
}

void mail_lines64_end(struct mail_lines64 *l, bool is_last, struct buf *out)
{
	if (l->count)
		put_line(l, span_of(l->held, l->count), out);
	if (is_last && l->has_line)
		buf_put_text(out, "\r\n");
	*l = (struct mail_lines64){ 0 };
}

uint64_t mail_lines64_bound(uint64_t octets, bool is_mending)
{
	uint64_t digits = is_mending ? octets : (octets + 2) / 3 * 4;

	return digits + 2 * (digits / COLUMNS + 1);
}
