/* spool/committer.h: the thread that owns all writes, and the one step that it does again and again.
 *
 * Shape    committer_step(now) does what is due and says whether more could be done at once; the
 *          thread calls it and sleeps in between, a simulation calls it by itself
 * Units    ms of a clock that never goes back
 */
#pragma once

#include "spool.h"

bool committer_step(struct spool *s, int64_t now_ms);
/* Everything that waits, lazy or not, synced. */
void committer_finish(struct spool *s);
int committer_start(struct spool *s, struct fault *fault);
void committer_stop(struct spool *s);
