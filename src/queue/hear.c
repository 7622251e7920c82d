/* queue/hear.c: verdicts, and what an attempt comes to: settled, put off, or a notice. */
#include "notice.h"
#include "pause.h"

#include "base/mem.h"

#include <stdlib.h>

enum { VAIN_MOST = 7 }; /* with the next it counts as an attempt */

static const char *why_of(const struct relay_verdict *v)
{
	return v->reason      ? v->reason
	       : v->smarthost ? "too many recipients for one transaction"
			      : NULL;
}

static void remember(struct queued *q, size_t place, const struct relay_verdict *v)
{
	struct queued_work *w = q->work;
	struct recipient_status *s = &w->delivery.recipients[place];

	if (w->hosts == NULL)
		w->hosts = mem_array(q->recipient_count, sizeof(char *));
	free(w->hosts[place]);
	free(s->text);
	free(s->smarthost);
	s->code = v->reply.code;
	s->status = v->reply.status;
	s->text = queued_text(v->reason ? span_text(v->reason) : v->reply.text);
	s->smarthost = v->smarthost ? mem_text(v->smarthost) : NULL;
	w->hosts[place] = v->host ? mem_text(v->host) : NULL;
}

/* A delivery needs none: the recipient's status says it for good. */
static void add_try(struct queued_work *w, size_t place)
{
	delivery_add_try(&w->delivery, w->heard_ms, &w->delivery.recipients[place]);
}

void queued_mark_failed(struct queued *q, size_t place)
{
	struct recipient_status *s = &q->work->delivery.recipients[place];

	s->state = RECIPIENT_FAILED;
	s->is_owed = true;
	q->work->is_news = true;
	counter_add(&q->queue->conf.counters->recipients_failed, 1);
	queued_tell_failed(q, place);
}

static void hear_delivered(struct queued *q, size_t place, const struct relay_verdict *v)
{
	struct queued_work *w = q->work;
	struct recipient_status *s = &w->delivery.recipients[place];

	w->is_news = true;
	s->state = RECIPIENT_DELIVERED;
	/* RFC 3461 5.2.2: where the next system takes no DSN, we tell that it was relayed. */
	s->is_owed = !v->takes_dsn && notice_is_wanted(&w->envelope, place, MAIL_DSN_RELAYED);
	counter_add(&q->queue->conf.counters->recipients_delivered, 1);
	queued_tell_delivered(q, place);
}

static void begin_to_hear(struct queued_work *w)
{
	w->was_asked = true;
	if (w->heard_ms == 0)
		w->heard_ms = wall_now_ms();
}

void queued_hear(struct queued *q, size_t place, const struct relay_verdict *verdict)
{
	struct queued_work *w = q->work;

	if (verdict->is_untried && q->vain < VAIN_MOST) {
		queued_leave(q, place, why_of(verdict));
		return;
	}
	if (verdict->is_untried)
		queue_stall(q->queue);
	queued_unleave(q, place);
	begin_to_hear(w);
	if (verdict->reply.code)
		w->has_spoken = true;
	remember(q, place, verdict);
	if (verdict->outcome != RELAY_DELIVERED)
		add_try(w, place);
	switch (verdict->outcome) {
	case RELAY_DELIVERED:
		hear_delivered(q, place, verdict);
		break;
	case RELAY_REFUSED:
		queued_mark_failed(q, place);
		break;
	case RELAY_DEFERRED:
		break;
	}
}

/* The last attempt is made when the time runs out, not some hours before. */
static int64_t next_pause(const struct queued *q)
{
	const struct queue_conf *conf = &q->queue->conf;
	int64_t pause = queue_pause(conf->retry_ms, conf->retry_count, q->work->delivery.attempts,
				    queue_random(q->queue));
	int64_t left = q->born_ms + conf->expire_ms - loop_now_ms(conf->loop);

	return left > 0 && left < pause ? left : pause;
}

static void defer(struct queued *q)
{
	struct delivery *d = &q->work->delivery;
	int64_t pause = next_pause(q);

	q->next_at = loop_now_ms(q->queue->conf.loop) + pause;
	d->next_ms = d->last_ms + pause;
	for (size_t i = 0; i < d->recipient_count; i++) {
		if (d->recipients[i].state != RECIPIENT_WAITING)
			continue;
		counter_add(&q->queue->conf.counters->recipients_deferred, 1);
		queued_tell_deferred(q, i, pause);
	}
}

static void judge(struct queued *q)
{
	struct delivery *d = &q->work->delivery;

	q->vain = 0;
	if (queued_has_rest(q)) {
		queued_go_on(q);
		return;
	}
	d->attempts++;
	d->last_ms = wall_now_ms();
	d->next_ms = 0;
	q->is_recovered = false;
	if (!queued_is_final(q)) {
		if (queued_has_expired(q))
			queued_expire(q);
		else
			defer(q);
	}
	q->state = QUEUED_REPORTING;
	queued_report(q);
}

/* It was no attempt: nothing is written, and it is the next of its account again. */
static void go_back(struct queued *q)
{
	struct queue *queue = q->queue;
	uint64_t qid = q->qid;
	struct list orders;

	queued_take_orders(q, &orders);
	if (queue->is_ending) {
		queued_free(&q);
	} else {
		queued_forget_content(q);
		queued_keep_rest(q);
		q->next_at = 0;
		queued_place(q, true, loop_now_ms(queue->conf.loop) + 1);
	}
	queue_act_all(queue, qid, &orders);
}

/* A relay without room has reason to give things back, and is waited for; one that has room and gives
 * the same back over and over is not believed in the end. */
static void count_vain(struct queued *q)
{
	if (q->vain < VAIN_MOST && !q->queue->is_ending && relay_room(q->queue->conf.relay) > 0)
		q->vain++;
}

void queued_end_attempt(struct queued *q, struct buf *memory, int64_t reserved)
{
	struct queued_work *w = q->work;

	if (memory)
		queued_take_content(q, memory, reserved);
	if (q->is_removed) {
		queued_free(&q);
	} else if (!w->was_asked) {
		queued_tell_waiting(q, w->left_why);
		count_vain(q);
		queue_stall(q->queue);
		go_back(q);
	}
	/* Cut short by our own stop: it is made again after the start. */
	else if (q->queue->is_ending && !w->is_news && !w->has_spoken)
		queued_free(&q);
	else
		judge(q);
}

void queued_end_taken_back(struct queued *q)
{
	if (q->work->was_asked)
		judge(q);
	else
		go_back(q);
}
