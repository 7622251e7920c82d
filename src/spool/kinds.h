/* spool/kinds.h: what each kind of write does: to the batch when planned, to the index when stored or failed.
 *
 * Thread   the committer's, under the index lock
 */
#pragma once

#include "record.h"
#include "spool.h"

struct batch {
	struct spool *s;
	struct list *writes;
	uint64_t start, octets; /* where in the head it goes, and how long it is */
	size_t owed;		/* of s->owed, from its front */
	bool needs_sync;
	bool may_have_landed; /* it failed, and yet a later start may find records of it */
};

struct kind {
	int (*plan)(struct batch *b, struct spool_write *w);
	void (*stored)(struct batch *b, struct spool_write *w);
	/* Returns what its caller hears: `status`, mostly. */
	int (*failed)(struct batch *b, struct spool_write *w, int status);
};

/* By enum spool_write_kind. plan() returns a negative errno, with w->fault filled, for what cannot be
 * done. */
extern const struct kind spool_kinds[];

/* Completes and seals the record, and queues header, payload and padding. Returns where it will be. */
struct place batch_add_record(struct batch *b, struct record *record, struct span payload,
			      unsigned char header[64]);
