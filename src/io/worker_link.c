#include "worker_inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LENGTH_OCTETS = 4 };

static void watch(struct worker *worker);

static uint32_t length_at(const unsigned char *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static void put_frame(struct buf *out, struct span payload)
{
	uint32_t n = (uint32_t)payload.len;
	const unsigned char length[LENGTH_OCTETS] = { (unsigned char)n, (unsigned char)(n >> 8),
						      (unsigned char)(n >> 16),
						      (unsigned char)(n >> 24) };

	require(payload.len <= UINT32_MAX);
	/* One growth, so that no copy of a secret is left behind in a block that was too small. */
	buf_room(out, sizeof(length) + payload.len);
	buf_put(out, length, sizeof(length));
	buf_put_span(out, payload);
}

/* 0: all sent, or the rest waits. */
static int send_some(struct worker *worker)
{
	while (worker->out.len) {
		struct span left = buf_span(&worker->out);
		ssize_t n = send(worker->fd, left.at, left.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		buf_drop(&worker->out, (size_t)n);
	}
	buf_wipe(&worker->out);
	return 0;
}

void worker_send(struct worker *worker, struct span payload)
{
	put_frame(&worker->out, payload);
	/* An error is seen again by the poll, in a turn of its own. */
	send_some(worker);
	watch(worker);
}

/* A whole frame, no more: a worker speaks only when asked. */
static void take_frame(struct worker *worker)
{
	struct span in = buf_span(&worker->in);
	uint32_t len;

	if (in.len < LENGTH_OCTETS)
		return;
	len = length_at(in.at);
	if (worker->ask == NULL || len > worker->pool->conf.answer_octets ||
	    in.len > LENGTH_OCTETS + (size_t)len)
		worker_failed(worker, -EPROTO, "sent what is no answer");
	else if (in.len == LENGTH_OCTETS + (size_t)len)
		worker_answered(worker, span_from(in, LENGTH_OCTETS));
}

/* At most the largest answer and one octet more, which would be one too many. */
static void receive_some(struct worker *worker)
{
	size_t most = LENGTH_OCTETS + worker->pool->conf.answer_octets + 1;
	size_t room = most - worker->in.len;
	ssize_t n = recv(worker->fd, buf_room(&worker->in, room), room, MSG_DONTWAIT);

	if (n > 0) {
		buf_grew(&worker->in, (size_t)n);
		take_frame(worker);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		worker_failed(worker, -EPIPE, "ended (crashed, or could not be started)");
	}
}

static void on_event(uv_poll_t *poll, int status, int events)
{
	struct worker *worker = poll->data;
	int rc = 0;

	if (status == 0 && (events & UV_WRITABLE))
		rc = send_some(worker);
	if (status < 0 || rc < 0) {
		worker_failed(worker, -EPIPE, "ended (crashed, or could not be started)");
		return;
	}
	watch(worker);
	if (events & UV_READABLE)
		receive_some(worker);
}

static void watch(struct worker *worker)
{
	int events = UV_READABLE | (worker->out.len ? UV_WRITABLE : 0);

	/* libuv asks the kernel anew each time, also for what it watches already. */
	if (events == worker->watched)
		return;
	worker->watched = events;
	require(uv_poll_start(&worker->poll, events, on_event) == 0);
}

struct worker *worker_open(struct worker_pool *pool)
{
	struct worker *worker;
	int ends[2];
	uint64_t number;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		return NULL;
	number = spawner_start_worker(pool->conf.spawner, ends[1]);
	close(ends[1]);
	if (number == 0) {
		close(ends[0]);
		errno = ECHILD;
		return NULL;
	}
	worker = mem_new(struct worker);
	worker->pool = pool;
	list_init(&worker->line);
	worker->number = number;
	worker->fd = ends[0];
	worker->generation = pool->generation;
	worker->poll.data = worker;
	require(uv_poll_init(&pool->loop->uv, &worker->poll, worker->fd) == 0);
	put_frame(&worker->out, buf_span(&pool->hello));
	return worker;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void worker_close(struct worker *worker)
{
	timer_clear(worker->pool->loop, &worker->deadline);
	uv_close((uv_handle_t *)&worker->poll, on_closed);
	close(worker->fd);
	buf_wipe(&worker->out);
	buf_wipe(&worker->in);
}
