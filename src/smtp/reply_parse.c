#include "smtp/reply.h"

#include "base/require.h"

enum {
	LINE_MOST = 1000,    /* octets of one line, with its end */
	REPLY_MOST = 100000, /* octets of all lines */
	CODE_OCTETS = 3,
};

void smtp_reply_parser_reset(struct smtp_reply_parser *p)
{
	buf_clear(&p->line);
	buf_clear(&p->text);
	p->code = 0;
	p->is_done = false;
	p->octets = p->lines = 0;
}

void smtp_reply_parser_fini(struct smtp_reply_parser *p)
{
	buf_fini(&p->line);
	buf_fini(&p->text);
	*p = (struct smtp_reply_parser){ 0 };
}

/* Reply-code = %x32-35 %x30-35 %x30-39; the second digit is taken as it comes, because servers with
 * codes of their own exist and only the first one decides. */
static int code_of(struct span line)
{
	if (line.len < CODE_OCTETS || line.at[0] < '2' || line.at[0] > '5' ||
	    !ascii_is_digit(line.at[1]) || !ascii_is_digit(line.at[2]))
		return 0;
	return (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + line.at[2] - '0';
}

/* Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
 *
 * RFC 5321 4.2.1: "In a multiline reply, the reply code on each of the lines MUST be the same." One
 * that changes tells that what we read is not what we believe. */
static enum smtp_parse take_line(struct smtp_reply_parser *p, struct span line)
{
	int code = code_of(line);
	bool is_last;

	if (code == 0 || (p->lines && code != p->code))
		return SMTP_PARSE_BAD;
	is_last = line.len == CODE_OCTETS || line.at[CODE_OCTETS] == ' ';
	if ((!is_last && line.at[CODE_OCTETS] != '-') || span_find(line, 0) < line.len)
		return SMTP_PARSE_BAD;
	p->code = code;
	if (p->lines++)
		buf_put_char(&p->text, '\n');
	buf_put_span(&p->text, span_from(line, CODE_OCTETS + 1));
	p->is_done = is_last;
	return is_last ? SMTP_PARSE_DONE : SMTP_PARSE_MORE;
}

/* A reply line may end in LF alone: it can smuggle nothing here, as the count of replies that are
 * due is ours. */
static struct span without_end(struct span line)
{
	line.len--;
	if (line.len && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

enum smtp_parse smtp_reply_parse(struct smtp_reply_parser *p, struct span *in)
{
	require(!p->is_done);
	while (in->len) {
		size_t n = span_find(*in, '\n');
		bool is_whole = n < in->len;
		struct span part = span_first(*in, is_whole ? n + 1 : n);
		enum smtp_parse step;

		if (part.len > LINE_MOST - p->line.len || part.len > REPLY_MOST - p->octets)
			return SMTP_PARSE_BAD;
		p->octets += part.len;
		*in = span_from(*in, part.len);
		if (!is_whole || p->line.len) {
			buf_put_span(&p->line, part);
			part = buf_span(&p->line);
		}
		if (!is_whole)
			return SMTP_PARSE_MORE;
		step = take_line(p, without_end(part));
		buf_clear(&p->line);
		if (step != SMTP_PARSE_MORE)
			return step;
	}
	return SMTP_PARSE_MORE;
}
