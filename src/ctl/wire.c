#include "inside.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

enum { READ_OCTETS = 64 * 1024 };

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

/* -EAGAIN: the line is not whole yet; -ENODATA: the peer's end came. */
static int read_some(int fd, size_t most, struct buf *in)
{
	ssize_t n;

	/* What came in one go may be twice as much as a line may be. */
	if (in->len > most)
		return -EMSGSIZE;
	n = recv(fd, buf_room(in, READ_OCTETS), READ_OCTETS, 0);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	if (n == 0)
		return -ENODATA;
	buf_grew(in, (size_t)n);
	return -EAGAIN;
}

/* Takes the line that is whole, or at the peer's end whatever is left. */
static int take_line(struct buf *in, size_t end, size_t most, struct buf *line_out)
{
	if (end > most)
		return -EMSGSIZE;
	buf_clear(line_out);
	buf_put_span(line_out, span_first(buf_span(in), end));
	buf_drop(in, end < in->len ? end + 1 : end);
	return 0;
}

int ctl_read_line(int fd, int stop, size_t most, int64_t within_ms, struct buf *in,
		  struct buf *line_out)
{
	int64_t due = ctl_now_ms() + within_ms;
	size_t searched = 0;
	int r;

	do {
		size_t end = searched + span_find(span_from(buf_span(in), searched), '\n');

		if (end < in->len)
			return take_line(in, end, most, line_out);
		searched = in->len;
		r = ctl_wait(fd, POLLIN, stop, due);
		if (r == 0)
			r = read_some(fd, most, in);
	} while (r == -EAGAIN);
	if (r == -ENODATA && in->len)
		return take_line(in, in->len, most, line_out);
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
