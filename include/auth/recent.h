/* auth/recent.h: logins by an app password that a worker said yes to a short while ago.
 *
 * Shape    auth_recent_key(request) -> auth_recent_find(key): the worker's answer again, or nothing; then
 *          a worker is asked -> auth_recent_keep(key, its answer)
 * Thread   one at a time
 * Owns     its entries, bounded in number; wiped when they go
 * Units    now_ms of a clock that does not go back; wall_ms since the epoch
 *
 * An app password is so random that an HMAC of it, under a random key of this process, tells nobody
 * anything; other passwords are never kept here, nor anything made of them (a worker says which is which).
 * An answer holds until the time that the worker named, by either clock, and no longer than the users file
 * is in the state that the worker found it in: that is asked of the file system each time. Where it cannot
 * be told, nothing is found.
 */
#pragma once

#include "auth/frame.h"

struct auth_recent;

/* Of a request; wiped when it is not needed any more: it is made before anybody knows what kind of password
 * it is. */
struct auth_recent_key {
	unsigned char octets[32];
};

/* seconds: no answer is kept for longer. NULL where that is 0: all others take NULL for an empty one that
 * keeps nothing. */
struct auth_recent *auth_recent_new(const char *users_file, uint32_t seconds);
void auth_recent_free(struct auth_recent **recent);
/* Of a whole login. The key of one auth_recent finds nothing in another. */
void auth_recent_key(const struct auth_recent *recent, const struct auth_request *request,
		     struct auth_recent_key *out);
/* The answer's octets live until the next call. */
bool auth_recent_find(struct auth_recent *recent, const struct auth_recent_key *key, int64_t now_ms,
		      int64_t wall_ms, struct auth_answer *out);
/* Keeps it where it says that it may be. */
void auth_recent_keep(struct auth_recent *recent, const struct auth_recent_key *key, int64_t now_ms,
		      int64_t wall_ms, const struct auth_answer *answer);
