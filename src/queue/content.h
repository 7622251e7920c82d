/* queue/content.h: the content of a message as a source of parts.
 *
 * Shape    queued_content_init -> source.next()... -> queued_content_fini, at any time
 * Thread   the queue's loop; chunks are read on the lane, one ahead of what is used
 * Errors   next(): what spool_read() said, told in the log; -EBADMSG when there is less or more than
 *          the size that was told: nobody gets half a message
 */
#pragma once

#include "inside.h"

#include <limits.h>

struct content_read;

enum { CONTENT_ALL_CHUNKS = UINT_MAX / 2 };

struct queued_content {
	struct relay_source source; /* first */
	struct queue *queue;
	uint64_t id, size;
	unsigned chunks;  /* of the spool, to be read; CONTENT_ALL_CHUNKS: as many as there are */
	struct span tail; /* what stands in memory behind them; the owner's, till fini */
	void (*more)(void *user);
	void *user;
	/* private */
	struct content_read *read; /* under way */
	struct buf now, ahead;
	bool has_ahead, is_waiting;
	bool is_tail_given;
	unsigned index;	 /* the next chunk to read */
	int status;	 /* -ENODATA: no more chunks */
	uint64_t octets; /* given so far */
};

/* more(): next() said -EAGAIN before and has something now. What the message keeps in memory stays
 * there till fini. */
void queued_content_init(struct queued_content *c, struct queued *queued, void (*more)(void *user),
			 void *user);
/* The same from `from`, of which all up to user is filled. */
void queued_content_start(struct queued_content *c, const struct queued_content *from);
void queued_content_fini(struct queued_content *c);
