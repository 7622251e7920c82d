/* disk_calls.c: the simulated disk outlives the process, and so must what it allocates. */
#include "daemon.h"

static struct spool_disk real;

static int lock_dir(void *user, const char *dir)
{
	enum owner before = memory_enter(OWNER_WORLD);
	int status = real.lock_dir(user, dir);

	memory_leave(before);
	return status;
}

static int make_dir(void *user, const char *dir, mode_t mode)
{
	enum owner before = memory_enter(OWNER_WORLD);
	int status = real.make_dir(user, dir, mode);

	memory_leave(before);
	return status;
}

static int open_file(void *user, const char *dir, const char *name, int create)
{
	enum owner before = memory_enter(OWNER_WORLD);
	int status = real.open(user, dir, name, create);

	memory_leave(before);
	return status;
}

static ssize_t pwritev_file(void *user, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	enum owner before = memory_enter(OWNER_WORLD);
	ssize_t n = real.pwritev(user, fd, iov, count, offset);

	memory_leave(before);
	return n;
}

static int sync_file(void *user, int fd)
{
	enum owner before = memory_enter(OWNER_WORLD);
	int status = real.sync(user, fd);

	memory_leave(before);
	return status;
}

static int truncate_file(void *user, int fd, uint64_t size)
{
	enum owner before = memory_enter(OWNER_WORLD);
	int status = real.truncate(user, fd, size);

	memory_leave(before);
	return status;
}

/* The others allocate nothing; list() calls back into the process. */
struct spool_disk disk_calls(struct sim_disk *disk)
{
	struct spool_disk calls = real = sim_disk_calls(disk);

	calls.lock_dir = lock_dir;
	calls.make_dir = make_dir;
	calls.open = open_file;
	calls.pwritev = pwritev_file;
	calls.sync = sync_file;
	calls.truncate = truncate_file;
	return calls;
}
