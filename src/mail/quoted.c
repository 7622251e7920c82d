#include "quoted.h"

enum {
	/* Of 76: two stay free for an octet at the line's start that is encoded after all, and two for
	 * a blank at its end, or one for the "=" of a soft line break. */
	COLUMNS = 72,
	OCTET = 3,
};

static const char digits[] = "0123456789ABCDEF";

static void put_hex(unsigned char c, struct buf *out)
{
	const char hex[OCTET] = { '=', digits[c >> 4], digits[c & 15] };

	buf_put(out, hex, sizeof(hex));
}

static bool starts(const struct mail_quoted *q, const char *text)
{
	size_t n = strlen(text);

	return q->column >= n && memcmp(q->line, text, n) == 0;
}

static void put_line(struct mail_quoted *q, const char *tail, struct buf *out)
{
	bool is_risky = starts(q, ".") || starts(q, "From ") || starts(q, "--");

	if (is_risky)
		put_hex((unsigned char)q->line[0], out);
	buf_put(out, q->line + is_risky, q->column - is_risky);
	buf_put_text(out, tail);
	q->column = 0;
}

/* White space at a line's end is lost on the way (RFC 2045 6.7 (3)); in what is encoded already it is
 * nothing. */
static void end_line(struct mail_quoted *q, const char *tail, struct buf *out)
{
	char last = q->column ? q->line[q->column - 1] : 0;

	if (!q->is_mending && (last == ' ' || last == '\t')) {
		q->column--;
		q->line[q->column++] = '=';
		q->line[q->column++] = digits[last >> 4];
		q->line[q->column++] = digits[last & 15];
	}
	put_line(q, tail, out);
	q->unit = 0;
}

static void make_room(struct mail_quoted *q, size_t columns, struct buf *out)
{
	if (q->column + columns > COLUMNS)
		put_line(q, "=\r\n", out);
}

static void put_encoded(struct mail_quoted *q, unsigned char c, struct buf *out)
{
	make_room(q, OCTET, out);
	q->line[q->column++] = '=';
	q->line[q->column++] = digits[c >> 4];
	q->line[q->column++] = digits[c & 15];
	q->unit = 0;
}

static void put_literal(struct mail_quoted *q, unsigned char c, struct buf *out)
{
	if (q->unit && c != '=')
		q->unit--;
	else
		make_room(q, c == '=' ? OCTET : 1, out);
	q->line[q->column++] = (char)c;
	if (c == '=')
		q->unit = 2;
}

static bool is_literal(const struct mail_quoted *q, unsigned char c)
{
	return (c >= ' ' && c < 127 && (c != '=' || q->is_mending)) || c == '\t';
}

static void put_octet(struct mail_quoted *q, unsigned char c, struct buf *out)
{
	if (is_literal(q, c))
		put_literal(q, c, out);
	else
		put_encoded(q, c, out);
}

void mail_quoted_put(struct mail_quoted *q, struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = in.at[i];

		if (q->has_cr && c == '\n') {
			end_line(q, "\r\n", out);
			q->has_cr = false;
			continue;
		}
		if (q->has_cr)
			put_octet(q, '\r', out);
		q->has_cr = c == '\r';
		if (!q->has_cr)
			put_octet(q, c, out);
	}
}

void mail_quoted_end(struct mail_quoted *q, bool is_last, struct buf *out)
{
	if (q->has_cr)
		put_octet(q, '\r', out);
	/* What is being mended may end with the "=" itself. */
	if (q->column)
		end_line(q, !is_last ? "" : q->unit == 2 ? "\r\n" : "=\r\n", out);
	*q = (struct mail_quoted){ 0 };
}

uint64_t mail_quoted_bound(uint64_t width, uint64_t lines)
{
	/* A line that is broken has more than COLUMNS - OCTET columns; "=" and CRLF come to it, and two
	 * columns at the start of the next. The last of all may end so too. */
	return width + 2 * lines + (1 + 2) + (1 + 2 + 2) * (width / (COLUMNS - OCTET));
}
