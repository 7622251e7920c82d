#include "io/stream.h"

#include "base/require.h"
#include "stream_inside.h"

#include <errno.h>

static long on_pull(void *user, void *at, size_t n)
{
	struct stream *s = user;

	if (s->cipher.len == 0)
		return s->has_peer_ended ? 0 : -EAGAIN;
	if (n > s->cipher.len)
		n = s->cipher.len;
	memcpy(at, s->cipher.at, n);
	s->cipher = span_from(s->cipher, n);
	return (long)n;
}

static bool is_dry(void *user)
{
	const struct stream *s = user;

	return s->cipher.len == 0 && !s->has_peer_ended;
}

static void on_push(void *user, const void *at, size_t n)
{
	struct stream *s = user;

	loop_lend(s->loop, &s->wire);
	buf_put(&s->wire, at, n);
}

void stream_tls_over(struct stream *s, enum tls_result result, const struct fault *fault)
{
	if (result == TLS_ERROR)
		stream_blame(s, fault->code, fault->text);
	else
		stream_blame(s, -EPIPE,
			     s->is_secured ? "the peer closed the connection"
					   : "the peer closed the connection in the TLS handshake");
	stream_leave(s);
}

bool stream_shake(struct stream *s)
{
	struct fault *fault = &s->loop->fault;
	enum tls_result result;

	if (s->is_secured)
		return true;
	result = tls_handshake(s->tls, fault);
	if (result == TLS_AGAIN)
		return false;
	if (result != TLS_OK) {
		stream_tls_over(s, result, fault);
		return false;
	}
	s->is_secured = true;
	stream_due(s);
	if (s->ops->secured)
		s->ops->secured(s->user);
	return s->state == STREAM_OPEN;
}

/* Octets that data() is just looking at are judged when it returns. */
static bool may_start(struct stream *s)
{
	require(s->tls == NULL && !s->awaits_header);
	if (s->state != STREAM_OPEN)
		return false;
	if (!s->is_giving && s->unused.len) {
		stream_refuse_injected(s);
		return false;
	}
	/* Nothing plain is left to be given again, and what comes is not plain. */
	s->wants_resume = false;
	return true;
}

bool stream_start_tls_server(struct stream *s, const struct tls_server_conf *conf)
{
	const struct tls_wire wire = { on_pull, on_push, s, is_dry };

	if (!may_start(s))
		return false;
	s->tls = tls_new_server(conf, &wire);
	s->lines_up = true;
	return true;
}

bool stream_start_tls_client(struct stream *s, struct tls_trust *trust, const char *host)
{
	const struct tls_wire wire = { on_pull, on_push, s, is_dry };

	if (!may_start(s))
		return false;
	s->tls = tls_new_client(trust, host, &wire);
	/* Speaks first, at the end of this turn. */
	stream_due(s);
	return true;
}

bool stream_tls_is_begun(const struct stream *s)
{
	return s->has_begun;
}

const char *stream_tls_describe(const struct stream *s)
{
	return s->is_secured ? tls_describe(s->tls) : NULL;
}

int stream_tls_binding(struct stream *s, struct span name, struct buf *out)
{
	return s->is_secured ? tls_binding(s->tls, name, out) : -ENOTSUP;
}

bool stream_tls_peer_names(struct stream *s, struct buf *out, const char **why)
{
	*why = NULL;
	return s->is_secured && tls_peer_names(s->tls, out, why);
}
