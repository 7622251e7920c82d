#include "io/stream.h"

#include "base/mem.h"
#include "base/require.h"
#include "stream_inside.h"
#include "wipe.h"

#include <errno.h>

/* Octets to the user */

/* RFC 3207 section 6, and what "NO STARTTLS" (USENIX Security 2021) found: octets that came in
 * plain text are never taken for octets that came inside TLS. */
void stream_refuse_injected(struct stream *s)
{
	/* Not even the 220: nothing that we say in plain text has a meaning any more. */
	loop_return(s->loop, &s->wire);
	stream_blame(s, -EPROTO, "the peer sent plain text behind STARTTLS");
	stream_leave(s);
}

static size_t ask_user(struct stream *s, struct span octets)
{
	size_t used;

	s->is_giving = true;
	used = s->ops->data(s->user, octets);
	s->is_giving = false;
	require(used <= octets.len);
	return used;
}

void stream_forget_rest(struct stream *s)
{
	if (s->unused.at == NULL)
		return;
	/* What was used of it was moved about. */
	mem_wipe(s->unused.at, s->unused.cap < WIPE_OCTETS ? s->unused.cap : WIPE_OCTETS);
	buf_clear(&s->unused);
	loop_return(s->loop, &s->unused);
}

static void keep_rest(struct stream *s, struct span rest)
{
	if (rest.len == 0)
		return;
	loop_lend(s->loop, &s->unused);
	buf_put_span(&s->unused, rest);
}

static void give(struct stream *s, struct span octets)
{
	bool was_plain = s->tls == NULL, is_rest = s->unused.len > 0;
	size_t used, left;

	if (is_rest) {
		buf_put_span(&s->unused, octets);
		octets = buf_span(&s->unused);
	}
	used = ask_user(s, octets);
	left = octets.len - used;
	if (s->state != STREAM_OPEN)
		return;
	if (is_rest)
		buf_drop(&s->unused, used);
	else
		keep_rest(s, span_from(octets, used));
	if (left == 0)
		stream_forget_rest(s);
	else if (was_plain && s->tls)
		stream_refuse_injected(s);
}

void stream_give_again(struct stream *s)
{
	s->wants_resume = false;
	if (s->unused.len)
		give(s, span_of(NULL, 0));
}

void stream_resume(struct stream *s)
{
	if (s->state != STREAM_OPEN || s->awaits_header || s->lines_up ||
	    s->unused.len + s->is_giving == 0)
		return;
	s->wants_resume = true;
	stream_due(s);
}

/* Octets from the socket */

/* All that a read brings is deciphered here, so that nothing is ever left over in two places. */
static void decipher(struct stream *s)
{
	struct fault *fault = &s->loop->fault;
	enum tls_result result;
	struct span plain;

	while ((result = tls_read(s->tls, &plain, fault)) == TLS_OK) {
		give(s, plain);
		if (s->state != STREAM_OPEN)
			return;
	}
	if (result != TLS_AGAIN)
		stream_tls_over(s, result, fault);
}

void stream_take_cipher(struct stream *s, struct span octets)
{
	s->cipher = octets;
	if (stream_shake(s))
		decipher(s);
	if (s->cipher.len && s->state == STREAM_OPEN) {
		stream_blame(s, -EPROTO, "TLS: too many records that bring nothing");
		stream_leave(s);
	}
	s->cipher = span_of(NULL, 0);
	/* A handshake, an alert or a key update may have put octets in the wire. */
	stream_due(s);
}

static void discard(struct stream *s, size_t n)
{
	s->discarded += n;
	if (s->discarded > STREAM_DISCARD)
		stream_abort(s);
}

void stream_end(struct stream *s)
{
	if (s->state == STREAM_OPEN && s->tls)
		stream_take_cipher(s, span_of(NULL, 0));
	stream_blame(s, -EPIPE,
		     s->awaits_header ? "the peer closed the connection before its PROXY header"
				      : "the peer closed the connection");
	stream_leave(s);
}

static void on_end(struct stream *s)
{
	s->has_peer_ended = true;
	if (s->state == STREAM_LINGER)
		stream_shut(s);
	else if (!stream_line_keeps(s))
		stream_end(s);
}

static void on_broken(struct stream *s, int code)
{
	stream_blame(s, code,
		     code == -ECONNRESET ? "the peer reset the connection" : uv_strerror(code));
	stream_shut(s);
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *out)
{
	struct stream *s = handle->data;

	(void)hint;
	/* A stranger's octets are not kept in the line by whole reads. */
	*out = uv_buf_init((char *)s->loop->read_at,
			   s->lines_up ? STREAM_UNUSED : LOOP_READ_OCTETS);
}

/* What came behind a proxy's header may be the first octets of either. */
static void take(struct stream *s, struct span octets)
{
	if (octets.len == 0 || s->state != STREAM_OPEN)
		return;
	if (s->lines_up)
		stream_line_join(s, octets);
	else if (s->tls)
		stream_take_cipher(s, octets);
	else
		give(s, octets);
}

static void on_read(uv_stream_t *tcp, ssize_t n, const uv_buf_t *b)
{
	struct stream *s = tcp->data;
	struct span octets;

	if (n == UV_EOF) {
		on_end(s);
	} else if (n < 0) {
		on_broken(s, (int)n);
	} else if (s->state != STREAM_OPEN) {
		discard(s, (size_t)n);
	} else if (n > 0) {
		octets = span_of(b->base, (size_t)n);
		if (s->awaits_header)
			octets = stream_take_header(s, octets);
		take(s, octets);
	}
	stream_watch(s);
}

static bool wants_octets(const struct stream *s)
{
	if (s->has_peer_ended || s->state == STREAM_GONE)
		return false;
	return s->state != STREAM_OPEN ||
	       (stream_unsent(s) <= STREAM_HIGH && s->unused.len <= STREAM_UNUSED);
}

void stream_watch(struct stream *s)
{
	bool wants = wants_octets(s);

	if (wants == s->is_reading || s->state == STREAM_GONE)
		return;
	s->is_reading = wants;
	if (wants)
		require(uv_read_start((uv_stream_t *)&s->tcp, on_alloc, on_read) == 0);
	else
		uv_read_stop((uv_stream_t *)&s->tcp);
}
