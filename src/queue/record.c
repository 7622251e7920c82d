/* queue/record.c: what became of a message, on its way to the spool.
 *
 * A settle is lazy: it is on the way of every message, and losing it in a crash costs one duplicate.
 * So is a note that says only "try again later". A note that says who has the message already is
 * synced at once: it is rare, and losing it would send the message to them again with every crash
 * until the others have it too. What somebody asked for by hand is synced too: they are told when it
 * is safe.
 */
#include "inside.h"

#include "base/mem.h"

#include <stdlib.h>

struct record {
	struct spool_write write;
	struct queue *queue;
	struct queue_order *order; /* who waits for it; NULL: nobody */
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
	if (r->order)
		r->order->done(r->order, r->write.status, r->write.status ? &r->write.fault : NULL);
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

void queued_settle(struct queued *q, bool is_lazy, struct queue_order *order)
{
	struct record *r = new_record(q->queue, SPOOL_SETTLE, q->qid);

	r->order = order;
	r->write.is_lazy = is_lazy && !q->queue->is_ending;
	spool_put(q->queue->conf.spool, &r->write);
}

void queued_note(struct queued *q, bool is_lazy, struct queue_order *order)
{
	struct record *r = new_record(q->queue, SPOOL_NOTE, q->qid);
	struct delivery d = queued_delivery(q);

	delivery_encode(&d, &r->octets);
	r->order = order;
	r->write.record = buf_span(&r->octets);
	r->write.is_lazy = is_lazy && !q->queue->is_ending;
	spool_put(q->queue->conf.spool, &r->write);
}

static void settle(struct queued *q)
{
	struct queue_order *order = q->work->closing;

	q->work->closing = NULL;
	queued_settle(q, order == NULL, order);
	queued_free(&q);
}

static void note(struct queued *q)
{
	queued_note(q, !q->work->is_news, NULL);
	/* It waits for minutes at least: the memory is for those that come in now. */
	queued_forget_content(q);
	queued_forget_attempt(q);
	queued_close(q);
	if (q->queue->is_ending)
		queued_free(&q);
	else
		queued_place(q, true, 0);
}

void queued_write_down(struct queued *q)
{
	struct queue *queue = q->queue;
	uint64_t qid = q->qid;
	struct list orders;

	queued_take_orders(q, &orders);
	if (queued_is_final(q))
		settle(q);
	else
		note(q);
	queue_act_all(queue, qid, &orders);
}

void queue_drop_content(struct queue *queue, uint64_t id)
{
	struct record *r = new_record(queue, SPOOL_DROP, id);

	r->write.is_lazy = true;
	spool_put(queue->conf.spool, &r->write);
}
