/* Replies: a peer's, whole and by octets; and ours, from any text. */
#include "base/require.h"
#include "smtp/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In pieces; returns what came of it and how much was used. */
static enum smtp_parse parse(struct smtp_reply_parser *p, struct span in, size_t piece,
			     size_t *used_out)
{
	enum smtp_parse step = SMTP_PARSE_MORE;

	*used_out = 0;
	while (in.len && step == SMTP_PARSE_MORE) {
		struct span part = span_first(in, piece);
		size_t n = part.len;

		step = smtp_reply_parse(p, &part);
		require(step != SMTP_PARSE_MORE || part.len == 0);
		*used_out += n - part.len;
		in = span_from(in, n - part.len);
	}
	return step;
}

static void check_parser(struct span in)
{
	struct smtp_reply_parser whole = { 0 }, octets = { 0 };
	size_t used_whole, used_octets;
	enum smtp_parse step = parse(&whole, in, in.len, &used_whole);

	require(parse(&octets, in, 1, &used_octets) == step);
	if (step == SMTP_PARSE_DONE) {
		struct span text = buf_span(&whole.text);

		require(used_whole == used_octets && whole.code == octets.code);
		require(whole.code >= 200 && whole.code <= 599);
		require(span_eq(text, buf_span(&octets.text)));
		require(span_find(text, 0) == text.len);
	}
	require(whole.text.len <= 100000 && whole.line.len <= 1000);
	smtp_reply_parser_fini(&whole);
	smtp_reply_parser_fini(&octets);
}

static void check_format(struct span text)
{
	struct smtp_reply reply = { 550, { 5, 7, 1 }, text };
	struct smtp_status status = { 0 };
	struct buf out = { 0 };
	struct span line, rest;

	smtp_reply_format(&reply, span_text(" (ref 1-1)"), &out);
	line = buf_span(&out);
	require(line.len <= 512 && line.len >= 12 + 10);
	require(memcmp(line.at + line.len - 12, " (ref 1-1)\r\n", 12) == 0);
	require(span_find(line, '\n') == line.len - 1 && span_find(line, '\r') == line.len - 2);
	require(!span_is_utf8(text) || span_is_utf8(line));
	require(smtp_status_parse(span_from(line, 4), 550, &status, &rest));
	require(status.class == 5 && status.subject == 7 && status.detail == 1);
	if (smtp_status_parse(text, 450, &status, &rest))
		require(status.class == 4 && status.subject < 1000 && rest.len < text.len);
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	check_parser(in);
	check_format(in);
	return 0;
}
