/* spool/head.h: the one segment that is written to.
 *
 * Shape    head_ready -> head_write ... -> head_sync
 * Thread   the committer's
 * Errors   no room, or the file may not grow: what was half-written is cut off again and the segment
 *          stays in use; anything
 *          else, and any failed sync, ends the segment: it is never written or synced again,
 *          uncommitted messages with unsynced content in it are lost, and a new one is opened
 */
#pragma once

#include "spool.h"

#include <errno.h>

/* There is a segment with room to write to. */
int head_ready(struct spool *s, struct fault *fault);
/* A new segment though this one has room: so that what is dead in this one can be given back. */
void head_renew(struct spool *s);
/* All `octets` of the pieces, or nothing. Changes the pieces. */
int head_write(struct spool *s, struct iovec *pieces, size_t count, uint64_t octets,
	       struct fault *fault);
/* Nothing is called when all is synced. */
int head_sync(struct spool *s, struct fault *fault);
void head_close(struct spool *s);

static inline bool is_no_room(int status)
{
	return status == -ENOSPC || status == -EDQUOT;
}
