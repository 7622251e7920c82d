#include "io/dial.h"

#include "base/mem.h"
#include "base/require.h"
#include "dial_lookup.h"
#include "stream_inside.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ADDRESSES_MOST = 16 };

/* One address that is being tried. Apart from the dial, because libuv lets go of it later. */
struct attempt {
	uv_poll_t poll;
	int fd;
};

struct dial {
	struct lane_job lookup; /* keeps the dial in memory, also after a cancel */
	struct dial_conf conf;
	char *host;
	atomic_bool is_cancelled; /* read by the lane too: such a look-up is not begun any more */
	bool is_looking;
	struct addrinfo *addresses, *at;
	unsigned tried;
	struct attempt *attempt; /* NULL between two */
	struct timer timeout;
	struct buf failures; /* "192.0.2.1: Connection refused; ..." */
	struct fault fault;
};

static void try_next(struct dial *dial);

static void destroy(struct dial *dial)
{
	if (dial->addresses)
		freeaddrinfo(dial->addresses);
	buf_fini(&dial->failures);
	free(dial->host);
	free(dial);
}

static void free_attempt(uv_handle_t *handle)
{
	free(handle->data);
}

/* Returns the descriptor, now the caller's. */
static int end_attempt(struct dial *dial)
{
	struct attempt *attempt = dial->attempt;

	timer_clear(dial->conf.loop, &dial->timeout);
	dial->attempt = NULL;
	attempt->poll.data = attempt;
	uv_close((uv_handle_t *)&attempt->poll, free_attempt);
	return attempt->fd;
}

/* The dial is gone before the user hears of it. */
static void finish(struct dial *dial, struct stream *stream)
{
	struct dial_conf conf = dial->conf;
	struct fault fault = dial->fault;

	destroy(dial);
	conf.done(conf.user, stream, stream ? NULL : &fault);
	if (stream && conf.ops->connected && stream_is_open(stream))
		conf.ops->connected(conf.user);
}

static void note_failure(struct dial *dial, int code)
{
	char text[INET6_ADDRSTRLEN] = "?";

	getnameinfo(dial->at->ai_addr, dial->at->ai_addrlen, text, sizeof(text), NULL, 0,
		    NI_NUMERICHOST);
	buf_printf(&dial->failures, "%s%s: %s", dial->failures.len ? "; " : "", text,
		   strerror(-code));
	fault_set(&dial->fault, code, "cannot connect to %s port %d (%.*s)", dial->host,
		  dial->conf.port, (int)dial->failures.len,
		  (const char *)buf_span(&dial->failures).at);
	dial->at = dial->at->ai_next;
}

static int socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? -error : -errno;
}

static void on_connected(uv_poll_t *poll, int status, int events)
{
	struct dial *dial = poll->data;
	int fd = end_attempt(dial);
	int error = socket_error(fd);
	struct stream *stream = NULL;

	(void)events;
	/* libuv calls every POLLERR a bad descriptor; the socket knows better. */
	if (error == 0 && status < 0)
		error = status;
	if (error == 0) {
		stream = stream_accept(dial->conf.loop, fd, dial->conf.ops, dial->conf.user);
		error = stream ? 0 : -ECONNRESET;
	} else {
		close(fd);
	}
	if (error) {
		note_failure(dial, error);
		try_next(dial);
	} else {
		finish(dial, stream);
	}
}

static void on_timeout(struct timer *timer)
{
	struct dial *dial = timer_entry(timer, struct dial, timeout);

	close(end_attempt(dial));
	note_failure(dial, -ETIMEDOUT);
	try_next(dial);
}

/* 0: under way. A connect() that succeeds at once is seen as such by the first poll. */
static int start_attempt(struct dial *dial, const struct addrinfo *to)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct attempt *attempt;
	int error;

	if (fd < 0)
		return -errno;
	if (connect(fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS) {
		error = -errno;
		close(fd);
		return error;
	}
	attempt = mem_new(struct attempt);
	attempt->fd = fd;
	require(uv_poll_init(&dial->conf.loop->uv, &attempt->poll, fd) == 0);
	attempt->poll.data = dial;
	require(uv_poll_start(&attempt->poll, UV_WRITABLE, on_connected) == 0);
	dial->attempt = attempt;
	timer_set(dial->conf.loop, &dial->timeout, dial->conf.connect_ms);
	return 0;
}

static void try_next(struct dial *dial)
{
	while (dial->at && dial->tried++ < ADDRESSES_MOST) {
		int error = start_attempt(dial, dial->at);

		if (error == 0)
			return;
		note_failure(dial, error);
	}
	finish(dial, NULL);
}

static void run_lookup(struct lane_job *job)
{
	struct dial *dial = list_entry(job, struct dial, lookup);

	if (!dial->is_cancelled)
		dial_lookup(dial->host, dial->conf.port, &dial->addresses, &dial->fault);
}

static void lookup_done(struct lane_job *job)
{
	struct dial *dial = list_entry(job, struct dial, lookup);

	dial->is_looking = false;
	dial->at = dial->addresses;
	if (dial->is_cancelled)
		destroy(dial);
	else
		try_next(dial);
}

struct dial *dial_start(const struct dial_conf *conf)
{
	struct dial *dial = mem_new(struct dial);

	dial->conf = *conf;
	dial->host = mem_text(conf->host);
	dial->conf.host = dial->host;
	dial->timeout.fire = on_timeout;
	dial->lookup.home = conf->loop;
	dial->lookup.run = run_lookup;
	dial->lookup.done = lookup_done;
	dial->is_looking = true;
	lane_put(conf->lane, &dial->lookup);
	return dial;
}

void dial_cancel(struct dial **dial_at)
{
	struct dial *dial = *dial_at;

	*dial_at = NULL;
	if (dial == NULL)
		return;
	dial->is_cancelled = true;
	if (dial->is_looking)
		return;
	close(end_attempt(dial));
	destroy(dial);
}
