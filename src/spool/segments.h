/* spool/segments.h: the segment files there are, oldest first, and how much of each is still wanted.
 *
 * Thread   changed by the committer alone, under the spool's index lock
 * Owns     the list; no descriptors
 */
#pragma once

#include "index.h"

enum { SEGMENT_NAME_MAX = 32 };

struct segment {
	uint32_t number;
	uint64_t octets;      /* how long it is */
	uint64_t live_octets; /* of records that the index points to, padding and all */
	uint64_t live_records;
	uint64_t seal;
	unsigned tries;	 /* to rewrite it that came to nothing, for what the disk refused to give */
	bool is_damaged; /* a repair is to set it aside */
	bool is_stuck;	 /* live records in it cannot be read, so it cannot be rewritten */
};

struct segments {
	struct segment *at; /* by number */
	size_t count, cap;
	uint64_t octets, live_octets; /* of all */
};

void segments_fini(struct segments *segments);
/* Its number is greater than all there are. The pointer lives until the next change of the list. */
struct segment *segments_add(struct segments *segments, uint32_t number, uint64_t seal);
void segments_grew(struct segments *segments, struct segment *segment, uint64_t octets);
void segments_remove_oldest(struct segments *segments);
struct segment *segments_find(struct segments *segments, uint32_t number);

void segment_name(uint64_t number, char out[SEGMENT_NAME_MAX]);
/* False: not the name of a segment. */
bool segment_name_parse(const char *name, uint64_t *number);

/* Sets *at to `place` and keeps the accounts of both segments. Either may be nowhere. */
void segments_move(struct segments *segments, struct place *at, struct place place);
/* Every record of the message is wanted no more. */
void segments_release(struct segments *segments, struct message *message);
