#include "batch.h"

#include "head.h"
#include "kinds.h"
#include "space.h"

enum { OWED_AT_ONCE = 1024 };

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

static void plan_owed(struct batch *b)
{
	struct id_list *owed = &b->s->owed;
	unsigned char *header;

	b->owed = owed->count < OWED_AT_ONCE ? owed->count : OWED_AT_ONCE;
	buf_clear(&b->s->owed_headers);
	header = buf_room(&b->s->owed_headers, b->owed * RECORD_HEADER_OCTETS);
	for (size_t i = 0; i < b->owed; i++, header += RECORD_HEADER_OCTETS) {
		struct record record = { .type = RECORD_SETTLE, .id = owed->at[i] };

		batch_add_record(b, &record, (struct span){ 0 }, header);
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
		int status = spool_kinds[w->kind].plan(b, w);

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

		w->status = status;
		if (status == 0)
			spool_kinds[w->kind].stored(b, w);
		else
			w->status = spool_kinds[w->kind].failed(b, w, status);
	}
	pthread_mutex_unlock(&b->s->index_lock);
	list_each (b->writes, node) {
		struct spool_write *w = list_entry(node, struct spool_write, node);

		tell(b->s, b->writes, w, w->status, fault);
	}
}

/* To give up content writes nothing: it needs no segment, and is none's end. */
static bool needs_head(const struct batch *b)
{
	if (b->s->owed.count)
		return true;
	list_each (b->writes, node)
		if (list_entry(node, struct spool_write, node)->kind != SPOOL_DROP)
			return true;
	return false;
}

/* Plans, writes and syncs all; what is left in the list after a failure is still to be told. */
static int try_batch(struct batch *b, struct fault *fault)
{
	int status = needs_head(b) ? head_ready(b->s, fault) : 0;

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
