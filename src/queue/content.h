/* queue/content.h: the content of a queued message as a source of parts.
 *
 * Shape    queued_content_init -> source.next()... -> queued_content_fini, at any time
 * Thread   the queue's loop; chunks are read on the lane, one ahead of what is used
 * Errors   next(): what spool_read() said, told in the log; -EBADMSG when there is less or more than
 *          the envelope says: nobody gets half a message
 */
#pragma once

#include "inside.h"

struct content_read;

struct queued_content {
	struct relay_source source; /* first */
	struct queued *queued;
	void (*more)(void *user);
	void *user;
	struct content_read *read; /* under way */
	struct buf now, ahead;
	bool has_ahead, is_waiting;
	unsigned index;	 /* the next chunk to read */
	int status;	 /* -ENODATA: no more chunks */
	uint64_t octets; /* given so far */
};

/* more(): next() said -EAGAIN before and has something now. */
void queued_content_init(struct queued_content *c, struct queued *queued, void (*more)(void *user),
			 void *user);
void queued_content_fini(struct queued_content *c);
