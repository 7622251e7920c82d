#include "space.h"

#include <errno.h>
#include <inttypes.h>

static int open_reserve(struct spool *s)
{
	int fd = s->disk->open(s->disk->user, s->dir, SPACE_RESERVE_NAME, 0);

	return fd == -ENOENT ? s->disk->open(s->disk->user, s->dir, SPACE_RESERVE_NAME, 1) : fd;
}

/* Zeros are written, not just claimed: every file system allocates what is written. */
static int fill(struct spool *s, int fd)
{
	unsigned char zeros[32 * 1024] = { 0 };
	uint64_t at = 0;

	while (at < SPACE_RESERVE_OCTETS) {
		struct iovec piece = { zeros, sizeof(zeros) };
		ssize_t n;

		if (piece.iov_len > SPACE_RESERVE_OCTETS - at)
			piece.iov_len = SPACE_RESERVE_OCTETS - at;
		n = s->disk->pwritev(s->disk->user, fd, &piece, 1, at);
		if (n <= 0)
			return n < 0 ? (int)n : -EIO;
		at += (uint64_t)n;
	}
	return s->disk->sync(s->disk->user, fd);
}

static void make_reserve(struct spool *s)
{
	int fd = open_reserve(s);

	if (fd < 0)
		return;
	s->has_reserve =
		s->disk->size(s->disk->user, fd) >= SPACE_RESERVE_OCTETS || fill(s, fd) == 0;
	if (!s->has_reserve)
		s->disk->truncate(s->disk->user, fd, 0);
	s->disk->close(s->disk->user, fd);
}

bool space_release_reserve(struct spool *s)
{
	int fd, status;

	if (!s->has_reserve)
		return false;
	s->has_reserve = false;
	fd = open_reserve(s);
	if (fd < 0)
		return false;
	status = s->disk->truncate(s->disk->user, fd, 0);
	s->disk->close(s->disk->user, fd);
	return status == 0;
}

void space_look(struct spool *s)
{
	int64_t free_octets = s->disk->free_octets(s->disk->user, s->dir);
	uint64_t room = free_octets > 0 ? (uint64_t)free_octets : 0;

	s->space = (struct fault){ 0 };
	if (free_octets >= 0 && room < s->conf.reserve_octets)
		fault_set(&s->space, -ENOSPC,
			  "%s: %" PRIu64 " octets are free, %" PRIu64 " are kept in reserve",
			  s->dir, room, s->conf.reserve_octets);
	else if (!s->has_reserve && room > 2 * SPACE_RESERVE_OCTETS)
		make_reserve(s);
	spool_note_refusal(s);
}

void space_note_full(struct spool *s, const struct fault *why)
{
	s->space = *why;
	spool_note_refusal(s);
}
