/* queue/record.c: what became of a message, on its way to the spool.
 *
 * A settle is always lazy: it is on the way of every message, and losing it in a crash costs one
 * duplicate. So is a note that says only "try again later". A note that says who has the message
 * already is synced at once: it is rare, and losing it would send the message to them again with
 * every crash until the others have it too.
 */
#include "inside.h"

#include "base/mem.h"

#include <stdlib.h>

struct record {
	struct spool_write write;
	struct queue *queue;
	struct buf octets;
};

static void end_record(struct work *work)
{
	struct record *r = list_entry(work, struct record, write.done);
	struct queue *queue = r->queue;

	if (r->write.status)
		queue_tell_trouble(queue, "unwritten", r->write.id, &r->write.fault);
	else if (r->write.kind == SPOOL_SETTLE)
		queue_tell_settled(queue, r->write.id);
	buf_fini(&r->octets);
	free(r);
	queue_unpend(queue);
}

static struct record *new_record(struct queue *queue, enum spool_write_kind kind, uint64_t id)
{
	struct record *r = mem_new(struct record);

	r->queue = queue;
	r->write.kind = kind;
	r->write.id = id;
	r->write.home = queue->conf.loop;
	r->write.done.run = end_record;
	queue_pend(queue);
	return r;
}

static void settle(const struct queued *q)
{
	struct record *r = new_record(q->queue, SPOOL_SETTLE, q->envelope.qid);

	r->write.is_lazy = !q->queue->is_ending;
	spool_put(q->queue->conf.spool, &r->write);
}

static void note(const struct queued *q, bool is_news)
{
	struct record *r = new_record(q->queue, SPOOL_NOTE, q->envelope.qid);

	delivery_encode(&q->delivery, &r->octets);
	r->write.record = buf_span(&r->octets);
	r->write.is_lazy = !is_news && !q->queue->is_ending;
	spool_put(q->queue->conf.spool, &r->write);
}

void queued_write_down(struct queued *q, bool is_news)
{
	if (queued_is_final(q)) {
		settle(q);
		queued_free(&q);
		return;
	}
	note(q, is_news);
	/* It waits for minutes at least: the memory is for those that come in now. */
	queued_forget_content(q);
	queued_forget_attempt(q);
	if (q->queue->is_ending)
		queued_free(&q);
	else
		queued_set_due(q, q->pause_ms);
}

void queue_drop_content(struct queue *queue, uint64_t id)
{
	struct record *r = new_record(queue, SPOOL_DROP, id);

	r->write.is_lazy = true;
	spool_put(queue->conf.spool, &r->write);
}
