#include "smtp/reply.h"

#include "base/require.h"
#include "printable.h"

enum {
	LINE_OCTETS = 512, /* RFC 5321 4.5.3.1.5, with CRLF */
	SUFFIX_OCTETS = 256,
};

static void put_status(const struct smtp_status *status, struct buf *out)
{
	if (status->class == 0)
		return;
	buf_put_number(out, status->class);
	buf_put_char(out, '.');
	buf_put_number(out, status->subject);
	buf_put_char(out, '.');
	buf_put_number(out, status->detail);
	buf_put_char(out, ' ');
}

/* The first n octets or a few less, so that no character is cut in two. */
static struct span cut_at_character(struct span text, size_t n)
{
	if (text.len <= n)
		return text;
	for (size_t back = 0; back < 4 && back < n; back++)
		if ((text.at[n - back] & 0xC0) != 0x80)
			return span_first(text, n - back);
	return span_first(text, n);
}

void smtp_reply_format(const struct smtp_reply *reply, struct span suffix, struct buf *out)
{
	size_t start = out->len, used;

	require(reply->code >= 200 && reply->code <= 599 && suffix.len <= SUFFIX_OCTETS);
	buf_put_number(out, (unsigned)reply->code);
	buf_put_char(out, ' ');
	put_status(&reply->status, out);
	used = out->len - start + suffix.len + 2;
	smtp_put_printable(cut_at_character(reply->text, LINE_OCTETS - used), out);
	buf_put_span(out, suffix);
	buf_put(out, "\r\n", 2);
}

/* One to three digits from the front of *text. */
static bool take_number(struct span *text, uint16_t *out)
{
	unsigned value = 0;
	size_t n = 0;

	while (n < 3 && n < text->len && ascii_is_digit(text->at[n]))
		value = value * 10 + (unsigned)(text->at[n++] - '0');
	*text = span_from(*text, n);
	*out = (uint16_t)value;
	return n > 0;
}

static bool take_dot(struct span *text)
{
	if (text->len == 0 || text->at[0] != '.')
		return false;
	*text = span_from(*text, 1);
	return true;
}

/* status-code = class "." subject "." detail ; class = "2" / "4" / "5" (RFC 3463 section 2) */
bool smtp_status_parse(struct span text, int code, struct smtp_status *out, struct span *rest)
{
	struct smtp_status status;
	uint16_t class;

	if (!take_number(&text, &class) || !take_dot(&text) ||
	    !take_number(&text, &status.subject) || !take_dot(&text) ||
	    !take_number(&text, &status.detail))
		return false;
	if ((text.len && text.at[0] != ' ') || class != code / 100 || class == 3)
		return false;
	status.class = (uint8_t) class;
	*out = status;
	*rest = span_from(text, 1);
	return true;
}
