#include "sides.h"

#include "base/require.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static size_t on_data(void *user, struct span octets)
{
	struct side *side = user;

	require(!side->is_closed);
	if (side->data)
		return side->data(side, octets);
	buf_put_span(&side->got, octets);
	return octets.len;
}

static void on_drained(void *user)
{
	struct side *side = user;

	require(!side->is_closed);
	side->drained++;
	if (side->on_drained)
		side->on_drained(side);
}

static void on_secured(void *user)
{
	struct side *side = user;

	require(!side->is_closed && !side->is_secured);
	side->is_secured = true;
	if (side->on_secured)
		side->on_secured(side);
}

static void on_closed(void *user, const struct fault *fault)
{
	struct side *side = user;

	require(!side->is_closed);
	side->is_closed = true;
	side->fault = *fault;
	side->stream = NULL;
}

static void on_connected(void *user)
{
	struct side *side = user;

	require(!side->is_closed && !side->is_connected);
	side->is_connected = true;
	if (side->on_connected)
		side->on_connected(side);
}

const struct stream_ops side_ops = { .data = on_data,
				     .drained = on_drained,
				     .secured = on_secured,
				     .closed = on_closed,
				     .connected = on_connected };

void side_open(struct side *side, struct loop *loop, int fd)
{
	side->stream = stream_accept(loop, fd, &side_ops, side);
	require(side->stream != NULL);
}

void side_fini(struct side *side)
{
	buf_fini(&side->got);
}

void tcp_pair(int fds[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	require(bind(listener, (struct sockaddr *)&at, len) == 0 && listen(listener, 1) == 0);
	require(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	require(connect(fds[0], (struct sockaddr *)&at, len) == 0);
	fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	require(fds[1] >= 0);
	close(listener);
}

struct until {
	struct loop *loop;
	bool (*is_true)(void *user);
	void *user;
	struct work look;
	struct timer pause, guard;
};

static void look(struct timer *pause)
{
	struct until *u = timer_entry(pause, struct until, pause);

	if (u->is_true(u->user))
		loop_stop(u->loop);
	else
		timer_set(u->loop, pause, 1);
}

static void on_guard(struct timer *guard)
{
	(void)guard;
	require(!"the condition came true in time");
}

void run_until(struct loop *loop, bool (*is_true)(void *user), void *user)
{
	struct until u = { .loop = loop,
			   .is_true = is_true,
			   .user = user,
			   .pause.fire = look,
			   .guard.fire = on_guard };

	timer_set(loop, &u.pause, 1);
	timer_set(loop, &u.guard, 20000);
	loop_run(loop);
	timer_clear(loop, &u.pause);
	timer_clear(loop, &u.guard);
}

bool is_closed(void *user)
{
	const struct side *side = user;

	return side->is_closed;
}

bool is_secured(void *user)
{
	const struct side *side = user;

	return side->is_secured || side->is_closed;
}

static void *peer_main(void *arg)
{
	struct peer *peer = arg;

	peer->run(peer);
	if (peer->fd >= 0)
		close(peer->fd);
	return NULL;
}

void peer_start(struct peer *peer, int fd, void (*run)(struct peer *peer), void *user)
{
	const struct timeval patience = { .tv_sec = 20 };

	*peer = (struct peer){ .fd = fd, .run = run, .user = user };
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	require(pthread_create(&peer->thread, NULL, peer_main, peer) == 0);
}

void peer_join(struct peer *peer)
{
	require(pthread_join(peer->thread, NULL) == 0);
	buf_fini(&peer->got);
}

void peer_send(struct peer *peer, const char *text)
{
	require(send(peer->fd, text, strlen(text), MSG_NOSIGNAL) == (ssize_t)strlen(text));
}

static ssize_t receive(struct peer *peer)
{
	unsigned char at[4096];
	ssize_t n = recv(peer->fd, at, sizeof(at), 0);

	if (n > 0)
		buf_put(&peer->got, at, (size_t)n);
	return n;
}

bool peer_expect(struct peer *peer, const char *text)
{
	while (peer->got.len == 0 ||
	       memmem(buf_span(&peer->got).at, peer->got.len, text, strlen(text)) == NULL)
		if (receive(peer) <= 0)
			return false;
	return true;
}

int peer_drain(struct peer *peer)
{
	ssize_t n;

	while ((n = receive(peer)) > 0)
		;
	return n == 0 ? 0 : errno;
}
