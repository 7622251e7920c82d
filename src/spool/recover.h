/* spool/recover.h: from the files in the directory to the index.
 *
 * Shape    recover_all() scans every segment, oldest first; recover_tell() checks each message and
 *          hands the whole ones to conf.found() in the order of their commits
 * Thread   the caller of spool_open(), before there is a committer
 * Errors   a later version, or a directory that cannot be read, is a fault; damage goes to
 *          conf.damaged()
 * Source   doc/spool.md, "Recovery"
 */
#pragma once

#include "record.h"
#include "scan.h"

struct spool;
struct message;

/* What a check or a repair sees of it. */
struct recover_watch {
	void *user;
	/* Each record or damage of a segment; then the segment. `left_alone`: it was not read, and why;
	 * its octets are then those of the file where that could be opened. */
	void (*item)(void *user, uint64_t number, const struct scan_item *item);
	void (*segment)(void *user, uint64_t number, const struct scan *scan,
			const struct fault *left_alone);
	/* A message that is not whole, while the index still has it. envelope NULL: there is none, or it
	 * cannot be read. */
	void (*message)(void *user, struct spool *s, struct message *m, const char *why,
			const struct record *envelope, struct span payload);
	bool keeps_tails; /* nothing is cut off */
};

int recover_all(struct spool *s, struct fault *fault);
void recover_tell(struct spool *s);

/* Why this envelope's message is not whole; NULL: it is. */
const char *recover_disbelieve(struct message *m, const struct record *envelope);
/* It is whole, and LIVE from now on. */
void recover_believe(struct message *m, const struct record *envelope);
