#include "io/stream.h"

#include "stream_inside.h"

#include <errno.h>

size_t stream_unsent(const struct stream *s)
{
	return s->plain.len + s->wire.len + s->sending.len;
}

static bool encipher_some(struct stream *s, struct span some)
{
	struct fault fault;

	if (tls_write(s->tls, some, &fault) == TLS_OK)
		return true;
	stream_tls_over(s, TLS_ERROR, &fault);
	return false;
}

void stream_encipher(struct stream *s)
{
	while (s->is_secured && s->plain.len) {
		struct span some = span_first(buf_span(&s->plain), STREAM_RECORD);

		if (!encipher_some(s, some))
			return;
		buf_drop(&s->plain, some.len);
	}
	if (s->plain.len == 0)
		loop_return(s->loop, &s->plain);
}

/* Full records are made at once, without a copy; the rest waits for its neighbours. */
static void write_secured(struct stream *s, struct span octets)
{
	if (s->plain.len + octets.len >= STREAM_RECORD)
		stream_encipher(s);
	while (s->state == STREAM_OPEN && octets.len >= STREAM_RECORD) {
		if (!encipher_some(s, span_first(octets, STREAM_RECORD)))
			return;
		octets = span_from(octets, STREAM_RECORD);
	}
	loop_lend(s->loop, &s->plain);
	buf_put_span(&s->plain, octets);
}

void stream_write(struct stream *s, struct span octets)
{
	struct buf *to = s->tls ? &s->plain : &s->wire;

	if (s->state != STREAM_OPEN || s->is_mute || octets.len == 0)
		return;
	if (s->is_secured) {
		write_secured(s, octets);
	} else {
		loop_lend(s->loop, to);
		buf_put_span(to, octets);
	}
	if (stream_unsent(s) >= STREAM_LOW)
		s->is_full = true;
	stream_due(s);
}

/* A peer that has gone may have said why: what it sent before is still there to be read, and behind it
 * the reader finds the end. */
static void on_broken(struct stream *s, int code)
{
	if (s->state == STREAM_OPEN && (code == -EPIPE || code == -ECONNRESET)) {
		s->is_mute = true;
		loop_return(s->loop, &s->plain);
		loop_return(s->loop, &s->wire);
		stream_due(s);
		return;
	}
	stream_blame(s, code, uv_strerror(code));
	stream_shut(s);
}

static void on_written(uv_write_t *request, int status)
{
	struct stream *s = request->handle->data;

	loop_return(s->loop, &s->sending);
	if (s->state == STREAM_GONE)
		return;
	if (status < 0)
		on_broken(s, status);
	else
		stream_due(s);
}

void stream_send(struct stream *s)
{
	uv_buf_t part;
	int n;

	if (s->is_mute)
		loop_return(s->loop, &s->wire);
	if (s->sending.len || s->wire.len == 0)
		return;
	part = uv_buf_init((char *)s->wire.at + s->wire.from, (unsigned)s->wire.len);
	n = uv_try_write((uv_stream_t *)&s->tcp, &part, 1);
	if (n < 0 && n != UV_EAGAIN) {
		on_broken(s, n);
		return;
	}
	buf_drop(&s->wire, n > 0 ? (size_t)n : 0);
	if (s->wire.len == 0) {
		loop_return(s->loop, &s->wire);
		return;
	}
	s->sending = s->wire;
	s->wire = (struct buf){ 0 };
	part = uv_buf_init((char *)s->sending.at + s->sending.from, (unsigned)s->sending.len);
	n = uv_write(&s->request.write, (uv_stream_t *)&s->tcp, &part, 1, on_written);
	if (n != 0) {
		loop_return(s->loop, &s->sending);
		on_broken(s, n);
	}
}
