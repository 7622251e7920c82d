#include "spool/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int path_of(const char *dir, const char *name, char out[PATH_MAX])
{
	int n = snprintf(out, PATH_MAX, "%s/%s", dir, name);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int open_path(const char *path, int flags)
{
	int fd;

	do
		fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

static int real_lock_dir(void *user, const char *dir)
{
	char path[PATH_MAX];
	int fd = path_of(dir, "lock", path);

	(void)user;
	if (fd == 0)
		fd = open_path(path, O_RDWR | O_CREAT);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int status = errno == EWOULDBLOCK ? -EBUSY : -errno;

		close(fd);
		return status;
	}
	return fd;
}

static int sync_directory(const char *path)
{
	int fd = open_path(path, O_RDONLY | O_DIRECTORY), status;

	if (fd < 0)
		return fd;
	status = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return status;
}

/* The new directory's own name is to survive as well. */
static int sync_parent(const char *dir)
{
	char path[PATH_MAX];
	int status = path_of(dir, "..", path);

	return status < 0 ? status : sync_directory(path);
}

static int real_make_dir(void *user, const char *dir, mode_t mode)
{
	struct stat st;

	(void)user;
	if (mkdir(dir, mode) == 0)
		return sync_parent(dir);
	if (errno != EEXIST)
		return -errno;
	if (stat(dir, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

/* A spool that may only be read can still be looked at. */
static int real_open(void *user, const char *dir, const char *name, int create)
{
	char path[PATH_MAX];
	int fd = path_of(dir, name, path);

	(void)user;
	if (fd < 0)
		return fd;
	fd = open_path(path, create ? O_RDWR | O_CREAT | O_EXCL : O_RDWR);
	if (!create && (fd == -EACCES || fd == -EROFS))
		fd = open_path(path, O_RDONLY);
	return fd;
}

static void real_close(void *user, int fd)
{
	(void)user;
	close(fd);
}

static ssize_t real_pwritev(void *user, int fd, const struct iovec *iov, int count, uint64_t offset)
{
	ssize_t n = pwritev(fd, iov, count, (off_t)offset);

	(void)user;
	return n < 0 ? -errno : n;
}

static ssize_t real_pread(void *user, int fd, void *at, size_t n, uint64_t offset)
{
	ssize_t got = pread(fd, at, n, (off_t)offset);

	(void)user;
	return got < 0 ? -errno : got;
}

static int real_sync(void *user, int fd)
{
	(void)user;
	return fdatasync(fd) < 0 ? -errno : 0;
}

static int real_sync_dir(void *user, const char *dir)
{
	(void)user;
	return sync_directory(dir);
}

static int real_truncate(void *user, int fd, uint64_t size)
{
	(void)user;
	return ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
}

static int64_t real_size(void *user, int fd)
{
	struct stat st;

	(void)user;
	return fstat(fd, &st) < 0 ? -errno : st.st_size;
}

static int real_unlink(void *user, const char *dir, const char *name)
{
	char path[PATH_MAX];
	int status = path_of(dir, name, path);

	(void)user;
	if (status < 0)
		return status;
	return unlink(path) < 0 ? -errno : 0;
}

static int real_list(void *user, const char *dir, void (*each)(void *arg, const char *name),
		     void *arg)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	int status;

	(void)user;
	if (d == NULL)
		return -errno;
	while ((errno = 0, entry = readdir(d)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
			each(arg, entry->d_name);
	status = -errno;
	closedir(d);
	return status;
}

static int64_t real_free_octets(void *user, const char *dir)
{
	struct statvfs st;

	(void)user;
	if (statvfs(dir, &st) < 0)
		return -errno;
	return (int64_t)((uint64_t)st.f_bavail * st.f_frsize);
}

static void real_read_ahead(void *user, int fd, uint64_t offset, uint64_t octets)
{
	(void)user;
	posix_fadvise(fd, (off_t)offset, (off_t)octets, POSIX_FADV_WILLNEED);
}

/* Both names for a while rather than none. Where a file cannot have two, it is renamed. */
static int real_move(void *user, const char *dir, const char *name, const char *to_dir)
{
	char from[PATH_MAX], to[PATH_MAX];
	int status = path_of(dir, name, from);

	(void)user;
	if (status == 0)
		status = path_of(to_dir, name, to);
	if (status < 0)
		return status;
	if (link(from, to) < 0 && errno != EEXIST) {
		if (errno != EPERM && errno != EOPNOTSUPP && errno != EMLINK)
			return -errno;
		return rename(from, to) < 0 ? -errno : sync_directory(to_dir);
	}
	status = sync_directory(to_dir);
	if (status < 0)
		return status;
	return unlink(from) < 0 ? -errno : 0;
}

/* "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF" */
static int64_t find_flock(const struct stat *st)
{
	FILE *locks = fopen("/proc/locks", "re");
	char line[256];
	int64_t found = -EBUSY;

	while (locks && found < 0 && fgets(line, sizeof(line), locks)) {
		unsigned long inode;
		unsigned major_number, minor_number;
		long pid;

		if (sscanf(line, "%*d: FLOCK %*s %*s %ld %x:%x:%lu", &pid, &major_number,
			   &minor_number, &inode) == 4 &&
		    pid > 0 && inode == st->st_ino && major_number == major(st->st_dev) &&
		    minor_number == minor(st->st_dev))
			found = pid;
	}
	if (locks)
		fclose(locks);
	return found;
}

static int64_t real_lock_holder(void *user, const char *dir)
{
	char path[PATH_MAX];
	int fd = path_of(dir, "lock", path);
	int64_t holder = 0;
	struct stat st;

	(void)user;
	if (fd == 0)
		fd = open_path(path, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		holder = errno == EWOULDBLOCK && fstat(fd, &st) == 0 ? find_flock(&st) : -errno;
	close(fd);
	return holder;
}

const struct spool_disk spool_disk_real = {
	.lock_dir = real_lock_dir,
	.make_dir = real_make_dir,
	.open = real_open,
	.close = real_close,
	.pwritev = real_pwritev,
	.pread = real_pread,
	.sync = real_sync,
	.sync_dir = real_sync_dir,
	.truncate = real_truncate,
	.size = real_size,
	.unlink = real_unlink,
	.list = real_list,
	.free_octets = real_free_octets,
	.read_ahead = real_read_ahead,
	.move = real_move,
	.lock_holder = real_lock_holder,
};
