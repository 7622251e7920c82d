#include "users_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The kernel stamps files by its tick: two changes within one may look the same. Some file systems keep whole
 * seconds (ext4 with inodes of 128 octets), or every second one. */
enum { SETTLE_MS = 100, SETTLE_COARSE_MS = 2100 };

static const char *advice(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return "; the user that logins run as must be able to read it, by owner or group";
	case ENOENT:
		return "; posternctl user add NAME makes it";
	default:
		return "";
	}
}

static int cannot(struct fault *fault, int error, const char *what, const char *path)
{
	return fault_set(fault, -error, "cannot %s the users file %s: %s%s", what, path,
			 strerror(error), advice(error));
}

static int64_t ms_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	/* A file may be older than 32 bits have milliseconds. */
	return (int64_t)(now.tv_sec - then->tv_sec) * 1000 +
	       (now.tv_nsec - then->tv_nsec) / 1000000;
}

static bool is_settled(const struct timespec *changed)
{
	return ms_since(changed) > (changed->tv_nsec ? SETTLE_MS : SETTLE_COARSE_MS);
}

static void mark_of(const struct stat *st, struct users_mark *mark)
{
	*mark = (struct users_mark){
		.changed = st->st_ctim,
		.written = st->st_mtim,
		.octets = (uint64_t)st->st_size,
		.inode = st->st_ino,
		.device = st->st_dev,
		.mode = st->st_mode,
		.owner = st->st_uid,
		.group = st->st_gid,
		.is_settled = is_settled(&st->st_ctim),
	};
}

static bool time_eq(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool users_mark_eq(const struct users_mark *a, const struct users_mark *b)
{
	return a->is_settled && b->is_settled && time_eq(a->changed, b->changed) &&
	       time_eq(a->written, b->written) && a->octets == b->octets && a->inode == b->inode &&
	       a->device == b->device;
}

bool users_mark_put(const struct users_mark *m, struct buf *out)
{
	const uint64_t numbers[USERS_MARK_NUMBERS] = {
		(uint64_t)m->changed.tv_sec,
		(uint64_t)m->changed.tv_nsec,
		(uint64_t)m->written.tv_sec,
		(uint64_t)m->written.tv_nsec,
		m->octets,
		m->inode,
		m->device,
	};

	if (m->is_settled)
		buf_put(out, numbers, sizeof(numbers));
	return m->is_settled;
}

int users_file_mark(const char *path, struct users_mark *mark, struct fault *fault)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return cannot(fault, errno, "read", path);
	mark_of(&st, mark);
	return 0;
}

static int check_stat(const char *path, const struct stat *st, struct fault *fault)
{
	if (!S_ISREG(st->st_mode))
		return fault_set(fault, -EINVAL, "the users file %s is not a plain file", path);
	if (st->st_mode & (S_IWGRP | S_IRWXO))
		return fault_set(fault, -EACCES,
				 "the users file %s is open to others (mode %04o): chmod g-w,o= %s",
				 path, (unsigned)st->st_mode & 07777, path);
	if (st->st_size > USERS_FILE_OCTETS_MAX)
		return fault_set(fault, -EFBIG, "the users file %s is larger than %d MiB", path,
				 USERS_FILE_OCTETS_MAX >> 20);
	return 0;
}

/* One octet more than the file had is asked for, so that one that grows meanwhile stays bounded. */
static int read_all(int fd, const char *path, struct buf *out, struct fault *fault)
{
	while (out->len <= USERS_FILE_OCTETS_MAX) {
		size_t room = 64 << 10;
		ssize_t n = read(fd, buf_room(out, room), room);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cannot(fault, errno, "read", path);
		if (n == 0)
			return 0;
		buf_grew(out, (size_t)n);
	}
	return fault_set(fault, -EFBIG, "the users file %s is larger than %d MiB", path,
			 USERS_FILE_OCTETS_MAX >> 20);
}

int users_file_read(const char *path, struct buf *out, struct users_mark *mark, struct fault *fault)
{
	/* O_NONBLOCK: to open a FIFO would wait for its other end. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	int r;

	if (fd < 0)
		return cannot(fault, errno, "read", path);
	if (fstat(fd, &st) < 0)
		r = cannot(fault, errno, "read", path);
	else
		r = check_stat(path, &st, fault);
	if (r == 0) {
		mark_of(&st, mark);
		buf_room(out, (size_t)st.st_size + 1);
		r = read_all(fd, path, out, fault);
	}
	close(fd);
	return r;
}
