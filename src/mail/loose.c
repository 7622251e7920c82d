#include "loose.h"

#include "smtp/content.h"

static void put(struct mail_loose *l, char c, struct buf *out)
{
	if (l->column == SMTP_LINE_MOST) {
		/* With a blank behind it, so that no delimiter comes to stand in a line of its own. */
		buf_put_text(out, "\r\n ");
		l->column = 1;
	}
	buf_put_char(out, c);
	l->column++;
}

static bool is_good(unsigned char c)
{
	return c && c < 0x80 && c != '\r' && c != '\n';
}

void mail_loose_put(struct mail_loose *l, struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = in.at[i];

		if (l->has_cr && c == '\n') {
			buf_put_text(out, "\r\n");
			*l = (struct mail_loose){ 0 };
			continue;
		}
		if (l->has_cr)
			put(l, '?', out);
		l->has_cr = c == '\r';
		if (!l->has_cr)
			put(l, is_good(c) ? (char)c : '?', out);
	}
}

void mail_loose_end(struct mail_loose *l, struct buf *out)
{
	if (l->has_cr)
		put(l, '?', out);
	*l = (struct mail_loose){ 0 };
}

uint64_t mail_loose_bound(uint64_t octets)
{
	return octets + 3 * (octets / (SMTP_LINE_MOST - 1) + 1);
}
