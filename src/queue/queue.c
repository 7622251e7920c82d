/* queue/queue.c: which message is tried when. */
#include "queue/queue.h"

#include "inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>

void queue_wake(struct queue *queue)
{
	if (queue->is_turn_posted)
		return;
	queue->is_turn_posted = true;
	loop_post(queue->conf.loop, &queue->turn);
}

void queue_pend(struct queue *queue)
{
	queue->pending++;
}

void queue_unpend(struct queue *queue)
{
	require(queue->pending > 0);
	queue->pending--;
	if (queue->is_ending)
		queue_wake(queue);
}

/* xorshift64*: it spreads retries, no more; its seed comes from random_fill(). */
uint64_t queue_random(struct queue *queue)
{
	uint64_t x = queue->random;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	queue->random = x;
	return (x * 0x2545F4914F6CDD1D) >> 16;
}

bool queue_reserve(struct queue *queue, size_t octets)
{
	int64_t left = atomic_fetch_sub_explicit(queue->conf.memory, (int64_t)octets,
						 memory_order_relaxed);

	if (left >= (int64_t)octets)
		return true;
	queue_release(queue, (int64_t)octets);
	return false;
}

void queue_release(struct queue *queue, int64_t octets)
{
	if (octets)
		atomic_fetch_add_explicit(queue->conf.memory, octets, memory_order_relaxed);
}

static void end(struct queue *queue)
{
	void (*freed)(void *user) = queue->freed;
	void *user = queue->freed_user;

	timer_clear(queue->conf.loop, &queue->timer);
	heap_fini(&queue->due);
	free(queue->hostname);
	free(queue->company);
	free(queue);
	if (freed)
		freed(user);
}

static struct queued *of_due(struct heap_node *node)
{
	return list_entry(node, struct queued, due);
}

static void take_due(struct queue *queue)
{
	int64_t now = loop_now_ms(queue->conf.loop);
	struct heap_node *first;

	while ((first = heap_first(&queue->due)) != NULL && first->key <= now) {
		heap_remove(&queue->due, first);
		queued_set_ready(of_due(first));
	}
	if (first)
		timer_set(queue->conf.loop, &queue->timer, first->key - now);
}

static void start_ready(struct queue *queue)
{
	struct list_node *node;

	while (queue->active < queue->conf.active && (node = list_pop_front(&queue->ready))) {
		struct queued *q = list_entry(node, struct queued, ready);

		if (q->unreported)
			queued_report(q); /* the notice could not be written before */
		else if (queued_is_final(q))
			queued_write_down(q, false); /* recovered; the settle was lost */
		else
			queued_attempt(q);
	}
}

static void run_turn(struct work *work)
{
	struct queue *queue = work_entry(work, struct queue, turn);

	queue->is_turn_posted = false;
	if (queue->is_ending) {
		if (list_is_empty(&queue->messages) && queue->pending == 0)
			end(queue);
		return;
	}
	take_due(queue);
	start_ready(queue);
}

static void on_timer(struct timer *timer)
{
	queue_wake(timer_entry(timer, struct queue, timer));
}

static void set_conf(struct queue *queue, const struct queue_conf *conf)
{
	free(queue->hostname);
	free(queue->company);
	queue->conf = *conf;
	queue->hostname = mem_text(conf->hostname);
	queue->company = mem_text(conf->company ? conf->company : "");
	if (queue->conf.active == 0)
		queue->conf.active = 1;
}

struct queue *queue_new(const struct queue_conf *conf)
{
	struct queue *queue = mem_new(struct queue);

	set_conf(queue, conf);
	list_init(&queue->messages);
	list_init(&queue->ready);
	queue->turn.run = run_turn;
	queue->timer.fire = on_timer;
	random_fill(&queue->random, sizeof(queue->random));
	queue->random |= 1; /* xorshift never leaves 0 */
	return queue;
}

void queue_renew(struct queue *queue, const struct queue_conf *conf)
{
	set_conf(queue, conf);
	queue_wake(queue);
}

void queue_add(struct queue *queue, struct envelope *envelope, struct buf *memory, int64_t reserved)
{
	struct queued *q = queued_new(queue, envelope);

	if (memory) {
		q->memory = *memory;
		*memory = (struct buf){ 0 };
		q->is_kept = true;
		q->reserved = reserved;
	}
	if (queue->is_ending)
		queued_free(&q); /* the spool has it, for the next start */
	else
		queued_set_ready(q);
}

/* The note's time is wall clock. A clock that went back must not hold the mail for hours. */
static int64_t recovered_pause(const struct queue *queue, const struct delivery *d)
{
	int64_t pause = d->next_ms - wall_now_ms();

	return pause < queue->conf.retry_most_ms ? pause : queue->conf.retry_most_ms;
}

static void place_recovered(struct queued *q)
{
	int64_t pause = recovered_pause(q->queue, &q->delivery);

	if (pause > 0)
		queued_set_due(q, pause);
	else
		queued_set_ready(q);
}

int queue_recover(struct queue *queue, const struct spool_found *found)
{
	struct envelope envelope;
	struct delivery delivery = { 0 };
	struct queued *q;
	int status = envelope_decode(found->envelope, &envelope);

	if (status)
		return status;
	if (found->note.len)
		status = delivery_decode(found->note, &delivery);
	if (found->note.len && status == 0 &&
	    delivery.recipient_count != envelope.recipient_count) {
		delivery_fini(&delivery);
		status = -EINVAL;
	}
	if (status) {
		envelope_fini(&envelope);
		return status;
	}
	q = queued_new(queue, &envelope);
	if (found->note.len) {
		delivery_fini(&q->delivery);
		q->delivery = delivery;
	}
	place_recovered(q);
	return 0;
}

/* Those that wait are in the spool; those under way get their outcome first. */
void queue_free(struct queue *queue, void (*freed)(void *user), void *user)
{
	require(!queue->is_ending);
	queue->is_ending = true;
	queue->freed = freed;
	queue->freed_user = user;
	list_each (&queue->messages, node) {
		struct queued *q = list_entry(node, struct queued, all);

		if (q->state == QUEUED_WAITING || q->state == QUEUED_READY)
			queued_free(&q);
	}
	queue_wake(queue);
}

size_t queue_length(const struct queue *queue)
{
	return queue->messages.count;
}

static struct queue_view view_of(const struct queued *q)
{
	return (struct queue_view){ .envelope = &q->envelope,
				    .delivery = &q->delivery,
				    .is_active = q->state == QUEUED_ACTIVE };
}

void queue_look(struct queue *queue, bool (*each)(void *user, const struct queue_view *view),
		void *user)
{
	list_each (&queue->messages, node) {
		struct queue_view view = view_of(list_entry(node, struct queued, all));

		if (!each(user, &view))
			return;
	}
}

bool queue_find(struct queue *queue, uint64_t qid, struct queue_view *out)
{
	list_each (&queue->messages, node) {
		const struct queued *q = list_entry(node, struct queued, all);

		if (q->envelope.qid != qid)
			continue;
		*out = view_of(q);
		return true;
	}
	return false;
}
