/* spool/gather.h: whether a sync waits a moment for more to share it.
 *
 * Shape    gather_taken() for each batch; gather_begins() before one -> gather_pays() after each slice of
 *          the wait -> gather_ended()
 * Thread   the committer's
 * Units    microseconds; writes that a sync is to make safe
 *
 * While one sync runs the next batch gathers by itself, the more the slower the disk. On a fast disk a
 * crowd of clients would still have many small syncs, each of which costs processor time. So where so many
 * come that a few ms bring a good batch, the sync waits for them. A few clients who each wait for the
 * answer to send the next message look like many at first; but when they are waited for nobody comes:
 * then it ends, and is tried again after twice as many batches each time. Where few come, nobody waits.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	GATHER_GOAL = 32, /* as many do not wait for more */
	GATHER_SLICES = 2,
	GATHER_MOST_US = 5000, /* all slices together */
};

struct gather {
	double per_us;	  /* how many came, lately */
	int64_t taken_us; /* when the last batch was taken */
	unsigned vain;	  /* how often in a row nobody came */
	unsigned skip;	  /* batches that do not wait */
};

/* A batch goes, with as many. */
void gather_taken(struct gather *g, int64_t now_us, size_t writes);
bool gather_begins(struct gather *g, int64_t now_us, size_t waiting, int64_t most_us);
/* False: whoever was expected did not come in this slice. Not to be judged over all of them: a few that
 * wait for each other would look as if they came slowly. */
bool gather_pays(const struct gather *g, int64_t slice_us, size_t before, size_t waiting);
/* has_paid: each slice has. */
void gather_ended(struct gather *g, bool has_paid);
