#include "wire.h"

#include "auth/frame.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD_OCTETS = 4 };

/* How many octets came: fewer than n only when the other side closed. */
static ssize_t read_full(int fd, unsigned char *at, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t r = read(fd, at + have, n - have);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (r == 0)
			break;
		have += (size_t)r;
	}
	return (ssize_t)have;
}

static int read_payload(int fd, size_t n, struct buf *frame)
{
	ssize_t r = read_full(fd, buf_room(frame, n), n);

	if (r < 0)
		return (int)r;
	if ((size_t)r < n)
		return -EPIPE;
	buf_grew(frame, n);
	return 1;
}

int wire_read(int fd, struct buf *frame)
{
	unsigned char head[HEAD_OCTETS];
	ssize_t r = read_full(fd, head, sizeof(head));
	uint32_t n;

	buf_wipe(frame);
	if (r <= 0)
		return (int)r;
	if (r < HEAD_OCTETS)
		return -EPIPE;
	n = (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 |
	    (uint32_t)head[3] << 24;
	return n > AUTH_FRAME_OCTETS_MAX ? -EINVAL : read_payload(fd, n, frame);
}

static int write_full(int fd, struct span s)
{
	while (s.len) {
		ssize_t n = send(fd, s.at, s.len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		s = span_from(s, (size_t)n);
	}
	return 0;
}

int wire_write(int fd, struct span payload)
{
	unsigned char head[HEAD_OCTETS] = { payload.len & 0xFF, payload.len >> 8 & 0xFF,
					    payload.len >> 16 & 0xFF, payload.len >> 24 & 0xFF };
	int r = write_full(fd, span_of(head, sizeof(head)));

	return r < 0 ? r : write_full(fd, payload);
}
