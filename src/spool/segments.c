#include "segments.h"

#include "base/mem.h"
#include "base/require.h"
#include "record.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void segments_fini(struct segments *segments)
{
	free(segments->at);
	*segments = (struct segments){ 0 };
}

struct segment *segments_add(struct segments *segments, uint32_t number, uint64_t seal)
{
	struct segment *segment;

	require(segments->count == 0 || segments->at[segments->count - 1].number < number);
	if (segments->count == segments->cap) {
		segments->cap = segments->cap ? segments->cap * 2 : 16;
		segments->at = mem_resize(segments->at, segments->cap * sizeof(struct segment));
	}
	segment = &segments->at[segments->count++];
	*segment = (struct segment){ .number = number, .seal = seal };
	return segment;
}

void segments_grew(struct segments *segments, struct segment *segment, uint64_t octets)
{
	segments->octets += octets;
	segment->octets += octets;
}

void segments_remove_oldest(struct segments *segments)
{
	require(segments->count && segments->at[0].live_records == 0);
	segments->octets -= segments->at[0].octets;
	memmove(segments->at, segments->at + 1, --segments->count * sizeof(struct segment));
}

struct segment *segments_find(struct segments *segments, uint32_t number)
{
	size_t low = 0, high = segments->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (segments->at[middle].number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < segments->count && segments->at[low].number == number ? &segments->at[low]
									   : NULL;
}

void segment_name(uint64_t number, char out[SEGMENT_NAME_MAX])
{
	snprintf(out, SEGMENT_NAME_MAX, "seg-%016" PRIx64 ".log", number);
}

bool segment_name_parse(const char *name, uint64_t *number)
{
	char again[SEGMENT_NAME_MAX];

	if (strlen(name) != strlen("seg-0000000000000000.log") || strncmp(name, "seg-", 4) != 0)
		return false;
	*number = strtoull(name + 4, NULL, 16);
	segment_name(*number, again);
	return strcmp(name, again) == 0;
}

void segments_move(struct segments *segments, struct place *at, struct place place)
{
	struct segment *from = segments_find(segments, at->segment);
	struct segment *to = segments_find(segments, place.segment);

	if (from) {
		from->live_records--;
		from->live_octets -= record_extent(at->length);
		segments->live_octets -= record_extent(at->length);
	}
	if (to) {
		to->live_records++;
		to->live_octets += record_extent(place.length);
		segments->live_octets += record_extent(place.length);
	}
	*at = place;
}

void segments_release(struct segments *segments, struct message *message)
{
	const struct place nowhere = { 0 };

	for (uint32_t part = 0; part < message->chunks; part++)
		segments_move(segments, message_chunk(message, part), nowhere);
	segments_move(segments, &message->envelope, nowhere);
	segments_move(segments, &message->note, nowhere);
}
