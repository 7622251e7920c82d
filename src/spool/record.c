#include "record.h"

#include <errno.h>
#include <xxhash.h>

enum { RECORD_MAGIC = 0x52545350 };

static const unsigned char segment_magic[8] = { 'P', 'o', 's', 't', 'e', 'r', 'n', '\n' };

static void put_number(unsigned char *at, uint64_t value, unsigned octets)
{
	for (unsigned i = 0; i < octets; i++)
		at[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t get_number(const unsigned char *at, unsigned octets)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < octets; i++)
		value |= (uint64_t)at[i] << (8 * i);
	return value;
}

const char *record_type_name(enum record_type type)
{
	switch (type) {
#define X(name, number, text)                                                                      \
	case RECORD_##name:                                                                        \
		return text;
		RECORD_TYPES(X)
#undef X
	}
	return NULL;
}

uint64_t record_payload_sum(struct span payload, uint64_t seal)
{
	return XXH3_64bits_withSeed(payload.at, payload.len, seal);
}

uint64_t record_part_sum(const struct record *record)
{
	unsigned char octets[16];

	put_number(octets, record->part, 8);
	put_number(octets + 8, record->payload_sum, 8);
	return XXH3_64bits(octets, sizeof(octets));
}

void record_encode(const struct record *record, uint64_t seal, unsigned char out[64])
{
	put_number(out, RECORD_MAGIC, 4);
	put_number(out + 4, record->type, 4);
	put_number(out + 8, record->length, 4);
	put_number(out + 12, record->part, 4);
	put_number(out + 16, record->id, 8);
	put_number(out + 24, record->sequence, 8);
	put_number(out + 32, record->octets, 8);
	put_number(out + 40, record->content_sum, 8);
	put_number(out + 48, record->payload_sum, 8);
	put_number(out + 56, XXH3_64bits_withSeed(out, 56, seal), 8);
}

int record_decode(const unsigned char in[64], uint64_t seal, struct record *out)
{
	if (get_number(in, 4) != RECORD_MAGIC ||
	    get_number(in + 56, 8) != XXH3_64bits_withSeed(in, 56, seal))
		return -EBADMSG;
	*out = (struct record){
		.type = (enum record_type)get_number(in + 4, 4),
		.length = (uint32_t)get_number(in + 8, 4),
		.part = (uint32_t)get_number(in + 12, 4),
		.id = get_number(in + 16, 8),
		.sequence = get_number(in + 24, 8),
		.octets = get_number(in + 32, 8),
		.content_sum = get_number(in + 40, 8),
		.payload_sum = get_number(in + 48, 8),
	};
	if (record_type_name(out->type) == NULL || out->length > RECORD_PAYLOAD_MAX ||
	    out->part > RECORD_CHUNKS_MAX)
		return -EBADMSG;
	return 0;
}

void segment_header_encode(const struct segment_header *header, unsigned char out[64])
{
	memset(out, 0, SEGMENT_HEADER_OCTETS);
	memcpy(out, segment_magic, sizeof(segment_magic));
	put_number(out + 8, SEGMENT_VERSION, 4);
	put_number(out + 12, header->previous, 4);
	put_number(out + 16, header->number, 8);
	put_number(out + 24, header->seal, 8);
	put_number(out + 32, header->greatest_id, 8);
	put_number(out + 40, header->sequence, 8);
	put_number(out + 48, header->oldest, 8);
	put_number(out + 56, XXH3_64bits(out, 56), 8);
}

int segment_header_decode(const unsigned char in[64], struct segment_header *out)
{
	if (memcmp(in, segment_magic, sizeof(segment_magic)) != 0 ||
	    get_number(in + 56, 8) != XXH3_64bits(in, 56))
		return -EBADMSG;
	if (get_number(in + 8, 4) != SEGMENT_VERSION)
		return -ENOTSUP;
	*out = (struct segment_header){
		.number = get_number(in + 16, 8),
		.previous = (uint32_t)get_number(in + 12, 4),
		.seal = get_number(in + 24, 8),
		.greatest_id = get_number(in + 32, 8),
		.sequence = get_number(in + 40, 8),
		.oldest = get_number(in + 48, 8),
	};
	return 0;
}
