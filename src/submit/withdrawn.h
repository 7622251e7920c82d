/* submit/withdrawn.h: the logins that were withdrawn last, private to the room.
 *
 * Shape    count before a login begins -> add as they come -> hit when it ends well
 * Thread   the loop of its struct submit
 * Owns     copies of the names, of the last WITHDRAWN_MOST
 *
 * A login that is withdrawn may be under way: checked already, its answer not heard yet, or, in a
 * conversation, up to the client's last word. No session has its name then, so it is held against these.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { WITHDRAWN_MOST = 16 };

struct withdrawn {
	struct {
		char *account, *credential;
	} last[WITHDRAWN_MOST];
	uint64_t count; /* ever */
};

/* credential: of the app password; "": the account's own; NULL: all of the account's. */
void withdrawn_add(struct withdrawn *w, const char *account, const char *credential);
/* One of those after the first `since` was this login, or so many came that nobody knows. */
bool withdrawn_hit(const struct withdrawn *w, uint64_t since, const char *account,
		   const char *credential);
void withdrawn_fini(struct withdrawn *w);
/* Whether withdrawing `credential` of `account` ends a login by `own_credential` of `own_account`. */
bool withdrawn_is(const char *account, const char *credential, const char *own_account,
		  const char *own_credential);
