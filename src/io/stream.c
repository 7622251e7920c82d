#include "io/stream.h"

#include "base/mem.h"
#include "base/require.h"
#include "stream_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void stream_due(struct stream *s)
{
	if (s->state != STREAM_GONE && !list_holds(&s->due))
		list_push_back(&s->loop->due, &s->due);
}

bool stream_is_open(const struct stream *s)
{
	return s->state == STREAM_OPEN;
}

/* The end */

void stream_blame(struct stream *s, int code, const char *text)
{
	if (s->fault || s->state != STREAM_OPEN)
		return;
	s->fault = mem_new(struct fault);
	fault_set(s->fault, code, "%s", text);
}

static void on_closed(uv_handle_t *handle)
{
	static const struct fault by_us;
	struct stream *s = handle->data;

	list_remove(&s->loop->streams, &s->all);
	s->ops->closed(s->user, s->fault ? s->fault : &by_us);
	tls_free(&s->tls);
	loop_return(s->loop, &s->plain);
	loop_return(s->loop, &s->wire);
	loop_return(s->loop, &s->sending);
	stream_forget_rest(s);
	free(s->fault);
	free(s);
}

void stream_shut(struct stream *s)
{
	if (s->state == STREAM_GONE)
		return;
	s->state = STREAM_GONE;
	timer_clear(s->loop, &s->patience);
	if (list_holds(&s->due))
		list_remove(&s->loop->due, &s->due);
	stream_line_leave(s);
	uv_close((uv_handle_t *)&s->tcp, on_closed);
}

void stream_abort(struct stream *s)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	if (s->state != STREAM_GONE && stream_unsent(s))
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	stream_shut(s);
}

static void on_patience(struct timer *timer)
{
	stream_abort(timer_entry(timer, struct stream, patience));
}

void stream_leave(struct stream *s)
{
	if (s->state != STREAM_OPEN)
		return;
	s->state = STREAM_FAREWELL;
	timer_set(s->loop, &s->patience, STREAM_FAREWELL_MS);
	stream_due(s);
}

void stream_close(struct stream *s)
{
	stream_leave(s);
}

/* Nothing is with libuv any more, whose own way would ask epoll for what it has already. */
static void linger(struct stream *s)
{
	if (s->has_peer_ended || shutdown(s->fd, SHUT_WR) != 0) {
		stream_shut(s);
		return;
	}
	s->state = STREAM_LINGER;
	timer_set(s->loop, &s->patience, STREAM_LINGER_MS);
}

/* Without a handshake done there is no way for what waits to be enciphered. */
static void say_farewell(struct stream *s)
{
	if (s->tls) {
		stream_encipher(s);
		loop_return(s->loop, &s->plain);
		tls_bye(s->tls);
	}
	stream_send(s);
	if (s->state == STREAM_FAREWELL && stream_unsent(s) == 0)
		linger(s);
}

/* What is due at the end of a turn */

static void tell_drained(struct stream *s)
{
	if (!s->is_full || stream_unsent(s) >= STREAM_LOW)
		return;
	s->is_full = false;
	if (s->ops->drained)
		s->ops->drained(s->user);
}

static void go_on(struct stream *s)
{
	if (s->wants_resume)
		stream_give_again(s);
	if (s->state == STREAM_OPEN && s->tls && !s->is_secured)
		stream_shake(s);
	if (s->state == STREAM_OPEN && s->is_secured)
		stream_encipher(s);
	if (s->state == STREAM_OPEN)
		stream_send(s);
	if (s->state == STREAM_OPEN)
		tell_drained(s);
}

static void run(struct stream *s)
{
	if (s->state == STREAM_OPEN)
		go_on(s);
	if (s->state == STREAM_FAREWELL)
		say_farewell(s);
	stream_watch(s);
}

void stream_run_due(struct loop *loop)
{
	struct list_node *n;

	/* Those that are due again, made so by what is run here, wait for the next turn. */
	for (size_t left = loop->due.count; left && (n = list_pop_front(&loop->due)); left--)
		run(list_entry(n, struct stream, due));
}

void stream_end_all(struct loop *loop)
{
	list_each (&loop->streams, n) {
		struct stream *s = list_entry(n, struct stream, all);

		stream_blame(s, -ECANCELED, "the loop has ended");
		stream_shut(s);
	}
}

/* The beginning */

static void set_address(struct stream *s, const struct sockaddr_storage *peer)
{
	const struct sockaddr_in *v4 = (const void *)peer;
	const struct sockaddr_in6 *v6 = (const void *)peer;

	snprintf(s->address, sizeof(s->address), "local");
	if (peer->ss_family == AF_INET) {
		inet_ntop(AF_INET, &v4->sin_addr, s->address, sizeof(s->address));
		s->port = ntohs(v4->sin_port);
	} else if (peer->ss_family == AF_INET6) {
		if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
			inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], s->address,
				  sizeof(s->address));
		else
			inet_ntop(AF_INET6, &v6->sin6_addr, s->address, sizeof(s->address));
		s->port = ntohs(v6->sin6_port);
	}
}

static void free_unborn(uv_handle_t *handle)
{
	free(handle->data);
}

struct stream *stream_accept(struct loop *loop, int fd, const struct stream_ops *ops, void *user)
{
	struct sockaddr_storage peer = { 0 };
	socklen_t peer_len = sizeof(peer);
	struct stream *s = mem_new(struct stream);

	s->tcp.data = s;
	require(uv_tcp_init(&loop->uv, &s->tcp) == 0);
	/* A peer that has gone already has no address any more. */
	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0 ||
	    uv_tcp_open(&s->tcp, fd) != 0) {
		close(fd);
		uv_close((uv_handle_t *)&s->tcp, free_unborn);
		return NULL;
	}
	uv_tcp_nodelay(&s->tcp, 1);
	set_address(s, &peer);
	s->fd = fd;
	s->loop = loop;
	s->ops = ops;
	s->user = user;
	s->patience.fire = on_patience;
	list_push_back(&loop->streams, &s->all);
	stream_watch(s);
	return s;
}

const char *stream_peer_address(const struct stream *s)
{
	return s->address;
}

int stream_peer_port(const struct stream *s)
{
	return s->port;
}
