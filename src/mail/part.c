#include "part.h"

#define LINE_MAX_OCTETS 998
#define QP_COLUMNS 76

/* Whole lines with CRLF, of at most 998 octets, no other controls than tabs. */
static bool has_good_lines(struct span content)
{
	while (content.len) {
		size_t end = span_find(content, '\n');
		struct span line = span_first(content, end);

		if (end == content.len || end == 0 || line.at[end - 1] != '\r' ||
		    end - 1 > LINE_MAX_OCTETS)
			return false;
		for (size_t i = 0; i + 1 < line.len; i++)
			if ((line.at[i] < ' ' && line.at[i] != '\t') || line.at[i] == 127)
				return false;
		content = span_from(content, end + 1);
	}
	return true;
}

bool mail_part_is_7bit(struct span content)
{
	return has_good_lines(content) && span_is_ascii(content);
}

bool mail_part_is_utf8(struct span content)
{
	return has_good_lines(content) && span_is_utf8(content);
}

static bool is_literal(struct span line, size_t i)
{
	unsigned char c = line.at[i];

	/* White space at a line's end is lost on the way (RFC 2045 6.7 (3)). */
	if (c == ' ' || c == '\t')
		return i + 1 < line.len;
	return c > ' ' && c < 127 && c != '=';
}

static void put_qp_line(struct span line, struct buf *out)
{
	size_t column = 0;

	for (size_t i = 0; i < line.len; i++) {
		size_t width = is_literal(line, i) ? 1 : 3;

		/* One column stays free for the "=" of a soft line break. */
		if (column + width > QP_COLUMNS - 1) {
			buf_put_text(out, "=\r\n");
			column = 0;
		}
		if (width == 1)
			buf_put_char(out, (char)line.at[i]);
		else
			buf_printf(out, "=%02X", line.at[i]);
		column += width;
	}
	buf_put_text(out, "\r\n");
}

static void put_qp(struct span content, struct buf *out)
{
	while (content.len) {
		size_t end = span_find(content, '\n');
		struct span line = span_first(content, end);

		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		put_qp_line(line, out);
		content = span_from(content, end + 1);
	}
}

void mail_part_put(const char *type, const char *charset, struct span content, struct buf *out)
{
	bool is_7bit = mail_part_is_7bit(content);

	buf_printf(out, "Content-Type: %s", type);
	if (charset)
		buf_printf(out, "; charset=%s", is_7bit ? "us-ascii" : charset);
	if (!is_7bit)
		buf_put_text(out, "\r\nContent-Transfer-Encoding: quoted-printable");
	buf_put_text(out, "\r\n\r\n");
	if (is_7bit)
		buf_put_span(out, content);
	else
		put_qp(content, out);
}

void mail_part_put_plain(const char *type, struct span content, struct buf *out)
{
	buf_printf(out, "Content-Type: %s\r\n", type);
	if (!span_is_ascii(content))
		buf_put_text(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_put_text(out, "\r\n");
	buf_put_span(out, content);
}
