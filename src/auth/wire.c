#include "wire.h"

#include "auth/frame.h"
#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <sys/socket.h>

enum {
	HEAD_OCTETS = 4,
	ROOM_OCTETS = 4096, /* more than a login by password takes */
};

static size_t length_at(const unsigned char *at)
{
	return (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
}

/* Octets of the frame at the front, its head included, as far as can be told. */
static size_t frame_octets(const struct wire *w)
{
	return w->in.len < HEAD_OCTETS ? HEAD_OCTETS : HEAD_OCTETS + length_at(buf_span(&w->in).at);
}

/* What came behind it moves to the front now: left to the buf, that would be later, and a copy would
 * stay where it stood. */
void wire_forget(struct wire *w)
{
	unsigned char *front = w->in.at;
	size_t rest = w->in.len - w->taken;

	if (w->taken == 0)
		return;
	require(w->in.from == 0);
	memmove(front, front + w->taken, rest);
	mem_wipe(front + rest, w->taken);
	w->in.len = rest;
	w->taken = 0;
}

void wire_fini(struct wire *w)
{
	buf_wipe(&w->in);
	w->taken = 0;
}

bool wire_has_frame(const struct wire *w)
{
	const struct span in = span_from(buf_span(&w->in), w->taken);

	return in.len >= HEAD_OCTETS && in.len - HEAD_OCTETS >= length_at(in.at);
}

/* 1, 0 when the other side closed between frames, or the error. */
static int read_some(struct wire *w)
{
	size_t missing = frame_octets(w) - w->in.len;
	size_t room = missing > ROOM_OCTETS ? missing : ROOM_OCTETS;
	ssize_t n;

	do
		n = recv(w->fd, buf_room(&w->in, room), room, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return w->in.len ? -EPIPE : 0;
	buf_grew(&w->in, (size_t)n);
	return 1;
}

int wire_read(struct wire *w, struct span *frame_out)
{
	int r = 1;

	wire_forget(w);
	while (r > 0 && !wire_has_frame(w))
		r = frame_octets(w) - HEAD_OCTETS > AUTH_FRAME_OCTETS_MAX ? -EINVAL : read_some(w);
	if (r <= 0)
		return r;
	w->taken = frame_octets(w);
	*frame_out = span_from(span_first(buf_span(&w->in), w->taken), HEAD_OCTETS);
	return w->taken - HEAD_OCTETS > AUTH_FRAME_OCTETS_MAX ? -EINVAL : 1;
}

/* What is left to send of head and payload, as parts of one message. */
static struct msghdr rest_of(struct iovec parts[2], const unsigned char *head, struct span payload,
			     size_t sent)
{
	size_t of_head = sent < HEAD_OCTETS ? sent : HEAD_OCTETS;
	struct span rest = span_from(payload, sent - of_head);

	parts[0] = (struct iovec){ (void *)(uintptr_t)(head + of_head), HEAD_OCTETS - of_head };
	parts[1] = (struct iovec){ (void *)(uintptr_t)rest.at, rest.len };
	return (struct msghdr){ .msg_iov = parts, .msg_iovlen = 2 };
}

int wire_write(struct wire *w, struct span payload)
{
	const unsigned char head[HEAD_OCTETS] = { payload.len & 0xFF, payload.len >> 8 & 0xFF,
						  payload.len >> 16 & 0xFF,
						  payload.len >> 24 & 0xFF };
	size_t sent = 0;

	while (sent < sizeof(head) + payload.len) {
		struct iovec parts[2];
		struct msghdr message = rest_of(parts, head, payload, sent);
		ssize_t n = sendmsg(w->fd, &message, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			sent += (size_t)n;
	}
	return 0;
}
