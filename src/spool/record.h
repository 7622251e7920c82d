/* spool/record.h: how a segment's header and a record look, octet by octet.
 *
 * Shape    encode into 64 octets, decode from 64 octets; all numbers little-endian
 * Errors   -EBADMSG: not what we wrote; -ENOTSUP: a version that we do not know
 * Source   doc/spool.md
 *
 * Sums are XXH3 with the spool's seal as the seed. The seal is random and never leaves the spool:
 * what stands in a message can look like a record, but cannot carry its sum.
 */
#pragma once

#include "base/span.h"

enum {
	RECORD_HEADER_OCTETS = 64,
	RECORD_ALIGN = 8,
	RECORD_PAYLOAD_MAX = 16 * 1024 * 1024,
	RECORD_CHUNKS_MAX = 1 << 22,
	/* The header stands twice, a block apart: one damaged block does not take the seal along. */
	SEGMENT_HEADER_OCTETS = 64,
	SEGMENT_VERSION = 1,
	SEGMENT_HEADER_AGAIN = 4096,
	SEGMENT_RECORDS_AT = SEGMENT_HEADER_AGAIN + SEGMENT_HEADER_OCTETS,
};

#define RECORD_TYPES(X)                                                                            \
	X(CONTENT, 1, "content")                                                                   \
	X(ENVELOPE, 2, "envelope")                                                                 \
	X(NOTE, 3, "note")                                                                         \
	X(SETTLE, 4, "settle record")

enum record_type {
#define X(name, number, text) RECORD_##name = number,
	RECORD_TYPES(X)
#undef X
};

struct record {
	enum record_type type;
	uint32_t length; /* octets of payload */
	uint32_t part;	 /* CONTENT: which chunk, from 0; ENVELOPE: how many chunks */
	uint64_t id, sequence;
	uint64_t octets;      /* ENVELOPE: of content in all */
	uint64_t content_sum; /* ENVELOPE: record_part_sum() of each chunk, added up */
	uint64_t payload_sum;
};

struct segment_header {
	uint64_t number;
	uint32_t previous; /* the segment before it at that time; 0: none, or not known */
	uint64_t seal;
	uint64_t greatest_id; /* given out before the segment was opened */
	uint64_t sequence;    /* of the first record in it, or a later one */
	uint64_t oldest;      /* all segments with smaller numbers were given back; 0: not known */
};

const char *record_type_name(enum record_type type);
/* Header, payload and padding. */
static inline uint64_t record_extent(uint32_t length)
{
	return RECORD_HEADER_OCTETS + (((uint64_t)length + RECORD_ALIGN - 1) & ~(uint64_t)7);
}

uint64_t record_payload_sum(struct span payload, uint64_t seal);
/* What chunk `part` adds to its message's content_sum. */
uint64_t record_part_sum(const struct record *record);
void record_encode(const struct record *record, uint64_t seal, unsigned char out[64]);
/* Looks at the header alone; the payload is still to be checked. */
int record_decode(const unsigned char in[64], uint64_t seal, struct record *out);

void segment_header_encode(const struct segment_header *header, unsigned char out[64]);
int segment_header_decode(const unsigned char in[64], struct segment_header *out);
