#include "io/listen.h"

#include "base/mem.h"
#include "base/require.h"
#include "loop_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* So that clients that are here already get their turn. */
	ACCEPTS_PER_TURN = 64,
	ACCEPT_NS_PER_TURN = 1000 * 1000,
	PAUSE_MS = 100,
};

struct listener {
	uv_poll_t poll;
	struct loop *loop;
	int fd;
	int spare; /* given up for a moment to turn a client away when descriptors ran out; or -1 */
	bool is_stopped;
	struct timer pause;
	void (*accepted)(void *user, int fd);
	void *user;
};

static int accept_one(struct listener *listener)
{
	return accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* The one that has waited longest hears at once that there is no room, instead of waiting in the
 * kernel's queue until it gives up. */
static void turn_one_away(struct listener *listener)
{
	int fd;

	if (listener->spare < 0)
		return;
	close(listener->spare);
	fd = accept_one(listener);
	if (fd >= 0)
		close(fd);
	listener->spare = open_spare();
}

static bool is_lack(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void pause_for_lack(struct listener *listener)
{
	turn_one_away(listener);
	uv_poll_stop(&listener->poll);
	timer_set(listener->loop, &listener->pause, PAUSE_MS);
}

/* Errors other than a lack concern one connection that died in the queue (accept(2)). */
static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct listener *listener = poll->data;
	uint64_t end;

	(void)events;
	/* libuv has stopped watching. */
	if (status < 0) {
		timer_set(listener->loop, &listener->pause, PAUSE_MS);
		return;
	}
	end = uv_hrtime() + ACCEPT_NS_PER_TURN;
	for (int n = 0; n < ACCEPTS_PER_TURN && !listener->is_stopped; n++) {
		int fd = accept_one(listener);

		if (fd >= 0) {
			listener->accepted(listener->user, fd);
			if (uv_hrtime() >= end)
				return;
		} else if (is_lack(errno)) {
			pause_for_lack(listener);
			return;
		} else if (errno == EAGAIN) {
			return;
		}
	}
}

static void watch(struct listener *listener)
{
	require(uv_poll_start(&listener->poll, UV_READABLE, on_ready) == 0);
}

static void on_pause_over(struct timer *timer)
{
	struct listener *listener = timer_entry(timer, struct listener, pause);

	if (listener->spare < 0)
		listener->spare = open_spare();
	watch(listener);
}

struct listener *listen_start(struct loop *loop, int fd, void (*accepted)(void *user, int fd),
			      void *user)
{
	struct listener *listener = mem_new(struct listener);

	listener->loop = loop;
	listener->fd = fd;
	listener->spare = open_spare();
	listener->accepted = accepted;
	listener->user = user;
	listener->pause.fire = on_pause_over;
	listener->poll.data = listener;
	/* One from systemd may lack these. */
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	require(uv_poll_init(&loop->uv, &listener->poll, fd) == 0);
	watch(listener);
	return listener;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void listen_stop(struct listener **listener_at)
{
	struct listener *listener = *listener_at;

	*listener_at = NULL;
	if (listener == NULL)
		return;
	listener->is_stopped = true;
	timer_clear(listener->loop, &listener->pause);
	uv_close((uv_handle_t *)&listener->poll, on_closed);
	close(listener->fd);
	if (listener->spare >= 0)
		close(listener->spare);
}

/* One that has already spoken, against RFC 5321 section 3.1, may lose our words to a RST. */
void listen_turn_away(int fd, struct span words)
{
	if (words.len && send(fd, words.at, words.len, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
		shutdown(fd, SHUT_WR);
	close(fd);
}
