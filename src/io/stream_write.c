#include "io/stream.h"

#include "stream_inside.h"

#include <errno.h>
#include <sys/socket.h>

size_t stream_unsent(const struct stream *s)
{
	return s->plain.len + s->wire.len + s->sending.len;
}

static bool encipher_some(struct stream *s, struct span some)
{
	struct fault *fault = &s->loop->fault;

	if (tls_write(s->tls, some, fault) == TLS_OK)
		return true;
	stream_tls_over(s, TLS_ERROR, fault);
	return false;
}

void stream_encipher(struct stream *s)
{
	struct span left = buf_span(&s->plain);

	if (!s->is_secured)
		return;
	while (left.len) {
		struct span some = span_first(left, STREAM_RECORD);

		if (!encipher_some(s, some))
			break;
		left = span_from(left, some.len);
	}
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

/* What is enciphered needs no wiping. */
static void give_back(struct stream *s, struct buf *b)
{
	if (s->tls)
		buf_clear(b);
	loop_return(s->loop, b);
}

static void on_written(uv_write_t *request, int status)
{
	struct stream *s = request->handle->data;

	give_back(s, &s->sending);
	if (s->state == STREAM_GONE)
		return;
	if (status < 0)
		on_broken(s, status);
	else
		stream_due(s);
}

static ssize_t try_send(struct stream *s, struct span octets, int flags)
{
	ssize_t n;

	do {
		n = send(s->fd, octets.at, octets.len, flags | MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN || errno == ENOBUFS ? 0 : -errno;
	s->is_corked = (flags & MSG_MORE) != 0;
	return n;
}

/* libuv waits until the socket takes more. */
static void leave_to_uv(struct stream *s)
{
	uv_buf_t part;
	int rc;

	s->sending = s->wire;
	s->wire = (struct buf){ 0 };
	part = uv_buf_init((char *)s->sending.at + s->sending.from, (unsigned)s->sending.len);
	rc = uv_write(&s->write, (uv_stream_t *)&s->tcp, &part, 1, on_written);
	s->is_corked = false;
	if (rc != 0) {
		give_back(s, &s->sending);
		on_broken(s, rc);
	}
}

/* The kernel sends what it holds back for more when told again not to wait. */
static void uncork(struct stream *s)
{
	s->is_corked = false;
	uv_tcp_nodelay(&s->tcp, 1);
}

static void send_wire(struct stream *s, int flags)
{
	ssize_t n;

	if (s->sending.len || s->wire.len == 0)
		return;
	n = try_send(s, buf_span(&s->wire), flags);
	if (n < 0) {
		on_broken(s, (int)n);
	} else if ((size_t)n == s->wire.len) {
		give_back(s, &s->wire);
	} else {
		buf_drop(&s->wire, (size_t)n);
		leave_to_uv(s);
	}
}

void stream_send(struct stream *s)
{
	if (s->is_mute)
		loop_return(s->loop, &s->wire);
	/* Behind the last octets comes the FIN: with MSG_MORE one segment carries both. */
	send_wire(s, s->state == STREAM_FAREWELL ? MSG_MORE : 0);
	if (s->state == STREAM_OPEN && s->is_corked)
		uncork(s);
}

/* What is long goes to the socket without a copy; the last segment of it waits for the end of this turn and
 * what may be written until then. Returns what the socket does not take. */
static struct span send_ahead(struct stream *s, struct span octets)
{
	ssize_t n;

	send_wire(s, MSG_MORE);
	if (s->state != STREAM_OPEN || s->is_mute || stream_unsent(s))
		return octets;
	n = try_send(s, octets, MSG_MORE);
	if (n < 0) {
		on_broken(s, (int)n);
		return span_first(octets, 0);
	}
	return span_from(octets, (size_t)n);
}

static void write_plain(struct stream *s, struct span octets)
{
	struct buf *to = s->tls ? &s->plain : &s->wire;

	if (s->tls == NULL && octets.len >= STREAM_RECORD)
		octets = send_ahead(s, octets);
	if (s->state != STREAM_OPEN || s->is_mute || octets.len == 0)
		return;
	loop_lend(s->loop, to);
	buf_put_span(to, octets);
}

void stream_write(struct stream *s, struct span octets)
{
	if (s->state != STREAM_OPEN || s->is_mute || octets.len == 0)
		return;
	if (s->is_secured)
		write_secured(s, octets);
	else
		write_plain(s, octets);
	if (stream_unsent(s) >= STREAM_LOW)
		s->is_full = true;
	stream_due(s);
}
