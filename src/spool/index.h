/* spool/index.h: where the records of each message stand. Neither content nor envelopes are kept.
 *
 * Shape    index_find / index_add / index_remove by id; 64 octets a message, and 12 for each chunk
 *          where there is more than one
 * Thread   changed by the committer alone, under the spool's index lock; a message that is not LIVE
 *          is the committer's own affair
 * Owns     its messages; a pointer to one lives until it is removed
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A record's place. Records begin at multiples of 8, so 32 bits reach 32 GiB. */
struct place {
	uint32_t segment; /* 0: nowhere */
	uint32_t unit;	  /* offset / 8 */
	uint32_t length;  /* octets of payload */
};

enum message_state {
	MESSAGE_OPEN,	    /* content arrives; no envelope yet */
	MESSAGE_COMMITTING, /* its envelope is in the batch under way */
	MESSAGE_LIVE,
	MESSAGE_LOST, /* content of it was lost by a failed write or sync: it can only be given up */
};

struct message {
	uint64_t id;
	union {
		uint64_t content_sum; /* of the chunks so far; not LIVE */
		uint64_t sequence;    /* of the envelope; LIVE. Kept by recovery alone */
	};
	union {
		struct place one;
		struct place *many; /* with room for the next power of two from chunks on */
	} content;
	struct place envelope, note;
	unsigned chunks : 29;
	unsigned state : 3; /* enum message_state */
	uint32_t next;	    /* in its hash chain, or among the free ones */
};

struct index {
	struct message **blocks;
	size_t block_count;
	uint32_t free_first; /* 0: none */
	uint32_t *heads;
	size_t head_count, count;
};

void index_init(struct index *index);
void index_fini(struct index *index);
struct message *index_find(const struct index *index, uint64_t id);
/* The id is not yet there. */
struct message *index_add(struct index *index, uint64_t id);
/* Clears *message. */
void index_remove(struct index *index, struct message **message);
/* A message by its handle, a number that stays its own until it is removed. */
struct message *index_at(const struct index *index, uint32_t handle);
/* The handles of all LIVE messages; free() them. */
uint32_t *index_live(const struct index *index, size_t *count);
/* Visits all in no order: start with *at = 0; NULL at the end. The one visited may be removed. */
struct message *index_next(const struct index *index, size_t *at);

/* Where chunk `part` stands; part < message->chunks. */
struct place *message_chunk(struct message *message, uint32_t part);
/* Makes room so that chunk `part` is there, at first nowhere. */
struct place *message_make_chunk(struct message *message, uint32_t part);

static inline uint64_t place_offset(struct place place)
{
	return (uint64_t)place.unit * 8;
}

static inline bool place_eq(struct place a, struct place b)
{
	return a.segment == b.segment && a.unit == b.unit;
}
