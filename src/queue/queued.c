/* queue/queued.c: one message in the queue: where it stands, and what it holds. */
#include "inside.h"

#include "base/mem.h"

#include <stdlib.h>

enum { WORDS_MOST = 512 };

/* How long ago it arrived, by the wall clock; a clock that went back makes nothing older or younger
 * than now. */
static int64_t age_ms(const struct envelope *e)
{
	int64_t age = wall_now_ms() - e->arrived_ms;

	return age > 0 ? age : 0;
}

struct queued *queued_new(struct queue *queue, struct envelope *envelope)
{
	struct queued *q = mem_new(struct queued);

	q->queue = queue;
	q->envelope = *envelope;
	*envelope = (struct envelope){ 0 };
	q->born_ms = loop_now_ms(queue->conf.loop) - age_ms(&q->envelope);
	delivery_init(&q->delivery, q->envelope.recipient_count);
	list_push_back(&queue->messages, &q->all);
	counter_add(&queue->conf.counters->queue_messages, 1);
	return q;
}

void queued_free(struct queued **queued)
{
	struct queued *q = *queued;

	if (q == NULL)
		return;
	*queued = NULL;
	if (list_holds(&q->ready))
		list_remove(&q->queue->ready, &q->ready);
	heap_remove(&q->queue->due, &q->due);
	list_remove(&q->queue->messages, &q->all);
	counter_sub(&q->queue->conf.counters->queue_messages, 1);
	queued_forget_content(q);
	queued_forget_attempt(q);
	envelope_fini(&q->envelope);
	delivery_fini(&q->delivery);
	free(q);
}

void queued_forget_content(struct queued *q)
{
	buf_fini(&q->memory);
	queue_release(q->queue, q->reserved);
	q->reserved = 0;
	q->is_kept = false;
}

void queued_forget_attempt(struct queued *q)
{
	for (size_t i = 0; q->hosts && i < q->delivery.recipient_count; i++)
		free(q->hosts[i]);
	free(q->hosts);
	free(q->unreported);
	q->hosts = NULL;
	q->unreported = NULL;
	q->has_expired = false;
}

void queued_set_ready(struct queued *q)
{
	q->state = QUEUED_READY;
	list_push_back(&q->queue->ready, &q->ready);
	queue_wake(q->queue);
}

void queued_set_due(struct queued *q, int64_t in_ms)
{
	q->state = QUEUED_WAITING;
	heap_insert(&q->queue->due, &q->due, loop_now_ms(q->queue->conf.loop) + in_ms);
	queue_wake(q->queue);
}

bool queued_is_final(const struct queued *q)
{
	for (size_t i = 0; i < q->delivery.recipient_count; i++)
		if (q->delivery.recipients[i].state == RECIPIENT_WAITING)
			return false;
	return true;
}

bool queued_ran_out(const struct recipient_status *s)
{
	return s->state == RECIPIENT_FAILED && s->code < 500;
}

bool queued_has_expired(const struct queued *q)
{
	return loop_now_ms(q->queue->conf.loop) - q->born_ms >= q->queue->conf.expire_ms;
}

char *queued_text(struct span words)
{
	char *text;

	/* Cut where a character begins. */
	if (words.len > WORDS_MOST) {
		size_t n = WORDS_MOST;

		while (n > WORDS_MOST - 4 && (words.at[n] & 0xC0) == 0x80)
			n--;
		words = span_first(words, n);
	}
	text = mem_alloc(words.len + 1);
	for (size_t i = 0; i < words.len; i++)
		text[i] = words.at[i] < 0x20 || words.at[i] == 0x7F ? '?' : (char)words.at[i];
	return text;
}
