#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void no_delay(int fd)
{
	int yes = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
}

void wire_init(struct wire *w, struct wire_room *room, int fd)
{
	*w = (struct wire){ .room = room, .fd = fd };
}

int wire_watch(const struct wire *w, int epoll, void *owner)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = owner };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, w->fd, &e) < 0 ? -errno : 0;
}

void wire_fini(struct wire *w)
{
	if (w->room && w->room->writer == w)
		w->room->writer = NULL;
	if (w->tls)
		gnutls_deinit(w->tls);
	if (w->room)
		close(w->fd);
	free(w->held);
	*w = (struct wire){ .fd = -1 };
}

void wire_turn(struct wire *w, uint32_t events)
{
	w->room->in_at = w->room->in_len = 0;
	w->room->is_drained = false;
	/* A read that was not filled is the last, but where the end has come: no event tells again. */
	w->room->reads_to_end = events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR);
}

/* Fills an empty room. */
static ssize_t fill(struct wire *w)
{
	struct wire_room *room = w->room;
	ssize_t n;

	if (room->is_drained)
		return -EAGAIN;
	n = recv(w->fd, room->in, sizeof(room->in), 0);
	if (n < 0) {
		room->is_drained = errno == EAGAIN;
		return -errno;
	}
	room->in_at = 0;
	room->in_len = (size_t)n;
	room->is_drained = n == 0 || (!room->reads_to_end && (size_t)n < sizeof(room->in));
	return n;
}

static ssize_t take(struct wire *w, void *at, size_t size)
{
	struct wire_room *room = w->room;
	size_t n;

	if (room->in_at == room->in_len) {
		ssize_t got = fill(w);

		if (got <= 0)
			return got;
	}
	n = room->in_len - room->in_at < size ? room->in_len - room->in_at : size;
	memcpy(at, room->in + room->in_at, n);
	room->in_at += n;
	return (ssize_t)n;
}

static ssize_t tls_pull(gnutls_transport_ptr_t of, void *at, size_t size)
{
	struct wire *w = of;
	ssize_t n = take(w, at, size);

	if (n < 0) {
		gnutls_transport_set_errno(w->tls, (int)-n);
		return -1;
	}
	return n;
}

/* GnuTLS asks before it would block; nothing here does. */
static int tls_pull_timeout(gnutls_transport_ptr_t of, unsigned ms)
{
	(void)of;
	(void)ms;
	return 0;
}

ssize_t wire_get(struct wire *w, char *at, size_t size)
{
	ssize_t n;

	if (w->tls == NULL) {
		do
			n = take(w, at, size);
		while (n == -EINTR);
		return n;
	}
	if (w->room->is_drained && w->room->in_at == w->room->in_len &&
	    gnutls_record_check_pending(w->tls) == 0)
		return -EAGAIN;
	do
		n = gnutls_record_recv(w->tls, at, size);
	while (n == GNUTLS_E_INTERRUPTED ||
	       /* it says so after a ticket, too */
	       (n == GNUTLS_E_AGAIN && (w->room->in_at < w->room->in_len || !w->room->is_drained)));
	if (n == GNUTLS_E_AGAIN)
		return -EAGAIN;
	if (n == GNUTLS_E_PREMATURE_TERMINATION)
		return 0;
	if (n < 0) {
		w->tls_error = (int)n;
		return -EPROTO;
	}
	return n;
}

static void hold(struct wire *w, const char *at, size_t n)
{
	if (w->held_at) {
		memmove(w->held, w->held + w->held_at, w->held_len - w->held_at);
		w->held_len -= w->held_at;
		w->held_at = 0;
	}
	w->held = realloc(w->held, w->held_len + n);
	if (w->held == NULL)
		abort();
	memcpy(w->held + w->held_len, at, n);
	w->held_len += n;
}

/* Octets the kernel took, or -errno. */
static ssize_t give(struct wire *w, const char *at, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t part = send(w->fd, at + done, n - done, MSG_NOSIGNAL);

		if (part < 0 && errno == EAGAIN)
			break;
		if (part < 0 && errno != EINTR)
			return -errno;
		done += part > 0 ? (size_t)part : 0;
	}
	return (ssize_t)done;
}

static int give_held(struct wire *w)
{
	ssize_t n = give(w, w->held + w->held_at, w->held_len - w->held_at);

	if (n < 0)
		return (int)n;
	w->held_at += (size_t)n;
	if (w->held_at < w->held_len)
		return -EAGAIN;
	free(w->held);
	w->held = NULL;
	w->held_at = w->held_len = 0;
	return 0;
}

int wire_flush(struct wire *w)
{
	struct wire_room *room = w->room;
	size_t gathered = room->writer == w ? room->out_len : 0;
	ssize_t n = 0;

	if (gathered)
		room->writer = NULL;
	if (w->held) {
		if (gathered)
			hold(w, room->out, gathered);
		return give_held(w);
	}
	if (gathered)
		n = give(w, room->out, gathered);
	if (n < 0)
		return (int)n;
	if ((size_t)n == gathered)
		return 0;
	hold(w, room->out + n, gathered - (size_t)n);
	return -EAGAIN;
}

/* A failure to write is heard at the next event, as the end of what can be read. */
static void gather(struct wire *w, const char *at, size_t n)
{
	struct wire_room *room = w->room;

	while (n) {
		size_t part;

		if (room->writer && (room->writer != w || room->out_len == sizeof(room->out)))
			wire_flush(room->writer);
		if (room->writer == NULL) {
			room->writer = w;
			room->out_len = 0;
		}
		part = sizeof(room->out) - room->out_len < n ? sizeof(room->out) - room->out_len
							     : n;
		memcpy(room->out + room->out_len, at, part);
		room->out_len += part;
		at += part;
		n -= part;
	}
}

static ssize_t tls_push(gnutls_transport_ptr_t to, const void *at, size_t n)
{
	gather(to, at, n);
	return (ssize_t)n;
}

void wire_put(struct wire *w, const void *at, size_t n)
{
	const char *from = at;

	if (w->tls == NULL) {
		gather(w, from, n);
		return;
	}
	while (n) {
		ssize_t part = gnutls_record_send(w->tls, from, n);

		if (part < 0 && part != GNUTLS_E_AGAIN && part != GNUTLS_E_INTERRUPTED)
			return;
		from += part > 0 ? part : 0;
		n -= part > 0 ? (size_t)part : 0;
	}
}

void wire_secure(struct wire *w, gnutls_session_t tls)
{
	w->tls = tls;
	gnutls_transport_set_ptr(tls, w);
	gnutls_transport_set_pull_function(tls, tls_pull);
	gnutls_transport_set_pull_timeout_function(tls, tls_pull_timeout);
	gnutls_transport_set_push_function(tls, tls_push);
}

int wire_shake(struct wire *w)
{
	int rc;

	do
		rc = gnutls_handshake(w->tls);
	while (rc == GNUTLS_E_INTERRUPTED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED ||
	       (rc == GNUTLS_E_AGAIN &&
		(w->room->in_at < w->room->in_len || !w->room->is_drained)));
	switch (rc) {
	case GNUTLS_E_SUCCESS:
		return 0;
	case GNUTLS_E_AGAIN:
		return -EAGAIN;
	case GNUTLS_E_PULL_ERROR:
	case GNUTLS_E_PREMATURE_TERMINATION:
		return -ECONNRESET;
	default:
		w->tls_error = rc;
		return -EPROTO;
	}
}

const char *wire_words(const struct wire *w, ssize_t error)
{
	if (error == 0)
		return "the peer closed the connection";
	return error == -EPROTO && w->tls_error ? gnutls_strerror(w->tls_error)
						: strerror((int)-error);
}

int wire_address(struct sockaddr_storage *out, const char *text, int port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	*out = (struct sockaddr_storage){ .ss_family = strchr(text, ':') ? AF_INET6 : AF_INET };
	if (out->ss_family == AF_INET6) {
		v6->sin6_port = htons((uint16_t)port);
		return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	v4->sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, text, &v4->sin_addr) == 1 ? 0 : -EINVAL;
}

int wire_dial(const struct sockaddr_storage *to, const struct sockaddr_in *from)
{
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1, rc;
	socklen_t len = to->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6)
						  : sizeof(struct sockaddr_in);

	if (fd < 0)
		return -errno;
	no_delay(fd);
	if (from) {
		setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof(yes));
		if (bind(fd, (const struct sockaddr *)from, sizeof(*from)) < 0) {
			rc = -errno;
			close(fd);
			return rc;
		}
	}
	if (connect(fd, (const struct sockaddr *)to, len) < 0 && errno != EINPROGRESS) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int wire_listen(int *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons((uint16_t)*port) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), yes = 1, rc;

	if (fd < 0)
		return -errno;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	no_delay(fd); /* what is accepted inherits it */
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(fd, 4096) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	*port = ntohs(at.sin_port);
	return fd;
}
