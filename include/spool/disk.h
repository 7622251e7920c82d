/* spool/disk.h: every call by which the spool touches a disk.
 *
 * Shape    a table of functions, so that a test can cut the power at each single call
 * Thread   the committer's; read and map-like calls from any
 * Errors   negative errno
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct spool_disk {
	void *user;
	/* -EBUSY when another process holds it. The descriptor holds the lock. */
	int (*lock_dir)(void *user, const char *dir);
	int (*make_dir)(void *user, const char *dir, mode_t mode); /* an existing one is fine */
	/* name is relative to dir. Creates with O_EXCL when `create`. */
	int (*open)(void *user, const char *dir, const char *name, int create);
	void (*close)(void *user, int fd);
	/* May write less than asked. */
	ssize_t (*pwritev)(void *user, int fd, const struct iovec *iov, int count, uint64_t offset);
	ssize_t (*pread)(void *user, int fd, void *at, size_t n, uint64_t offset);
	int (*sync)(void *user, int fd); /* fdatasync */
	int (*sync_dir)(void *user, const char *dir);
	int (*truncate)(void *user, int fd, uint64_t size);
	int64_t (*size)(void *user, int fd);
	int (*unlink)(void *user, const char *dir, const char *name);
	/* Calls each() with the name of each entry but . and .. */
	int (*list)(void *user, const char *dir, void (*each)(void *arg, const char *name),
		    void *arg);
	int64_t (*free_octets)(void *user, const char *dir);
	/* These octets will be read soon. May be NULL. */
	void (*read_ahead)(void *user, int fd, uint64_t offset, uint64_t octets);
	/* To another directory, which has its name in stable storage before the old one goes; that is
	 * the caller's to sync. Only repairs need it. */
	int (*move)(void *user, const char *dir, const char *name, const char *to_dir);
	/* Whoever holds the lock: its pid, 0: nobody, -EBUSY: that cannot be told; else why it is not
	 * known. */
	int64_t (*lock_holder)(void *user, const char *dir);
};

extern const struct spool_disk spool_disk_real;
