/* auth/users.h: our own users file.
 *
 * Shape    one line a user, NAME:HASH or NAME:HASH:SCRAM; HASH as crypt(5) makes it (yescrypt by
 *          default; $gy$ $7$ $6$ $5$ $2b$ are taken too), SCRAM as
 *          "SCRAM-SHA-256$ITERATIONS$SALT$STOREDKEY$SERVERKEY" in base64 (RFC 5803's parts, without
 *          its colons), or empty. One line an app password, anywhere:
 *          NAME:+ID:CREATED:EXPIRES:MAC:SCRAM:LABEL, times in seconds since the epoch, EXPIRES 0:
 *          never; MAC is HMAC-SHA-256 of "app-password" and its letters, keyed by the seed; LABEL is
 *          the rest of the line, UTF-8 without controls. One line "@seed:" and 32 octets in base64,
 *          made by the first change that needs it. Empty lines and those that begin with '#' are left
 *          alone; so are fields behind a user's known ones, and a third field that does not begin
 *          with "SCRAM-". At most 64 MiB, 2,048 octets a line
 * Thread   one at a time
 * Owns     the table in memory; what is secret in it is wiped
 * Errors   -EINVAL with file and line; -EACCES, -ENOENT ... with the path and what to do
 *
 * The salt of each SCRAM verifier is HMAC-SHA-256(seed, "scram-salt" NAME), so that all passwords of a
 * user share one, which the first step of SCRAM needs, and a name that does not exist has one just as
 * good. Another salt in a verifier, or another count of iterations than AUTH_SCRAM_ITERATIONS, makes it
 * unusable: as if there were none. App passwords without the seed are a flaw of the file: all of them
 * would be refused.
 *
 * The file is replaced by rename(2) after fsync, mode and owner kept: a reader sees the old one or
 * the new one, whole.
 */
#pragma once

#include "base/buf.h"
#include "base/fault.h"

struct auth_users;

/* Names and hashes; the file must not be open to others, nor writable by its group. */
struct auth_users *auth_users_load(const char *path, struct fault *fault);
void auth_users_free(struct auth_users **users);
/* Reads the file again when it has changed on disk; on failure the old table stays: -EINVAL says
 * that it has a flaw, any other error that it could not be read. */
int auth_users_refresh(struct auth_users *users, struct fault *fault);
/* Appends what names the state of the file that the table was read from, another one after each change.
 * False, and nothing: the file has changed since into one with a flaw, or so short a while ago that another
 * change might go unseen. */
bool auth_users_state(const struct auth_users *users, struct buf *out);
/* All names, those known by app passwords only too. */
size_t auth_users_count(const struct auth_users *users);
/* NULL: no such user, or one known by app passwords only. Lives until the next refresh. */
const char *auth_users_hash(const struct auth_users *users, struct span name);
/* Name i in the order in which they come first in the file. */
const char *auth_users_name(const struct auth_users *users, size_t i);

enum {
	AUTH_SCRAM_ITERATIONS = 65536,
	AUTH_SCRAM_OCTETS = 32,
	AUTH_APP_PASSWORDS_MAX = 100, /* of a user */
	AUTH_APP_LABEL_OCTETS_MAX = 128,
};

struct auth_scram {
	unsigned char stored_key[AUTH_SCRAM_OCTETS], server_key[AUTH_SCRAM_OCTETS];
};

struct auth_app_password {
	const char *id;	   /* "k3fz": unique for its user */
	const char *label; /* "iPhone" */
	int64_t created_s, expires_s; /* expires_s 0: never */
	unsigned char mac[AUTH_SCRAM_OCTETS];
	bool has_scram; /* false: its verifier is missing or unusable */
	struct auth_scram scram;
};

/* NULL: the user has none (or does not exist). */
const struct auth_scram *auth_users_scram(const struct auth_users *users, struct span name);
/* Those of a user, in the order of the file, NULL where i is beyond them. A user known only by app
 * passwords (another back end has the account) has no hash. */
const struct auth_app_password *auth_users_app_password(const struct auth_users *users,
							struct span name, size_t i);
/* The salt of that name, whether or not it exists. False: the file has no seed yet. */
bool auth_users_salt(const struct auth_users *users, struct span name,
		     unsigned char out[AUTH_SCRAM_OCTETS]);
/* The app password that `password` is (spaces, dashes and case do not count), or NULL. Expired ones are
 * found too. Costs one HMAC, and no more for a name that does not exist. For SCRAM only the form that was
 * shown will do: lower case, with its dashes. */
const struct auth_app_password *auth_users_app_password_fits(const struct auth_users *users,
							     struct span name,
							     struct span password);

/* Whether `password` fits `hash`; an unknown user (hash NULL) costs the same time and is false. So
 * is a password with a NUL or of more than 511 octets. */
bool auth_password_fits(const char *hash, struct span password);

/* Changes to the file, under a lock. add and passwd make the verifier too. -EEXIST, -ENOENT; -EINVAL for a name (1 to 255 octets of UTF-8
 * without controls and ':', no '#' first, no white space at an end) or a password that cannot be. A
 * missing file is made by add (mode 0600, or 0640 with the group of its directory when that is
 * setgid). */
int auth_users_add(const char *path, const char *name, struct span password, struct fault *fault);
int auth_users_passwd(const char *path, const char *name, struct span password,
		      struct fault *fault);
/* All lines of that name: its app passwords too, also where it has nothing else. */
int auth_users_rm(const char *path, const char *name, struct fault *fault);

enum { AUTH_APP_PASSWORD_TEXT_MAX = 32, AUTH_APP_ID_MAX = 16 };

/* Makes one of 20 characters of [a-z2-9] without those that look alike, in groups of four, and adds it:
 * shown once. -ENOENT: `must_exist`, and the file has no such user. -E2BIG: AUTH_APP_PASSWORDS_MAX.
 * -EINVAL: a name or label that cannot be. Without `must_exist` a missing file is made. */
int auth_users_app_add(const char *path, const char *name, const char *label, int64_t now_s,
		       int64_t expires_s, bool must_exist, char id[AUTH_APP_ID_MAX],
		       char password[AUTH_APP_PASSWORD_TEXT_MAX], struct fault *fault);
/* id NULL: all of that user. */
int auth_users_app_rm(const char *path, const char *name, const char *id, struct fault *fault);
