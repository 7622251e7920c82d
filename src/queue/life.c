/* queue/life.c: when a message is tried again, warned of, and given up.
 *
 * Ages are counted on the loop's clock, which never jumps. Only what recovery found brings its age by
 * the wall clock, which may have been wrong then or now; so no warning and no expiry comes sooner after
 * a start than a quarter of its time, unless an attempt has failed first.
 */
#include "notice.h"

#include "base/mem.h"

#include <stdlib.h>

static int64_t now_of(const struct queued *q)
{
	return loop_now_ms(q->queue->conf.loop);
}

static int64_t life_event(const struct queued *q, int64_t after_ms)
{
	int64_t at = q->born_ms + after_ms;
	int64_t least = q->queue->born_ms + after_ms / 4;

	return q->is_recovered && at < least ? least : at;
}

int64_t queued_expires_at(const struct queued *q)
{
	return life_event(q, q->queue->conf.expire_ms);
}

int64_t queued_warns_at(const struct queued *q)
{
	if (q->is_warned || q->queue->conf.warn_ms == 0)
		return INT64_MAX;
	return life_event(q, q->queue->conf.warn_ms);
}

int64_t queued_due_at(const struct queued *q, int64_t life_floor)
{
	int64_t expires = queued_expires_at(q), warns = queued_warns_at(q);
	int64_t life = warns < expires ? warns : expires;

	life = life > life_floor ? life : life_floor;
	return q->state == QUEUED_PAUSED && q->next_at < life ? q->next_at : life;
}

bool queued_has_expired(const struct queued *q)
{
	return now_of(q) >= q->born_ms + q->queue->conf.expire_ms;
}

/* Only the time changes, not the place in line. */
static void rearm(struct queued *q)
{
	heap_remove(&q->queue->due, &q->due);
	heap_insert(&q->queue->due, &q->due, queued_due_at(q, now_of(q) + 1));
}

static char *words_of_nobody(const struct queued *q)
{
	struct buf reasons = { 0 };
	char *text;

	if (q->is_held)
		buf_put_text(&reasons, "It was held by the administrator");
	else
		queue_reasons(q->queue, &reasons);
	if (reasons.len == 0)
		buf_put_text(&reasons, "Its turn to be sent did not come in that time");
	text = queued_text(buf_span(&reasons));
	buf_fini(&reasons);
	return text;
}

/* RFC 3463 3.5: X.4.7, delivery time expired. */
static void fail_late(struct queued *q, size_t place)
{
	struct recipient_status *s = &q->work->delivery.recipients[place];

	if (s->code == 0 && s->text == NULL) {
		s->text = words_of_nobody(q);
		s->status = (struct smtp_status){ 4, 4, 7 };
	}
	queued_mark_failed(q, place);
}

/* RFC 3463 has no word for an administrator's decision: 5.0.0 says no more than that it is final. */
static void fail_by_hand(struct queued *q, size_t place)
{
	struct recipient_status *s = &q->work->delivery.recipients[place];

	free(s->text);
	free(s->smarthost);
	s->code = 0;
	s->status = (struct smtp_status){ 5, 0, 0 };
	s->text = mem_text("Given up by the administrator");
	s->smarthost = NULL;
	queued_mark_failed(q, place);
}

static void fail_waiting(struct queued *q, void (*fail)(struct queued *q, size_t place))
{
	for (size_t i = 0; i < q->recipient_count; i++)
		if (q->work->delivery.recipients[i].state == RECIPIENT_WAITING)
			fail(q, i);
}

static bool has_failed(const struct queued_work *w)
{
	for (size_t i = 0; i < w->delivery.recipient_count; i++)
		if (w->delivery.recipients[i].state == RECIPIENT_FAILED &&
		    w->delivery.recipients[i].is_owed)
			return true;
	return false;
}

void queued_expire(struct queued *q)
{
	struct queued_work *w = queued_open(q);

	w->is_expired = !has_failed(w);
	fail_waiting(q, fail_late);
}

void queued_give_up(struct queued *q)
{
	queued_open(q);
	fail_waiting(q, fail_by_hand);
}

static bool *who_wants_warning(struct queued *q)
{
	struct queued_work *w = queued_open(q);
	bool *places = NULL;

	for (size_t i = 0; i < q->recipient_count; i++) {
		if (w->delivery.recipients[i].state != RECIPIENT_WAITING ||
		    !notice_is_wanted(&w->envelope, i, MAIL_DSN_DELAYED))
			continue;
		if (places == NULL)
			places = mem_array(q->recipient_count, sizeof(bool));
		places[i] = true;
	}
	return places;
}

static void warn(struct queued *q)
{
	bool *places = who_wants_warning(q);

	if (places) {
		q->work->delayed = places;
		queued_lift(q, QUEUED_REPORTING);
		queued_report(q);
		return;
	}
	q->is_warned = true; /* nothing that a restart could not find out again */
	queued_close(q);
	rearm(q);
}

static void come_to_life_event(struct queued *q)
{
	int64_t now = now_of(q);

	if (now >= queued_expires_at(q)) {
		queued_lift(q, QUEUED_REPORTING);
		queued_expire(q);
		queued_report(q);
	} else if (now >= queued_warns_at(q)) {
		warn(q);
	} else {
		rearm(q);
	}
}

void queued_come_due(struct queued *q)
{
	switch ((enum queued_state)q->state) {
	case QUEUED_OWING:
		queued_lift(q, QUEUED_REPORTING);
		queued_report(q);
		break;
	case QUEUED_PAUSED:
		if (q->next_at <= now_of(q))
			queued_place(q, false, 0);
		else
			come_to_life_event(q);
		break;
	case QUEUED_LINE:
	case QUEUED_HELD:
		come_to_life_event(q);
		break;
	case QUEUED_ACTIVE:
	case QUEUED_REPORTING:
		break;
	}
}

/* In order of arrival, which is nearly that of their times: each finds its place at once. */
void queue_rearm(struct queue *queue)
{
	list_each (&queue->messages, node) {
		struct queued *q = list_entry(node, struct queued, all);

		if (!heap_holds(&q->due) || q->state == QUEUED_OWING)
			continue;
		heap_remove(&queue->due, &q->due);
		heap_insert(&queue->due, &q->due, queued_due_at(q, 0));
	}
}
