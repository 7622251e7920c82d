#include "survey.h"

#include "base/mem.h"

#include <stdlib.h>

static void tell_damage(struct survey *v, uint64_t number, const struct scan_item *item)
{
	char name[SEGMENT_NAME_MAX];
	struct spool_check_damage damage = {
		.segment = name,
		.offset = item->offset,
		.octets = item->octets,
		.is_tail = item->is_tail,
		.record = item->record.type ? record_type_name(item->record.type) : NULL,
		.id = item->record.id,
	};

	segment_name(number, name);
	v->totals->damages++;
	if (v->check->damage)
		v->check->damage(v->check->user, &damage);
}

static void count_record(struct spool_check_segment *told, enum record_type type)
{
	told->records++;
	switch (type) {
	case RECORD_CONTENT:
		told->contents++;
		break;
	case RECORD_ENVELOPE:
		told->envelopes++;
		break;
	case RECORD_NOTE:
		told->notes++;
		break;
	case RECORD_SETTLE:
		told->settles++;
		break;
	}
}

/* Whatever has no whole record behind it is the torn tail. */
static void note_item(void *user, uint64_t number, const struct scan_item *item)
{
	struct survey *v = user;
	struct survey_segment *now = &v->now;

	if (item->kind == SCAN_DAMAGE) {
		now->open_damages++;
		now->open_octets += item->octets;
	} else {
		now->told.damages += now->open_damages + item->has_bad_padding;
		now->told.damaged_octets += now->open_octets;
		now->open_damages = now->open_octets = 0;
		count_record(&now->told, item->record.type);
	}
	if (item->kind == SCAN_DAMAGE || item->has_bad_padding)
		tell_damage(v, number, item);
}

/* Only the newest has a torn tail: the others were synced before they were followed. */
static void call_damage(struct spool_check_segment *told)
{
	if (told->tail_octets == 0)
		return;
	told->damages++;
	told->damaged_octets += told->tail_octets;
	told->tail_octets = 0;
}

static void note_segment(void *user, uint64_t number, const struct scan *scan,
			 const struct fault *left_alone)
{
	struct survey *v = user;
	struct survey_segment *now = &v->now;

	now->told.number = number;
	now->told.octets = scan ? scan->size : 0;
	now->told.tail_octets = now->open_octets;
	if (left_alone) {
		now->left_alone = mem_new(struct fault);
		*now->left_alone = *left_alone;
	} else {
		now->told.version = SEGMENT_VERSION;
		now->told.unreadable = scan->unreadable;
		now->told.has_damaged_header =
			!scan->has_header[0] || !scan->has_header[1] || !scan->is_clean_header;
	}
	if (v->count)
		call_damage(&v->segments[v->count - 1].told);
	if (v->count == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 16;
		v->segments = mem_resize(v->segments, v->cap * sizeof(*v->segments));
	}
	v->segments[v->count++] = *now;
	*now = (struct survey_segment){ 0 };
}

static void note_message(void *user, struct spool *s, struct message *m, const char *why,
			 const struct record *envelope, struct span payload)
{
	struct survey *v = user;
	struct spool_check_message message = {
		.id = m->id,
		.what = why,
		.envelope = payload,
		.chunks = envelope ? envelope->part : m->chunks,
	};

	message.first_missing = message.chunks;
	for (uint32_t part = 0; part < message.chunks; part++) {
		const struct place *place = part < m->chunks ? message_chunk(m, part) : NULL;

		if (place && place->segment) {
			message.chunks_whole++;
			message.octets_whole += place->length;
		} else if (part < message.first_missing) {
			message.first_missing = part;
		}
	}
	v->totals->damaged_messages++;
	if (v->check->message)
		v->check->message(v->check->user, &message);
	if (v->salvage)
		v->salvage(v, s, m, &message);
}

static struct survey_segment *find(struct survey *v, uint64_t number)
{
	size_t low = 0, high = v->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (v->segments[middle].told.number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < v->count && v->segments[low].told.number == number ? &v->segments[low] : NULL;
}

static void count_live(struct survey *v, struct spool *s)
{
	struct message *m;
	size_t at = 0;

	for (size_t i = 0; i < s->segments.count; i++) {
		struct survey_segment *segment = find(v, s->segments.at[i].number);

		if (segment == NULL)
			continue;
		segment->told.live_records = s->segments.at[i].live_records;
		segment->told.live_octets = s->segments.at[i].live_octets;
	}
	while ((m = index_next(&s->index, &at)) != NULL) {
		struct survey_segment *segment = find(v, m->envelope.segment);

		if (segment)
			segment->told.live_messages++;
	}
	v->totals->messages = s->index.count;
	v->totals->live_octets = s->segments.live_octets;
}

static void judge(struct survey *v, struct survey_segment *segment, bool is_newest)
{
	struct spool_check_segment *told = &segment->told;
	uint64_t used =
		told->live_octets + told->damaged_octets + told->tail_octets + SEGMENT_RECORDS_AT;

	told->is_newest = is_newest;
	told->dead_octets = told->octets > used ? told->octets - used : 0;
	told->is_damaged = segment->left_alone || told->damages || told->unreadable ||
			   told->has_damaged_header ||
			   (told->tail_octets && !(is_newest && v->totals->is_in_use));
	v->totals->segments++;
	v->totals->octets += told->octets;
	v->totals->records += told->records;
	v->totals->damaged_segments += told->is_damaged;
}

struct spool *survey_run(struct survey *v, const struct spool_conf *conf, struct fault *fault)
{
	struct spool *s;

	v->watch.user = v;
	v->watch.item = note_item;
	v->watch.segment = note_segment;
	v->watch.message = note_message;
	v->watch.keeps_tails = true;
	s = spool_recover(conf, &v->watch, fault);
	if (s == NULL)
		return NULL;
	count_live(v, s);
	for (size_t i = 0; i < v->count; i++)
		judge(v, &v->segments[i], i + 1 == v->count);
	return s;
}

void survey_tell(struct survey *v)
{
	for (size_t i = 0; v->check->segment && i < v->count; i++) {
		struct spool_check_segment told = v->segments[i].told;
		char name[SEGMENT_NAME_MAX];

		segment_name(told.number, name);
		told.name = name;
		told.left_alone =
			v->segments[i].left_alone ? v->segments[i].left_alone->text : NULL;
		v->check->segment(v->check->user, &told);
	}
}

void survey_fini(struct survey *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->segments[i].left_alone);
	free(v->segments);
	v->segments = NULL;
	v->count = v->cap = 0;
}
