/* auth/users_file.h (private): the users file as it lies on disk.
 *
 * Shape    users_file_read() -> octets and a mark; users_file_replace() puts new octets in its place;
 *          users_line.h tells its lines apart
 * Errors   bounded: 64 MiB a file. A code and the path, and what to do
 */
#pragma once

#include "base/buf.h"
#include "base/fault.h"

#include <sys/stat.h>
#include <time.h>

enum { USERS_FILE_OCTETS_MAX = 64 << 20, USERS_MARK_NUMBERS = 7 };

/* Tells one state of the file from another without reading it. */
struct users_mark {
	struct timespec changed, written;
	uint64_t octets, inode, device;
	uint32_t mode, owner, group;
	bool is_settled; /* false: so young that a second change may leave the same times */
};

/* Either may be NULL. `out` is wiped by the caller: it holds hashes. */
int users_file_read(const char *path, struct buf *out, struct users_mark *mark,
		    struct fault *fault);
int users_file_mark(const char *path, struct users_mark *mark, struct fault *fault);
bool users_mark_eq(const struct users_mark *a, const struct users_mark *b);
/* Appends octets that are equal where the mark is. False, and nothing: it is not settled, and is equal to
 * none. */
bool users_mark_put(const struct users_mark *mark, struct buf *out);

/* Under the lock of users_edit.c. Replaces the file (`now`: its present mark, NULL when there is
 * none): the old one or the new one stands there at any moment, and after a power cut too. */
int users_file_replace(const char *path, const struct users_mark *now, struct span octets,
		       struct fault *fault);
