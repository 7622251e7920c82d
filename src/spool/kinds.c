#include "kinds.h"

#include "base/id.h"

#include <errno.h>

static int refuse(struct spool_write *w, int status, const char *why)
{
	char qid[ID_TEXT_MAX];

	id_format(w->id, qid);
	return fault_set(&w->fault, status, "message %s: %s", qid, why);
}

static struct message *find(struct batch *b, const struct spool_write *w)
{
	return index_find(&b->s->index, w->id);
}

static void forget(struct batch *b, struct message *m)
{
	segments_release(&b->s->segments, m);
	index_remove(&b->s->index, &m);
}

static void add_piece(struct batch *b, const void *at, size_t n)
{
	struct iovec piece = { (void *)(uintptr_t)at, n };

	if (n == 0)
		return;
	buf_put(&b->s->pieces, &piece, sizeof(piece));
	b->octets += n;
}

struct place batch_add_record(struct batch *b, struct record *record, struct span payload,
			      unsigned char header[64])
{
	static const unsigned char zeros[RECORD_ALIGN];
	struct place place = {
		.segment = b->s->head.number,
		.unit = (uint32_t)((b->start + b->octets) / RECORD_ALIGN),
		.length = (uint32_t)payload.len,
	};

	record->length = (uint32_t)payload.len;
	record->sequence = b->s->sequence++;
	record->payload_sum = record_payload_sum(payload, b->s->seal);
	record_encode(record, b->s->seal, header);
	add_piece(b, header, RECORD_HEADER_OCTETS);
	add_piece(b, payload.at, payload.len);
	add_piece(b, zeros, record_extent(record->length) - RECORD_HEADER_OCTETS - record->length);
	return place;
}

static void add_chunk(struct batch *b, struct spool_write *w, struct message *m)
{
	struct record record = { .type = RECORD_CONTENT, .id = w->id, .part = m->chunks };
	struct place place = batch_add_record(b, &record, w->content, w->header[0]);

	segments_move(&b->s->segments, message_make_chunk(m, record.part), place);
	m->content_sum += record_part_sum(&record);
}

static int check_open(struct spool_write *w, const struct message *m)
{
	if (w->content.len > SPOOL_CHUNK_MAX || w->record.len > RECORD_PAYLOAD_MAX)
		return refuse(w, -EMSGSIZE, "a record would be too long");
	if (m && m->state == MESSAGE_LOST)
		return refuse(w, -EIO, "content of it was lost by an earlier disk error");
	if (m && m->state != MESSAGE_OPEN)
		return refuse(w, -EINVAL, "it is committed already");
	if (m && m->chunks >= RECORD_CHUNKS_MAX)
		return refuse(w, -EMSGSIZE, "too many chunks");
	return 0;
}

static int plan_content(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);
	int status = check_open(w, m);

	if (status == 0)
		add_chunk(b, w, m ? m : index_add(&b->s->index, w->id));
	return status;
}

/* Also where it was never planned: the next chunk must not pass for this one. */
static int content_failed(struct batch *b, struct spool_write *w, int status)
{
	struct message *m = find(b, w);

	if (m == NULL)
		m = index_add(&b->s->index, w->id);
	if (m->state == MESSAGE_OPEN) {
		segments_release(&b->s->segments, m);
		m->state = MESSAGE_LOST;
	}
	return status;
}

static uint64_t octets_of(struct message *m)
{
	uint64_t octets = 0;

	for (uint32_t part = 0; part < m->chunks; part++)
		octets += message_chunk(m, part)->length;
	return octets;
}

static bool is_settleable(const struct message *m)
{
	return m && (m->state == MESSAGE_LIVE || m->state == MESSAGE_COMMITTING);
}

static int plan_commit(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);
	struct record record = { .type = RECORD_ENVELOPE, .id = w->id };
	int status = check_open(w, m);

	if (status < 0) {
		if (m && !is_settleable(m))
			forget(b, m);
		return status;
	}
	if (m == NULL)
		m = index_add(&b->s->index, w->id);
	if (w->content.len)
		add_chunk(b, w, m);
	record.part = m->chunks;
	record.octets = octets_of(m);
	record.content_sum = m->content_sum;
	segments_move(&b->s->segments, &m->envelope,
		      batch_add_record(b, &record, w->record, w->header[1]));
	m->state = MESSAGE_COMMITTING;
	b->needs_sync = true;
	return 0;
}

static void commit_stored(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);

	if (m)
		m->state = MESSAGE_LIVE;
	counter_add(&b->s->counters->spool_commits, 1);
}

/* Its sender was or will be told that it was not taken: a record says so, in case that it is found. */
static int commit_failed(struct batch *b, struct spool_write *w, int status)
{
	struct message *m = find(b, w);

	if (m)
		forget(b, m);
	if (b->may_have_landed)
		id_list_add(&b->s->owed, w->id);
	return status;
}

/* The place waits in the second header, which a note does not need. Synced even when lazy: the note that
 * it replaces must not be given up for one that may be lost. */
static int plan_note(struct batch *b, struct spool_write *w)
{
	struct record record = { .type = RECORD_NOTE, .id = w->id };
	struct place place;

	if (w->record.len > RECORD_PAYLOAD_MAX)
		return refuse(w, -EMSGSIZE, "the note would be too long");
	if (!is_settleable(find(b, w)))
		return refuse(w, -ENOENT, "there is no such message");
	place = batch_add_record(b, &record, w->record, w->header[0]);
	memcpy(w->header[1], &place, sizeof(place));
	b->needs_sync = true;
	return 0;
}

static void note_stored(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);
	struct place place;

	memcpy(&place, w->header[1], sizeof(place));
	if (is_settleable(m))
		segments_move(&b->s->segments, &m->note, place);
}

/* Nothing is written for a message that is not there: to settle twice is to settle. */
static int plan_settle(struct batch *b, struct spool_write *w)
{
	struct record record = { .type = RECORD_SETTLE, .id = w->id };

	if (!is_settleable(find(b, w)))
		return 0;
	batch_add_record(b, &record, (struct span){ 0 }, w->header[0]);
	b->needs_sync |= !w->is_lazy;
	return 0;
}

static void settle_stored(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);

	if (!is_settleable(m))
		return;
	forget(b, m);
	if (!b->needs_sync)
		id_list_add(&b->s->unsynced, w->id);
}

/* Done with all the same; its record is written as soon as something can be. */
static int settle_failed(struct batch *b, struct spool_write *w, int status)
{
	struct message *m = find(b, w);

	if (is_settleable(m)) {
		forget(b, m);
		id_list_add(&b->s->owed, w->id);
	}
	return status;
}

/* Recovery ignores content without an envelope: nothing is written, and so nothing can fail. */
static int plan_drop(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);

	if (is_settleable(m))
		return refuse(w, -EINVAL, "it is committed already");
	if (m)
		forget(b, m);
	return 0;
}

static int drop_failed(struct batch *b, struct spool_write *w, int status)
{
	(void)status;
	return plan_drop(b, w);
}

static void nothing(struct batch *b, struct spool_write *w)
{
	(void)b;
	(void)w;
}

static int just_failed(struct batch *b, struct spool_write *w, int status)
{
	(void)b;
	(void)w;
	return status;
}

const struct kind spool_kinds[] = {
	[SPOOL_CONTENT] = { plan_content, nothing, content_failed },
	[SPOOL_COMMIT] = { plan_commit, commit_stored, commit_failed },
	[SPOOL_NOTE] = { plan_note, note_stored, just_failed },
	[SPOOL_SETTLE] = { plan_settle, settle_stored, settle_failed },
	[SPOOL_DROP] = { plan_drop, nothing, drop_failed },
};
