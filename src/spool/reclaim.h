/* spool/reclaim.h: gives back the space of what is settled: the oldest segment first, always.
 *
 * Shape    reclaim_step() unlinks one segment, or rewrites a small portion of one; true: there is more
 * Thread   the committer's, between batches
 * Source   doc/spool.md, "Reclaiming"
 */
#pragma once

#include "spool.h"

bool reclaim_step(struct spool *s);
/* Once a second: on a full disk even the segment that is written to is given up when half of it is dead. */
void reclaim_for_room(struct spool *s);
void reclaim_stop(struct spool *s);
