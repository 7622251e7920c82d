/* The content's decoder against the plain reference, in pieces; and what goes out comes in again.
 * The first octet chooses the setting and the pieces. */
#include "base/require.h"
#include "body_reference.h"
#include "smtp/body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct decoded {
	struct smtp_body_decoder decoder;
	struct buf content;
	size_t used;
	bool is_ended;
};

static void decode_piece(struct decoded *d, struct span piece)
{
	struct span rest = piece, chunk;
	enum smtp_body_step step;

	while ((step = smtp_body_decode(&d->decoder, &rest, &chunk)) == SMTP_BODY_CHUNK) {
		require(chunk.len);
		buf_put_span(&d->content, chunk);
	}
	d->is_ended = step == SMTP_BODY_END;
	require(d->is_ended || rest.len == 0);
	d->used += piece.len - rest.len;
}

static struct decoded decode(struct span in, size_t piece, bool refuse_bare_lf)
{
	struct decoded d = { .decoder.refuse_bare_lf = refuse_bare_lf };

	for (; in.len && !d.is_ended; in = span_from(in, piece))
		decode_piece(&d, span_first(in, piece));
	require(d.decoder.octets == d.content.len);
	return d;
}

static void check_decoder(struct span in, size_t piece, bool refuse_bare_lf)
{
	struct body_reference r = { .refuse_bare_lf = refuse_bare_lf };
	size_t used = body_reference_run(&r, in);
	struct decoded d = decode(in, piece, refuse_bare_lf);

	require(d.is_ended == r.is_ended && d.used == used);
	require(smtp_body_is_bad(&d.decoder) == r.is_bad);
	require(span_eq(buf_span(&d.content), buf_span(&r.content)));
	buf_fini(&d.content);
	buf_fini(&r.content);
}

static void check_chunk_decoder(struct span in, size_t piece, bool refuse_bare_lf)
{
	struct body_reference r = { .is_chunked = true, .refuse_bare_lf = refuse_bare_lf };
	struct smtp_body_decoder d = { .refuse_bare_lf = refuse_bare_lf };
	struct buf content = { 0 };

	body_reference_run(&r, in);
	body_reference_end(&r);
	for (; in.len; in = span_from(in, piece)) {
		struct span rest = span_first(in, piece), chunk;

		while (smtp_chunk_decode(&d, &rest, &chunk) == SMTP_BODY_CHUNK)
			buf_put_span(&content, chunk);
		require(rest.len == 0);
	}
	smtp_chunk_decode_end(&d);
	require(smtp_body_is_bad(&d) == r.is_bad && d.octets == content.len);
	require(span_eq(buf_span(&content), buf_span(&r.content)));
	buf_fini(&content);
	buf_fini(&r.content);
}

/* Whatever goes out, in any pieces, is one clean content and nothing behind it. */
static void check_encoder(struct span in, size_t piece)
{
	struct smtp_body_encoder e = { 0 };
	struct buf wire = { 0 }, again = { 0 };
	struct decoded d;

	for (struct span rest = in; rest.len; rest = span_from(rest, piece))
		smtp_body_encode(&e, span_first(rest, piece), &wire);
	smtp_body_encode_end(&e, &wire);
	d = decode(buf_span(&wire), 1 + piece % 7, true);
	require(d.is_ended && d.used == wire.len && !smtp_body_is_bad(&d.decoder));
	e.state = 0;
	smtp_body_encode(&e, buf_span(&d.content), &again);
	smtp_body_encode_end(&e, &again);
	require(span_eq(buf_span(&again), buf_span(&wire)));
	buf_fini(&d.content);
	buf_fini(&wire);
	buf_fini(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in;
	size_t piece;

	if (size == 0)
		return 0;
	in = span_of(data + 1, size - 1);
	piece = 1 + data[0] / 2 % 32;
	check_decoder(in, piece, data[0] & 1);
	check_decoder(in, in.len + 1, data[0] & 1);
	check_chunk_decoder(in, piece, data[0] & 1);
	check_encoder(in, piece);
	return 0;
}
