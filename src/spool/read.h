/* spool/read.h: one record from where it stands.
 *
 * Thread   any
 * Errors   -ENOENT: its segment is gone; -EBADMSG: damaged; what else the disk says
 */
#pragma once

#include "spool.h"

/* Which of a message's records is wanted, and what the index says of it. */
struct wanted {
	uint64_t id;
	enum record_type type;
	unsigned part; /* CONTENT */
	struct place place;
	uint64_t seal;
};

/* Appends the payload. */
int read_place(struct spool *s, const struct wanted *w, struct buf *out);
