/* queue/record.c: what became of a message, on its way to the spool.
 *
 * A settle is lazy: it is on the way of every message, and losing it in a crash costs one duplicate.
 * So is a note that says only "try again later". A note that says who has the message already is
 * synced at once: it is rare, and losing it would send the message to them again with every crash
 * until the others have it too. What somebody asked for by hand is synced too: they are told when it
 * is safe.
 *
 * A disk may be full for some seconds: a note that is not lazy is written again until the spool has it,
 * by its own octets, also when its message is out of memory; a later note or a settle takes its place.
 */
#include "inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>

enum {
	AGAIN_FIRST_MS = 1000, /* until it is written again; twice that after each time in vain */
	AGAIN_MOST_MS = 30 * 1000,
	AGAIN_AT_END = 4, /* times for which an ending queue waits */
};

struct record {
	struct spool_write write;
	struct list_node node; /* in queue->unwritten */
	struct queue *queue;
	struct queue_order *order; /* who waits for it; NULL: nobody */
	struct buf octets;
	bool is_news;	  /* to be written until the spool has it */
	bool is_outdated; /* there is a later one of its message */
	bool is_told;	  /* that it could not be written */
};

static struct span key_of(const uint64_t *id)
{
	return span_of(id, sizeof(*id));
}

static void free_record(struct record *r)
{
	struct queue *queue = r->queue;

	buf_fini(&r->octets);
	free(r);
	queue_unpend(queue);
}

/* What an earlier note of the message says, the later one or its settle says too, and has to be written
 * for it. True: the earlier one was news. */
static bool outdate(struct queue *queue, uint64_t id)
{
	struct record *r = map_remove(&queue->notes, key_of(&id));
	bool is_news = r && r->is_news;

	if (r && list_holds(&r->node)) {
		list_remove(&queue->unwritten, &r->node);
		free_record(r);
	} else if (r) {
		r->is_outdated = true;
	}
	return is_news;
}

/* Every record that waits here is woken by the timer, or by the end of the queue. */
static void wait_again(struct queue *queue, struct record *r)
{
	int64_t pause = AGAIN_FIRST_MS;

	list_push_back(&queue->unwritten, &r->node);
	if (queue->unwritten.count > 1)
		return;
	for (unsigned i = 0; i < queue->again_count && pause < AGAIN_MOST_MS; i++)
		pause *= 2;
	if (pause > AGAIN_MOST_MS)
		pause = AGAIN_MOST_MS;
	timer_set(queue->conf.loop, &queue->again, queue->is_ending ? AGAIN_FIRST_MS : pause);
}

static bool is_to_be_repeated(const struct record *r)
{
	const struct queue *queue = r->queue;

	/* -ENOENT: the spool has no such message any more. */
	return r->is_news && !r->is_outdated && r->write.status != -ENOENT &&
	       !(queue->is_ending && queue->again_count >= AGAIN_AT_END);
}

static void tell_outcome(struct record *r)
{
	bool is_given_up = r->write.status && !is_to_be_repeated(r);

	if (r->write.status && (!r->is_told || is_given_up))
		queue_tell_trouble(r->queue, "unwritten", r->write.id, &r->write.fault);
	else if (r->write.status == 0 && r->write.kind == SPOOL_SETTLE)
		queue_tell_settled(r->queue, r->write.id);
	else if (r->write.status == 0 && r->is_told)
		queue_tell_act(r->queue, "written", r->write.id);
	r->is_told |= r->write.status != 0;
}

static void finish(struct record *r)
{
	tell_outcome(r);
	if (r->write.status && is_to_be_repeated(r)) {
		wait_again(r->queue, r);
		return;
	}
	if (r->write.status == 0)
		r->queue->again_count = 0;
	if (r->write.kind == SPOOL_NOTE && !r->is_outdated)
		map_remove(&r->queue->notes, key_of(&r->write.id));
	free_record(r);
}

/* An order may give others to the same message, which make the record void: it comes last. */
static void end_record(struct work *work)
{
	struct record *r = list_entry(work, struct record, write.done);
	struct queue_order *order = r->order;
	struct fault fault = r->write.fault;
	int status = r->write.status;

	r->order = NULL;
	finish(r);
	if (order)
		order->done(order, status, status ? &fault : NULL);
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

	/* One that fails is written by the spool itself as soon as it can. */
	outdate(q->queue, q->qid);
	r->order = order;
	r->write.is_lazy = is_lazy && !q->queue->is_ending;
	spool_put(q->queue->conf.spool, &r->write);
}

void queued_note(struct queued *q, bool is_lazy, struct queue_order *order)
{
	struct record *r = new_record(q->queue, SPOOL_NOTE, q->qid);
	struct delivery d = queued_delivery(q);

	r->is_news = outdate(q->queue, q->qid) || !is_lazy;
	map_put(&q->queue->notes, key_of(&r->write.id), r);
	delivery_encode(&d, &r->octets);
	r->order = order;
	r->write.record = buf_span(&r->octets);
	r->write.is_lazy = !r->is_news && !q->queue->is_ending;
	spool_put(q->queue->conf.spool, &r->write);
}

bool queued_is_noted(const struct queued *q)
{
	return map_get(&q->queue->notes, key_of(&q->qid)) == NULL;
}

static void put_again(struct record *r)
{
	struct spool_write old = r->write;

	r->write = (struct spool_write){ .done = { .run = end_record },
					 .home = old.home,
					 .kind = old.kind,
					 .id = old.id,
					 .record = old.record };
	spool_put(r->queue->conf.spool, &r->write);
}

void queue_write_again(struct queue *queue)
{
	struct list_node *node;

	timer_clear(queue->conf.loop, &queue->again);
	while ((node = list_pop_front(&queue->unwritten)) != NULL)
		put_again(list_entry(node, struct record, node));
}

static void on_again(struct timer *timer)
{
	struct queue *queue = timer_entry(timer, struct queue, again);

	queue->again_count++;
	queue_write_again(queue);
}

void queue_records_init(struct queue *queue)
{
	uint64_t seed;

	random_fill(&seed, sizeof(seed));
	map_init(&queue->notes, seed);
	list_init(&queue->unwritten);
	queue->again.fire = on_again;
}

void queue_records_fini(struct queue *queue)
{
	require(list_is_empty(&queue->unwritten) && queue->notes.count == 0);
	timer_clear(queue->conf.loop, &queue->again);
	map_fini(&queue->notes);
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
