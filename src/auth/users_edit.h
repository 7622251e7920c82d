/* auth/users_edit.h (private): one change to the users file: the lock, what is read, what is to be
 * written.
 *
 * Shape    users_edit_begin(), which always has its users_edit_end(); lines go to `after`; then
 *          users_edit_commit()
 * Errors   the old file stays whole
 */
#pragma once

#include "users_file.h"
#include "users_line.h"

struct users_edit {
	char *path; /* without symbolic links, so that a link is kept and its target replaced */
	int lock;
	struct buf before, after;
	struct users_mark mark;
	bool exists;
	struct users_seed seed;
	bool has_apps; /* app passwords, which a new seed would make useless */
};

/* may_be_missing: a file that is not there is an empty one. */
int users_edit_begin(struct users_edit *e, const char *path, bool may_be_missing,
		     struct fault *fault);
/* Makes a seed where there is none: its line comes next in `after`. */
int users_edit_need_seed(struct users_edit *e, struct fault *fault);
int users_edit_commit(struct users_edit *e, struct fault *fault);
void users_edit_end(struct users_edit *e);

/* Calls each() for every line of the file; an error from there ends it. */
int users_edit_walk(struct users_edit *e, void *user,
		    int (*each)(struct users_edit *e, void *user, const struct users_line *line,
				struct fault *fault),
		    struct fault *fault);
void users_edit_put_line(struct users_edit *e, struct span line);
