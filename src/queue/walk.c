/* queue/walk.c: what can be seen of the queue. */
#include "inside.h"

#include "base/mem.h"

#include <stdlib.h>

/* Further back it is not counted. */
enum { AHEAD_MOST = 1000 };

static const char *const words[] = {
#define X(name, word, text) word,
	QUEUE_STANDS(X)
#undef X
};

static const char *const texts[] = {
#define X(name, word, text) text,
	QUEUE_STANDS(X)
#undef X
};

const char *queue_stand_word(enum queue_stand stand)
{
	return words[stand];
}

const char *queue_stand_text(enum queue_stand stand)
{
	return texts[stand];
}

bool queue_look_at(const struct queue *queue, size_t i, struct relay_view *out)
{
	return queue->conf.relay && !queue->is_ending && relay_look(queue->conf.relay, i, out);
}

enum queue_stand queue_stand_of_lines(struct queue *queue)
{
	enum queue_stand stand = QUEUE_STAND_NO_SMARTHOST;
	struct relay_view view;

	if (queue->conf.relay == NULL || queue->is_ending || relay_room(queue->conf.relay) > 0)
		return QUEUE_STAND_LINE;
	for (size_t i = 0; queue_look_at(queue, i, &view); i++) {
		if (view.paused_ms > 0)
			continue;
		if (view.rated_ms == 0)
			return QUEUE_STAND_LINE;
		stand = QUEUE_STAND_RATE;
	}
	return stand;
}

void queue_reasons(const struct queue *queue, struct buf *out)
{
	struct relay_view view;

	for (size_t i = 0; queue_look_at(queue, i, &view); i++) {
		if (view.reason == NULL)
			continue;
		if (out->len)
			buf_put_text(out, "; ");
		buf_put_text(out, view.reason);
	}
}

static enum queue_stand stand_of(const struct queued *q, enum queue_stand of_lines)
{
	switch ((enum queued_state)q->state) {
	case QUEUED_PAUSED:
		return q->is_future ? QUEUE_STAND_FUTURE : QUEUE_STAND_RETRY;
	case QUEUED_LINE:
		return of_lines;
	case QUEUED_HELD:
		return QUEUE_STAND_HELD;
	case QUEUED_ACTIVE:
		return QUEUE_STAND_ACTIVE;
	case QUEUED_REPORTING:
	case QUEUED_OWING:
		break;
	}
	return QUEUE_STAND_NOTICE;
}

/* A time of the loop's clock by the wall's. */
static int64_t wall_of(const struct queue *queue, int64_t at, int64_t wall_ms)
{
	return wall_ms + (at - loop_now_ms(queue->conf.loop));
}

static struct queue_sight sight_of(struct queue *queue)
{
	struct queue_sight sight = { .of_lines = queue_stand_of_lines(queue),
				     .wall_ms = wall_now_ms() };
	struct buf reasons = { 0 };

	free(queue->reasons);
	queue->reasons = NULL;
	if (sight.of_lines == QUEUE_STAND_NO_SMARTHOST) {
		queue_reasons(queue, &reasons);
		queue->reasons = queued_text(buf_span(&reasons));
		buf_fini(&reasons);
	}
	return sight;
}

static struct envelope_recipient *room_for(struct pack_scratch *scratch, size_t recipient_count)
{
	if (scratch->addresses == NULL || scratch->address_cap < recipient_count) {
		scratch->address_cap = recipient_count;
		scratch->addresses =
			mem_resize(scratch->addresses,
				   recipient_count * sizeof(struct envelope_recipient));
	}
	return scratch->addresses;
}

static size_t count_waiting(const struct delivery *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->recipient_count; i++)
		n += d->recipients[i].state == RECIPIENT_WAITING;
	return n;
}

static struct queue_view view_of(struct queued *q, struct queue_sight *sight)
{
	struct queue *queue = q->queue;
	struct queue_view view = { .envelope = &sight->envelope, .delivery = &sight->delivery };
	int64_t warns_at = queued_warns_at(q);

	queued_envelope(q, room_for(&queue->scratch, q->recipient_count), &sight->envelope);
	sight->delivery = queued_delivery(q);
	view.stand = stand_of(q, sight->of_lines);
	if (view.stand == QUEUE_STAND_NO_SMARTHOST)
		view.reason = queue->reasons;
	if (view.stand == QUEUE_STAND_RETRY)
		view.next_ms = wall_of(queue, q->next_at, sight->wall_ms);
	if (view.stand == QUEUE_STAND_FUTURE)
		view.next_ms = sight->envelope.release_ms;
	if (warns_at != INT64_MAX)
		view.warn_ms = wall_of(queue, warns_at, sight->wall_ms);
	view.expire_ms = wall_of(queue, queued_expires_at(q), sight->wall_ms);
	view.waiting = count_waiting(&sight->delivery);
	return view;
}

void queue_walk_init(struct queue_walk *walk, struct queue *queue)
{
	*walk = (struct queue_walk){ .queue = queue, .next = queue->messages.head.next };
	list_push_back(&queue->walks, &walk->node);
}

bool queue_walk(struct queue_walk *walk, size_t most,
		void (*each)(void *user, const struct queue_view *view), void *user)
{
	struct queue *queue = walk->queue;
	struct queue_sight sight;

	if (queue == NULL)
		return false;
	sight = sight_of(queue);
	for (size_t i = 0; i < most && walk->next != &queue->messages.head; i++) {
		struct queued *q = list_entry(walk->next, struct queued, all);
		struct queue_view view = view_of(q, &sight);

		walk->next = q->all.next;
		each(user, &view);
	}
	return walk->next != &queue->messages.head;
}

void queue_walk_fini(struct queue_walk *walk)
{
	if (walk->queue)
		list_remove(&walk->queue->walks, &walk->node);
	walk->queue = NULL;
}

void queue_walks_pass(struct queue *queue, struct list_node *node)
{
	list_each (&queue->walks, it) {
		struct queue_walk *walk = list_entry(it, struct queue_walk, node);

		if (walk->next == node)
			walk->next = node->next;
	}
}

bool queue_find(struct queue *queue, uint64_t qid, struct queue_view *out)
{
	struct queued *q = queue_index_get(&queue->index, qid);

	if (q == NULL)
		return false;
	queue->found = sight_of(queue);
	*out = view_of(q, &queue->found);
	if (out->stand == QUEUE_STAND_LINE)
		out->ahead = queued_line_ahead(q, AHEAD_MOST);
	return true;
}
