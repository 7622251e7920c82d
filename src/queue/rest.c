/* queue/rest.c: recipients for whom a smarthost's transaction has no room (RFC 9422 RCPTMAX).
 *
 * An attempt may take several transactions: each asks about those whom none before has asked about, and
 * the attempt is over when nobody is left. Then it is counted, those who were deferred pause, and the
 * sender is told of those who failed. Each transaction takes its turn behind the other messages, and what
 * it came to is noted before the next. Whoever is left grows fewer with each, for one in which nobody
 * was asked is no transaction: the message stays in line as any other that no smarthost could be asked
 * about.
 */
#include "inside.h"

#include "base/mem.h"

#include <stdlib.h>

void queued_leave(struct queued *q, size_t place, const char *why)
{
	struct queued_work *w = q->work;

	if (w->left == NULL)
		w->left = mem_array(q->recipient_count, sizeof(bool));
	w->left_count += !w->left[place];
	w->left[place] = true;
	if (w->left_why == NULL && why)
		w->left_why = queued_text(span_text(why));
}

void queued_unleave(struct queued *q, size_t place)
{
	struct queued_work *w = q->work;

	if (w->left == NULL || !w->left[place])
		return;
	w->left[place] = false;
	w->left_count--;
}

bool queued_is_meant(const struct queued *q, size_t place)
{
	const struct queued_work *w = q->work;

	return w->delivery.recipients[place].state == RECIPIENT_WAITING &&
	       (w->left_count == 0 || w->left[place]);
}

bool queued_has_rest(const struct queued *q)
{
	return q->work->left_count > 0;
}

static size_t count_waiting(const struct queued *q)
{
	const struct delivery *d = &q->work->delivery;
	size_t n = 0;

	for (size_t i = 0; i < d->recipient_count; i++)
		n += d->recipients[i].state == RECIPIENT_WAITING;
	return n;
}

/* When all who wait are left, the next attempt means them anyway, and the message may be small until
 * then. */
void queued_keep_rest(struct queued *q)
{
	if (queued_has_rest(q) && q->work->left_count < count_waiting(q))
		return;
	queued_forget_attempt(q);
	queued_close(q);
}

void queued_go_on(struct queued *q)
{
	struct queue *queue = q->queue;
	uint64_t qid = q->qid;
	struct list orders;

	queued_tell_left(q);
	queued_note_news(q);
	queued_take_orders(q, &orders);
	if (queue->is_ending) {
		queued_free(&q);
	} else {
		q->next_at = 0;
		queued_place(q, false, 0);
	}
	queue_act_all(queue, qid, &orders);
}
