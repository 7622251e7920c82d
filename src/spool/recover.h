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

#include "spool.h"

int recover_all(struct spool *s, struct fault *fault);
void recover_tell(struct spool *s);

/* Why this envelope's message is not whole; NULL: it is. */
const char *recover_disbelieve(struct message *m, const struct record *envelope);
/* It is whole, and LIVE from now on. */
void recover_believe(struct message *m, const struct record *envelope);
