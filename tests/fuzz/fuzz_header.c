/* The header scan over any octets: pieces change nothing, and a second scan finds nothing left to
 * do. */
#include "base/require.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void scan(struct span in, size_t piece, struct buf *out)
{
	const struct mail_scan_conf conf = { "D", "<m@h>", 1 << 16, 10 };
	struct mail_scan s;

	mail_scan_init(&s, &conf);
	for (; in.len; in = span_from(in, piece)) {
		struct span body = mail_scan_feed(&s, span_first(in, piece), out);

		buf_put_span(out, body);
		require(s.held.len <= MAIL_SCAN_HELD && s.id.len <= 250);
	}
	mail_scan_end(&s, out);
	mail_scan_fini(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = { 0 }, pieces = { 0 }, again = { 0 };
	struct span in;

	if (size == 0)
		return 0;
	in = span_of(data + 1, size - 1);
	scan(in, in.len + 1, &whole);
	scan(in, (size_t)data[0] % 7 + 1, &pieces);
	require(span_eq(buf_span(&whole), buf_span(&pieces)));
	scan(buf_span(&whole), whole.len + 1, &again);
	require(span_eq(buf_span(&whole), buf_span(&again)));
	buf_fini(&whole);
	buf_fini(&pieces);
	buf_fini(&again);
	return 0;
}
