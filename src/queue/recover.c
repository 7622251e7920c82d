/* queue/recover.c: what the spool found at the start. */
#include "inside.h"

#include <errno.h>
#include <stdlib.h>

/* How long ago it arrived, or was released, by the wall clock, which may have been wrong then, or be wrong now. A clock
 * that went back makes no message younger than its attempts say. */
static int64_t age_ms(const struct queued *q, const struct delivery *d)
{
	int64_t release = queued_release_ms(q);
	int64_t arrived = q->arrived_ms > release ? q->arrived_ms : release;
	int64_t last = d->last_ms > wall_now_ms() ? d->last_ms : wall_now_ms();

	return last > arrived ? last - arrived : 0;
}

/* No longer than the schedule's longest pause: a clock that went back must not hold the mail. */
static int64_t pause_ms(const struct queue *queue, const struct delivery *d)
{
	int64_t pause = d->next_ms - wall_now_ms();
	int64_t most = 0;

	for (unsigned i = 0; i < queue->conf.retry_count; i++)
		if (queue->conf.retry_ms[i] > most)
			most = queue->conf.retry_ms[i];
	most += most / 4;
	return pause < most ? pause : most;
}

static void take_note(struct queued *q, const struct delivery *d)
{
	q->pack = delivery_pack(d);
	q->is_held = d->is_held;
	q->is_warned = d->is_warned;
	/* Flushed by hand before its time. */
	if (d->next_ms != queued_release_ms(q))
		queued_end_future(q);
	if (q->is_held)
		counter_add(&q->queue->conf.counters->queue_held, 1);
}

/* Notices that are owed are made first; of what is final without any only the settle was lost. */
static void place(struct queued *q, const struct delivery *d)
{
	int64_t now = loop_now_ms(q->queue->conf.loop);
	int64_t pause = d->next_ms > 0 ? pause_ms(q->queue, d) : 0;

	q->is_recovered = true;
	if (!q->is_future) {
		q->born_ms = now - age_ms(q, d);
		q->next_at = pause > 0 ? now + pause : 0;
	}
	if (queued_is_final(q) || queued_owes(d))
		queued_owe(q, 0);
	else
		queued_place(q, false, 0);
}

static int decode_note(struct span note, size_t recipient_count, struct delivery *out)
{
	int status = note.len ? delivery_decode(note, out) : 0;

	if (status || note.len == 0 || out->recipient_count == recipient_count)
		return status;
	delivery_fini(out);
	return -EINVAL;
}

int queue_recover(struct queue *queue, const struct spool_found *found)
{
	struct delivery delivery = { 0 };
	struct envelope envelope;
	struct queued *q;
	int status = envelope_decode(found->envelope, &envelope);

	if (status)
		return status;
	/* Nobody could ever get it, nor hear that nobody did. */
	if (envelope.recipient_count == 0) {
		envelope_fini(&envelope);
		return -EINVAL;
	}
	status = decode_note(found->note, envelope.recipient_count, &delivery);
	if (status == 0) {
		q = queued_new(queue, &envelope);
		if (found->note.len)
			take_note(q, &delivery);
		place(q, &delivery);
	}
	delivery_fini(&delivery);
	envelope_fini(&envelope);
	return status;
}
