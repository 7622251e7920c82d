/* spool/space.h: is there room to accept, and the reserve that keeps outcomes writable when there is
 * none.
 *
 * Shape    space_look() once a second
 * Thread   the committer's
 */
#pragma once

#include "spool.h"

enum { SPACE_RESERVE_OCTETS = 256 * 1024 };

#define SPACE_RESERVE_NAME "reserve"

/* Also puts the reserve there when it is missing and the room for it is not. */
void space_look(struct spool *s);
/* A commit found no room, whatever the file system says: none is accepted until the next look. */
void space_note_full(struct spool *s, const struct fault *why);
/* Gives the reserve's blocks back to the file system. False: it is used up already. */
bool space_release_reserve(struct spool *s);
