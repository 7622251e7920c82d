#include "users_file.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* The directory, and in it the file and the one that is to take its place. */
struct place {
	int directory;
	const char *name;
	char fresh[NAME_MAX + 8];
};

static int write_all(int fd, struct span octets)
{
	while (octets.len) {
		ssize_t n = write(fd, octets.at, octets.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		octets = span_from(octets, (size_t)n);
	}
	return 0;
}

/* A file of its own: 0640 where its directory hands on a group on purpose, else 0600. */
static mode_t first_mode(int directory)
{
	struct stat st;

	return fstat(directory, &st) == 0 && (st.st_mode & S_ISGID) ? 0640 : 0600;
}

static int give_owner_and_mode(int fd, const struct place *place, const struct users_mark *now)
{
	mode_t mode = now ? now->mode & 07777 : first_mode(place->directory);
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (now && (st.st_uid != now->owner || st.st_gid != now->group) &&
	    fchown(fd, now->owner, now->group) < 0)
		return -errno;
	return fchmod(fd, mode) < 0 ? -errno : 0;
}

/* The lock is held: what lies there under this name is left over from a change that was cut off. */
static int make_fresh(struct place *place)
{
	int fd;

	snprintf(place->fresh, sizeof(place->fresh), ".%s.new", place->name);
	if (unlinkat(place->directory, place->fresh, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = openat(place->directory, place->fresh,
		    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

static int fill(int fd, const struct place *place, const struct users_mark *now, struct span octets)
{
	int r = give_owner_and_mode(fd, place, now);

	if (r == 0)
		r = write_all(fd, octets);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && r == 0)
		r = -errno;
	return r;
}

static int put_in_place(struct place *place, const struct users_mark *now, struct span octets)
{
	int fd = make_fresh(place);
	int r;

	if (fd < 0)
		return fd;
	r = fill(fd, place, now, octets);
	if (r == 0 && renameat(place->directory, place->fresh, place->directory, place->name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(place->directory, place->fresh, 0);
	else if (fsync(place->directory) < 0)
		r = -errno;
	return r;
}

int users_file_replace(const char *path, const struct users_mark *now, struct span octets,
		       struct fault *fault)
{
	const char *slash = strrchr(path, '/');
	char *directory = slash ? mem_text_n(path, (size_t)(slash - path) + 1) : mem_text(".");
	struct place place = { .name = slash ? slash + 1 : path };
	int r;

	place.directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = place.directory < 0 ? -errno : put_in_place(&place, now, octets);
	if (r < 0)
		fault_set(fault, r, "cannot replace the users file %s: %s", path, strerror(-r));
	if (place.directory >= 0)
		close(place.directory);
	free(directory);
	return r;
}
