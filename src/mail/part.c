#include "part.h"

#include "quoted.h"
#include "smtp/content.h"
/* Whole lines with CRLF, of at most 998 octets, no other controls than tabs. */
static bool has_good_lines(struct span content)
{
	while (content.len) {
		size_t end = span_find(content, '\n');
		struct span line = span_first(content, end);

		if (end == content.len || end == 0 || line.at[end - 1] != '\r' ||
		    end - 1 > SMTP_LINE_MOST)
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

static void put_quoted(struct span content, struct buf *out)
{
	struct mail_quoted quoted = { 0 };

	while (content.len) {
		size_t end = span_find(content, '\n');
		struct span line = span_first(content, end);

		if (line.len && line.at[line.len - 1] == '\r')
			line.len--;
		mail_quoted_put(&quoted, line, out);
		mail_quoted_put(&quoted, span_text("\r\n"), out);
		content = span_from(content, end + 1);
	}
	mail_quoted_end(&quoted, true, out);
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
		put_quoted(content, out);
}

void mail_part_put_plain(const char *type, struct span content, struct buf *out)
{
	buf_printf(out, "Content-Type: %s\r\n", type);
	if (!span_is_ascii(content))
		buf_put_text(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_put_text(out, "\r\n");
	buf_put_span(out, content);
}
