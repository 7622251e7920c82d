/* queue/index.h: from an id to its message, at some 16 octets for each.
 *
 * Shape    open addressing with linear probing; what goes leaves no mark behind (those after it move
 *          up), so it never needs to be cleaned
 * Owns     its table. The ids are our own and in order of time: no peer can choose them
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct queued;

/* A zeroed one is empty. */
struct queue_index {
	struct queued **at; /* NULL: free */
	size_t count, cap;  /* cap: 0 or a power of two */
};

void queue_index_fini(struct queue_index *index);
void queue_index_put(struct queue_index *index, struct queued *q);
/* NULL: not there. */
struct queued *queue_index_get(const struct queue_index *index, uint64_t qid);
/* Does nothing when it is not there. */
void queue_index_remove(struct queue_index *index, uint64_t qid);
