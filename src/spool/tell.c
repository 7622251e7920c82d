#include "recover.h"

#include "base/id.h"
#include "spool.h"

#include <errno.h>
#include <stdlib.h>

/* What is looked at stands far apart, with content in between. */
enum { LOOK_OCTETS = 8 * 1024 };

/* Segments that are open at once. A message's note mostly stands in another one than its envelope, and
 * the notes of messages that came together may stand anywhere: to open a segment for each would take a
 * minute for a million. */
enum { OPEN_MOST = 32 };

struct view {
	struct scan scan;
	uint32_t number; /* 0: none */
	uint64_t used;	 /* when, as a count */
};

struct reader {
	struct spool *s;
	struct view views[OPEN_MOST];
	uint64_t uses;
};

static void close_view(struct view *view)
{
	if (view->number)
		scan_close(&view->scan);
	view->number = 0;
}

/* The one that has the segment, or the one that was not used for longest. */
static struct view *choose_view(struct reader *r, uint32_t number)
{
	struct view *oldest = &r->views[0];

	for (unsigned i = 0; i < OPEN_MOST; i++) {
		if (r->views[i].number == number)
			return &r->views[i];
		if (r->views[i].used < oldest->used)
			oldest = &r->views[i];
	}
	return oldest;
}

static struct scan *scan_of(struct reader *r, uint32_t number)
{
	struct view *view = choose_view(r, number);
	struct fault fault;

	view->used = ++r->uses;
	if (view->number == number)
		return &view->scan;
	close_view(view);
	view->number = number;
	scan_open(&view->scan, r->s->disk, r->s->dir, number, &fault);
	view->scan.least = LOOK_OCTETS;
	view->scan.seal = segments_find(&r->s->segments, number)->seal;
	return &view->scan;
}

/* The payload lives until the next call for the same segment. */
static bool read_record(struct reader *r, struct place place, struct record *record,
			struct span *payload)
{
	struct scan *scan = scan_of(r, place.segment);
	const unsigned char *octets = scan->fd < 0 ? NULL
						   : scan_look(scan, place_offset(place),
							       (size_t)record_extent(place.length));

	if (octets == NULL || record_decode(octets, scan->seal, record) < 0)
		return false;
	*payload = span_of(octets + RECORD_HEADER_OCTETS, record->length);
	return record->length == place.length;
}

static void watch_message(struct spool *s, struct message *m, const char *why,
			  const struct record *envelope, struct span payload)
{
	if (s->watch)
		s->watch->message(s->watch->user, s, m, why, envelope, payload);
}

static void report_message(struct spool *s, uint64_t id, const char *why)
{
	struct fault fault;
	char qid[ID_TEXT_MAX];

	id_format(id, qid);
	fault_set(&fault, -EBADMSG, "message %s %s", qid, why);
	if (s->conf.damaged)
		s->conf.damaged(s->conf.user, &fault);
}

const char *recover_disbelieve(struct message *m, const struct record *envelope)
{
	uint64_t octets = 0;

	for (uint32_t part = 0; part < m->chunks; part++) {
		if (message_chunk(m, part)->segment == 0)
			return "is not delivered: a part of its content is missing";
		octets += message_chunk(m, part)->length;
	}
	if (envelope->type != RECORD_ENVELOPE || envelope->id != m->id)
		return "is not delivered: its envelope cannot be read";
	if (envelope->part != m->chunks || envelope->octets != octets ||
	    envelope->content_sum != m->content_sum)
		return "is not delivered: its content is not what its envelope says";
	return NULL;
}

void recover_believe(struct message *m, const struct record *envelope)
{
	m->sequence = envelope->sequence;
	m->state = MESSAGE_LIVE;
}

static void give_up(struct spool *s, struct message *m)
{
	segments_release(&s->segments, m);
	index_remove(&s->index, &m);
}

/* Content without an envelope is what a crash leaves of a message that was never answered for, unless
 * the envelope is among what is damaged. A note alone is what remains of a settled message. */
static void give_up_unfinished(struct spool *s, struct message *m)
{
	static const char why[] = "has content and no envelope: it was never finished, or its "
				  "envelope is among what is damaged";

	if (s->has_gaps && m->chunks) {
		watch_message(s, m, why, NULL, (struct span){ 0 });
		report_message(s, m->id, why);
	}
	give_up(s, m);
}

/* Its content came after its envelope, as copies may, or it is not whole. */
static void check(struct reader *r, struct message *m)
{
	const char *wrong = "is not delivered: its envelope cannot be read";
	struct span payload = { 0 };
	struct record envelope;
	bool is_read;

	if (m->envelope.segment == 0) {
		give_up_unfinished(r->s, m);
		return;
	}
	is_read = read_record(r, m->envelope, &envelope, &payload);
	if (is_read)
		wrong = recover_disbelieve(m, &envelope);
	else
		r->s->is_frozen = true; /* the scan could read it */
	if (wrong) {
		watch_message(r->s, m, wrong, is_read ? &envelope : NULL, payload);
		report_message(r->s, m->id, wrong);
		give_up(r->s, m);
	} else {
		recover_believe(m, &envelope);
	}
}

static void tell(struct reader *r, struct message *m, struct buf *note)
{
	struct spool_found found = { .id = m->id, .chunks = m->chunks };
	struct record record;
	struct span payload;

	buf_clear(note);
	if (m->note.segment && read_record(r, m->note, &record, &payload)) {
		buf_put_span(note, payload);
		found.note = buf_span(note);
	}
	if (!read_record(r, m->envelope, &record, &found.envelope)) {
		r->s->is_frozen = true; /* the scan could read it */
		report_message(r->s, m->id, "is not delivered: its envelope cannot be read");
		return;
	}
	found.content_octets = record.octets;
	r->s->conf.found(r->s->conf.user, &found);
}

static int compare_sequences(const void *a, const void *b, void *arg)
{
	const struct message *x = index_at(arg, *(const uint32_t *)a);
	const struct message *y = index_at(arg, *(const uint32_t *)b);

	return (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

static bool is_sorted(const uint32_t *handles, size_t count, struct index *index)
{
	for (size_t i = 1; i < count; i++)
		if (compare_sequences(&handles[i - 1], &handles[i], index) > 0)
			return false;
	return true;
}

/* The order of commits is that of the envelopes' sequences: a rewritten envelope keeps its own. */
static void tell_all(struct reader *r)
{
	struct index *index = &r->s->index;
	struct buf note = { 0 };
	size_t count;
	uint32_t *handles = index_live(index, &count);

	if (!is_sorted(handles, count, index))
		qsort_r(handles, count, sizeof(*handles), compare_sequences, index);
	for (size_t i = 0; i < count; i++)
		tell(r, index_at(index, handles[i]), &note);
	free(handles);
	buf_fini(&note);
}

void recover_tell(struct spool *s)
{
	struct reader reader = { .s = s };
	struct message *m;
	size_t at = 0;

	while ((m = index_next(&s->index, &at)) != NULL)
		if (m->state != MESSAGE_LIVE)
			check(&reader, m);
	if (s->conf.found)
		tell_all(&reader);
	for (unsigned i = 0; i < OPEN_MOST; i++)
		close_view(&reader.views[i]);
}
