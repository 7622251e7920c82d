#include "batch.h"

#include "base/require.h"
#include "head.h"
#include "space.h"

#include <inttypes.h>

#include "base/id.h"

enum { OWED_AT_ONCE = 1024 };

struct batch {
	struct spool *s;
	struct list *writes;
	uint64_t start, octets; /* where in the head it goes, and how long it is */
	size_t owed;		/* of s->owed, from its front */
	bool needs_sync;
	bool may_have_landed; /* it failed, and yet a later start may find records of it */
};

/* What a kind of write does to the index: when planned, when stored, when its batch failed. */
struct kind {
	int (*plan)(struct batch *b, struct spool_write *w);
	void (*stored)(struct batch *b, struct spool_write *w);
	void (*failed)(struct batch *b, struct spool_write *w);
};

static const struct kind kinds[];

static void tell(struct spool *s, struct list *writes, struct spool_write *w, int status,
		 const struct fault *fault)
{
	w->status = status;
	w->fault.code = 0;
	w->fault.text[0] = '\0';
	if (status < 0)
		w->fault = *fault;
	list_remove(writes, &w->node);
	s->conf.post(w->home, &w->done);
}

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

/* Completes and seals the record, and queues header, payload and padding. Returns where it will be.
 */
static struct place add_record(struct batch *b, struct record *record, struct span payload,
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
	struct place place = add_record(b, &record, w->content, w->header[0]);

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
static void content_failed(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);

	if (m == NULL)
		m = index_add(&b->s->index, w->id);
	if (m->state == MESSAGE_OPEN) {
		segments_release(&b->s->segments, m);
		m->state = MESSAGE_LOST;
	}
}

static uint64_t octets_of(struct message *m)
{
	uint64_t octets = 0;

	for (uint32_t part = 0; part < m->chunks; part++)
		octets += message_chunk(m, part)->length;
	return octets;
}

static int plan_commit(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);
	struct record record = { .type = RECORD_ENVELOPE, .id = w->id };
	int status = check_open(w, m);

	if (status < 0) {
		if (m && m->state == MESSAGE_LOST)
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
		      add_record(b, &record, w->record, w->header[1]));
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

/* Its sender was or will be told that it was not taken: a record says so, in case that it is found.
 */
static void commit_failed(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);

	if (m)
		forget(b, m);
	if (b->may_have_landed)
		id_list_add(&b->s->owed, w->id);
}

static bool is_settleable(const struct message *m)
{
	return m && (m->state == MESSAGE_LIVE || m->state == MESSAGE_COMMITTING);
}

/* The place waits in the second header, which a note does not need. */
static int plan_note(struct batch *b, struct spool_write *w)
{
	struct record record = { .type = RECORD_NOTE, .id = w->id };
	struct place place;

	if (w->record.len > RECORD_PAYLOAD_MAX)
		return refuse(w, -EMSGSIZE, "the note would be too long");
	if (!is_settleable(find(b, w)))
		return refuse(w, -ENOENT, "there is no such message");
	place = add_record(b, &record, w->record, w->header[0]);
	memcpy(w->header[1], &place, sizeof(place));
	b->needs_sync |= !w->is_lazy;
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
	add_record(b, &record, (struct span){ 0 }, w->header[0]);
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
static void settle_failed(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);

	if (!is_settleable(m))
		return;
	forget(b, m);
	id_list_add(&b->s->owed, w->id);
}

/* Recovery ignores content without an envelope: nothing is written. */
static int plan_drop(struct batch *b, struct spool_write *w)
{
	struct message *m = find(b, w);

	if (is_settleable(m))
		return refuse(w, -EINVAL, "it is committed already");
	if (m)
		forget(b, m);
	return 0;
}

static void nothing(struct batch *b, struct spool_write *w)
{
	(void)b;
	(void)w;
}

static const struct kind kinds[] = {
	[SPOOL_CONTENT] = { plan_content, nothing, content_failed },
	[SPOOL_COMMIT] = { plan_commit, commit_stored, commit_failed },
	[SPOOL_NOTE] = { plan_note, note_stored, nothing },
	[SPOOL_SETTLE] = { plan_settle, settle_stored, settle_failed },
	[SPOOL_DROP] = { plan_drop, nothing, nothing },
};

static void plan_owed(struct batch *b)
{
	struct id_list *owed = &b->s->owed;
	unsigned char *header;

	b->owed = owed->count < OWED_AT_ONCE ? owed->count : OWED_AT_ONCE;
	buf_clear(&b->s->owed_headers);
	header = buf_room(&b->s->owed_headers, b->owed * RECORD_HEADER_OCTETS);
	for (size_t i = 0; i < b->owed; i++, header += RECORD_HEADER_OCTETS) {
		struct record record = { .type = RECORD_SETTLE, .id = owed->at[i] };

		add_record(b, &record, (struct span){ 0 }, header);
	}
}

static void owed_stored(struct batch *b)
{
	struct id_list *owed = &b->s->owed;

	if (b->owed == 0)
		return;
	for (size_t i = 0; i < b->owed && !b->needs_sync; i++)
		id_list_add(&b->s->unsynced, owed->at[i]);
	owed->count -= b->owed;
	memmove(owed->at, owed->at + b->owed, owed->count * sizeof(uint64_t));
}

/* Those that cannot be done are told at once. */
static void plan(struct batch *b)
{
	struct spool *s = b->s;

	b->start = s->head.end;
	b->octets = 0;
	b->needs_sync = false;
	b->may_have_landed = false;
	buf_clear(&s->pieces);
	pthread_mutex_lock(&s->index_lock);
	plan_owed(b);
	list_each (b->writes, node) {
		struct spool_write *w = list_entry(node, struct spool_write, node);
		int status = kinds[w->kind].plan(b, w);

		if (status < 0) {
			struct fault fault = w->fault;

			tell(s, b->writes, w, status, &fault);
		}
	}
	pthread_mutex_unlock(&s->index_lock);
}

static int write_planned(struct batch *b, struct fault *fault)
{
	struct spool *s = b->s;
	uint32_t number = s->head.number;
	struct iovec *pieces = (struct iovec *)(void *)s->pieces.at;
	int status = 0;

	if (b->octets)
		status = head_write(s, pieces, s->pieces.len / sizeof(*pieces), b->octets, fault);
	b->may_have_landed = status < 0 && s->head.number != number;
	return status;
}

static void tell_written_content(struct batch *b)
{
	list_each (b->writes, node) {
		struct spool_write *w = list_entry(node, struct spool_write, node);

		if (w->kind == SPOOL_CONTENT)
			tell(b->s, b->writes, w, 0, NULL);
	}
}

static void finish(struct batch *b, int status, const struct fault *fault)
{
	pthread_mutex_lock(&b->s->index_lock);
	if (status == 0)
		owed_stored(b);
	list_each (b->writes, node) {
		struct spool_write *w = list_entry(node, struct spool_write, node);

		if (status == 0)
			kinds[w->kind].stored(b, w);
		else
			kinds[w->kind].failed(b, w);
	}
	pthread_mutex_unlock(&b->s->index_lock);
	list_each (b->writes, node)
		tell(b->s, b->writes, list_entry(node, struct spool_write, node), status, fault);
}

/* Plans, writes and syncs all; what is left in the list after a failure is still to be told. */
static int try_batch(struct batch *b, struct fault *fault)
{
	int status = head_ready(b->s, fault);

	if (status < 0)
		return status;
	plan(b);
	status = write_planned(b, fault);
	if (status < 0)
		return status;
	tell_written_content(b);
	if (b->needs_sync) {
		status = head_sync(b->s, fault);
		b->may_have_landed = status < 0;
	}
	return status;
}

static bool needs_room(const struct spool_write *w)
{
	return w->kind == SPOOL_CONTENT || w->kind == SPOOL_COMMIT;
}

/* Fails what would grow the spool, so that the rest fits, or nearly. */
static void shed(struct batch *b, int status, const struct fault *fault)
{
	struct list bulky;
	struct batch shed = *b;

	list_init(&bulky);
	list_each (b->writes, node) {
		if (needs_room(list_entry(node, struct spool_write, node))) {
			list_remove(b->writes, node);
			list_push_back(&bulky, node);
		}
	}
	shed.writes = &bulky;
	if (!list_is_empty(&bulky)) {
		space_note_full(b->s, fault);
		finish(&shed, status, fault);
	}
}

void batch_run(struct spool *s, struct list *writes)
{
	struct batch b = { .s = s, .writes = writes };
	struct fault fault = { 0 };
	int status;

	status = try_batch(&b, &fault);
	if (is_no_room(status)) {
		shed(&b, status, &fault);
		status = try_batch(&b, &fault);
		if (is_no_room(status) && space_release_reserve(s))
			status = try_batch(&b, &fault);
	}
	finish(&b, status, &fault);
}
