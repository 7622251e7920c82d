/* queue/queue.c: the turn of the loop: what is due, and what goes to the relay. */
#include "queue/queue.h"

#include "inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

enum {
	DUE_A_TURN = 1000,   /* the loop does other things after so many */
	REPORTS_MOST = 64,   /* notices being made at once */
	WALL_MS = 60 * 1000, /* the wall clock is looked at so often for those who wait for it */
	STALL_MS = 1000,     /* for a relay that has room and yet gives everything back */
};

void queue_wake(struct queue *queue)
{
	if (queue->is_turn_posted)
		return;
	queue->is_turn_posted = true;
	loop_post(queue->conf.loop, &queue->turn);
}

void queue_on_room(void *user)
{
	struct queue *queue = user;

	queue->is_stalled = false;
	queue_wake(queue);
}

void queue_stall(struct queue *queue)
{
	queue->is_stalled = true;
	queue->stalled_until_ms = loop_now_ms(queue->conf.loop) + STALL_MS;
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

static void forget_walks(struct queue *queue)
{
	struct list_node *node;

	while ((node = list_pop_front(&queue->walks)) != NULL)
		list_entry(node, struct queue_walk, node)->queue = NULL;
}

static void end(struct queue *queue)
{
	void (*freed)(void *user) = queue->freed;
	void *user = queue->freed_user;

	timer_clear(queue->conf.loop, &queue->timer);
	queue_records_fini(queue);
	forget_walks(queue);
	heap_fini(&queue->due);
	queue_index_fini(&queue->index);
	queue_lines_fini(queue);
	pack_scratch_fini(&queue->scratch);
	queue_spares_fini(queue);
	free(queue->reasons);
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

/* False: there is more, for the next turn. */
static bool take_due(struct queue *queue)
{
	int64_t now = loop_now_ms(queue->conf.loop);
	struct heap_node *first;

	for (unsigned i = 0; i < DUE_A_TURN; i++) {
		first = heap_first(&queue->due);
		if (first == NULL || first->key > now)
			return true;
		/* The end of one of them wakes the queue. */
		if (queue->reporting >= REPORTS_MOST)
			return true;
		queued_come_due(of_due(first));
	}
	return false;
}

/* Without room its call is waited for, and nothing else. */
static size_t room_of(struct queue *queue)
{
	size_t room = relay_room(queue->conf.relay);

	if (room == 0 || loop_now_ms(queue->conf.loop) >= queue->stalled_until_ms)
		queue->is_stalled = false;
	return queue->is_stalled ? 0 : room;
}

static void send_lines(struct queue *queue)
{
	struct queued *q;
	size_t room;

	if (queue->in_line == 0 || queue->active >= queue->conf.active)
		return;
	for (room = room_of(queue); room > 0 && queue->active < queue->conf.active; room--) {
		q = queue_line_next(queue);
		if (q == NULL)
			return;
		queued_attempt(q);
	}
}

static void set_timer(struct queue *queue)
{
	struct heap_node *first = heap_first(&queue->due);
	int64_t now = loop_now_ms(queue->conf.loop);
	int64_t at = first ? first->key : INT64_MAX;

	if (queue->in_line && queue->is_stalled && queue->stalled_until_ms < at)
		at = queue->stalled_until_ms;
	if (queue->futures && now + WALL_MS < at)
		at = now + WALL_MS;
	if (at > now && at != INT64_MAX)
		timer_set(queue->conf.loop, &queue->timer, at - now);
	else
		timer_clear(queue->conf.loop, &queue->timer);
}

/* What was flushed is to go now, also to a smarthost that is left alone. */
static void hurry(struct queue *queue)
{
	if (!queue->is_hurried)
		return;
	queue->is_hurried = queue->is_stalled = false;
	relay_hurry(queue->conf.relay);
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
	hurry(queue);
	queue_mind_wall(queue);
	if (!take_due(queue))
		queue_wake(queue);
	send_lines(queue);
	set_timer(queue);
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
	if (queue->conf.retry_count == 0) {
		queue->conf.retry_count = 1;
		queue->conf.retry_ms[0] = 60 * 1000;
	}
	if (queue->conf.retry_ms[0] < 1)
		queue->conf.retry_ms[0] = 1;
}

struct queue *queue_new(const struct queue_conf *conf)
{
	struct queue *queue = mem_new(struct queue);
	uint64_t seed;

	set_conf(queue, conf);
	random_fill(&queue->random, sizeof(queue->random));
	queue->random |= 1; /* xorshift never leaves 0 */
	random_fill(&seed, sizeof(seed));
	map_init(&queue->lines, seed);
	queue_records_init(queue);
	list_init(&queue->messages);
	list_init(&queue->turns);
	list_init(&queue->walks);
	queue->born_ms = loop_now_ms(conf->loop);
	queue->wall_offset_ms = wall_now_ms() - queue->born_ms;
	queue->turn.run = run_turn;
	queue->timer.fire = on_timer;
	return queue;
}

void queue_renew(struct queue *queue, const struct queue_conf *conf)
{
	bool has_other_times =
		queue->conf.warn_ms != conf->warn_ms || queue->conf.expire_ms != conf->expire_ms;

	set_conf(queue, conf);
	if (has_other_times)
		queue_rearm(queue);
	queue_wake(queue);
}

static void place_new(struct queued *q)
{
	if (q->is_future)
		queued_tell_future(q);
	queued_place(q, false, 0);
}

void queue_add(struct queue *queue, struct envelope *envelope, struct buf *memory, int64_t reserved)
{
	struct queued *q = queued_new(queue, envelope);

	envelope_fini(envelope);
	if (memory)
		queued_take_content(q, memory, reserved);
	if (queue->is_ending)
		queued_free(&q); /* the spool has it, for the next start */
	else
		place_new(q);
}

struct queued *queue_add_active(struct queue *queue, struct envelope *envelope)
{
	struct queued *q = queued_new(queue, envelope);

	envelope_fini(envelope);
	queued_open(q);
	q->state = QUEUED_ACTIVE;
	return q;
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

		if (q->state != QUEUED_ACTIVE && q->state != QUEUED_REPORTING)
			queued_free(&q);
	}
	queue->again_count = 0;
	queue_write_again(queue);
	queue_wake(queue);
}

size_t queue_length(const struct queue *queue)
{
	return queue->messages.count;
}
