#include "inside.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

int64_t ctl_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int ctl_wait(int fd, short events, int stop, int64_t due_ms)
{
	struct pollfd fds[] = { { .fd = fd, .events = events }, { .fd = stop, .events = POLLIN } };

	for (;;) {
		int64_t left = due_ms - ctl_now_ms();
		int n = poll(fds, 2, left > 0 ? (int)left : 0);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0 && fds[1].revents)
			return -ECANCELED;
		if (n > 0)
			return 0;
		if (n == 0)
			return -ETIMEDOUT;
	}
}

/* -EAGAIN: nothing is there yet; 0: the line is whole, or the peer's end came. */
static int read_some(int fd, size_t most, struct buf *out)
{
	ssize_t n = recv(fd, buf_room(out, 4096), 4096, 0);
	size_t before = out->len, end;

	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	buf_grew(out, (size_t)n);
	end = before + span_find(span_from(buf_span(out), before), '\n');
	if (end > most)
		return -EMSGSIZE;
	if (n > 0 && end == out->len)
		return -EAGAIN;
	if (out->len == 0)
		return -ENODATA;
	out->len = end;
	return 0;
}

int ctl_read_line(int fd, int stop, size_t most, int64_t within_ms, struct buf *out)
{
	int64_t due = ctl_now_ms() + within_ms;
	int r;

	do {
		r = ctl_wait(fd, POLLIN, stop, due);
		if (r == 0)
			r = read_some(fd, most, out);
	} while (r == -EAGAIN);
	return r;
}

int ctl_write_all(int fd, int stop, int64_t within_ms, struct span octets)
{
	int64_t due = ctl_now_ms() + within_ms;

	while (octets.len) {
		ssize_t n = send(fd, octets.at, octets.len, MSG_NOSIGNAL);
		int r;

		if (n >= 0) {
			octets = span_from(octets, (size_t)n);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = ctl_wait(fd, POLLOUT, stop, due);
		if (r < 0)
			return r;
	}
	return 0;
}
