/* auth/users.h: our own users file.
 *
 * Shape    one line a user: NAME:HASH with more fields behind further colons to come; HASH as
 *          crypt(5) makes it (yescrypt by default; $gy$ $7$ $6$ $5$ $2b$ are taken too). Empty
 *          lines and those that begin with '#' are left alone. At most 64 MiB
 * Thread   one at a time
 * Owns     the table in memory
 * Errors   -EINVAL with file and line; -EACCES, -ENOENT ... with the path and what to do
 *
 * The file is replaced by rename(2) after fsync, mode and owner kept: a reader sees the old one or
 * the new one, whole.
 */
#pragma once

#include "base/fault.h"
#include "base/span.h"

struct auth_users;

/* Names and hashes; the file must not be open to others, nor writable by its group. */
struct auth_users *auth_users_load(const char *path, struct fault *fault);
void auth_users_free(struct auth_users **users);
/* Reads the file again when it has changed on disk; on failure the old table stays: -EINVAL says
 * that it has a flaw, any other error that it could not be read. */
int auth_users_refresh(struct auth_users *users, struct fault *fault);
size_t auth_users_count(const struct auth_users *users);
/* NULL: no such user. Lives until the next refresh. */
const char *auth_users_hash(const struct auth_users *users, struct span name);
/* Name of user i in the order of the file. */
const char *auth_users_name(const struct auth_users *users, size_t i);

/* Whether `password` fits `hash`; an unknown user (hash NULL) costs the same time and is false. So
 * is a password with a NUL or of more than 511 octets. */
bool auth_password_fits(const char *hash, struct span password);

/* Changes to the file, under a lock. -EEXIST, -ENOENT; -EINVAL for a name (1 to 255 octets of UTF-8
 * without controls and ':', no '#' first, no white space at an end) or a password that cannot be. A
 * missing file is made by add (mode 0600, or 0640 with the group of its directory when that is
 * setgid). */
int auth_users_add(const char *path, const char *name, struct span password, struct fault *fault);
int auth_users_passwd(const char *path, const char *name, struct span password,
		      struct fault *fault);
int auth_users_rm(const char *path, const char *name, struct fault *fault);
