/* spool/batch.h: many writes, one pwritev, one sync.
 *
 * Shape    batch_run(writes): plan each (its records and where they will stand), write all, sync when
 *          one of them asks for it, then tell each
 * Thread   the committer's
 * Errors   the batch fails as a whole; where there is no room, notes and settle records are tried
 *          again without the content, with the reserve if need be
 */
#pragma once

#include "spool.h"

/* Empties the list; every done is posted when it returns. Also writes settle records that are owed. */
void batch_run(struct spool *s, struct list *writes);
