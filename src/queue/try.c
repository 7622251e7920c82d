/* queue/try.c: one attempt: the relay's job, its verdicts, and what they come to. */
#include "content.h"
#include "pause.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

struct queued_try {
	struct relay_job job; /* first */
	struct queued *queued;
	struct queued_content content;
	struct span *recipients; /* those who still wait */
	size_t *places;		 /* where each stands in the envelope */
	bool is_news;		 /* somebody's fate was decided */
	bool was_asked;		 /* a smarthost said something */
};

static void on_more(void *user)
{
	struct queued_try *t = user;

	relay_more(&t->job);
}

static void remember(struct queued *q, size_t place, const struct relay_verdict *v)
{
	struct recipient_status *s = &q->delivery.recipients[place];
	struct span words = v->reason ? span_text(v->reason) : v->reply.text;

	free(s->text);
	free(s->smarthost);
	s->code = v->reply.code;
	s->status = v->reply.status;
	s->text = queued_text(words);
	s->smarthost = v->smarthost ? mem_text(v->smarthost) : NULL;
	q->hosts[place] = v->host ? mem_text(v->host) : NULL;
}

static void mark_failed(struct queued *q, size_t place)
{
	q->delivery.recipients[place].state = RECIPIENT_FAILED;
	if (q->unreported == NULL)
		q->unreported = mem_array(q->delivery.recipient_count, sizeof(bool));
	q->unreported[place] = true;
	counter_add(&q->queue->conf.counters->recipients_failed, 1);
	queued_tell_failed(q, place);
}

static void on_recipient(struct relay_job *job, size_t index, const struct relay_verdict *verdict)
{
	struct queued_try *t = list_entry(job, struct queued_try, job);
	struct queued *q = t->queued;
	size_t place = t->places[index];
	struct recipient_status *s = &q->delivery.recipients[place];

	remember(q, place, verdict);
	if (verdict->reply.code)
		t->was_asked = true;
	switch (verdict->outcome) {
	case RELAY_DELIVERED:
		s->state = RECIPIENT_DELIVERED;
		t->is_news = true;
		counter_add(&q->queue->conf.counters->recipients_delivered, 1);
		queued_tell_delivered(q, place);
		break;
	case RELAY_REFUSED:
		t->is_news = true;
		q->has_expired = false;
		mark_failed(q, place);
		break;
	case RELAY_DEFERRED:
		break;
	}
}

static void expire(struct queued *q)
{
	for (size_t i = 0; i < q->delivery.recipient_count; i++) {
		if (q->delivery.recipients[i].state != RECIPIENT_WAITING)
			continue;
		mark_failed(q, i);
	}
}

/* The last attempt is made when the time runs out, not some hours before. */
static int64_t next_pause(const struct queued *q)
{
	const struct queue_conf *conf = &q->queue->conf;
	int64_t pause = queue_pause(q->delivery.attempts, conf->retry_first_ms, conf->retry_most_ms,
				    queue_random(q->queue));
	int64_t left = q->born_ms + conf->expire_ms - loop_now_ms(conf->loop);

	return left > 0 && left < pause ? left : pause;
}

static void defer(struct queued *q)
{
	q->pause_ms = next_pause(q);
	q->delivery.next_ms = q->delivery.last_ms + q->pause_ms;
	for (size_t i = 0; i < q->delivery.recipient_count; i++) {
		if (q->delivery.recipients[i].state != RECIPIENT_WAITING)
			continue;
		counter_add(&q->queue->conf.counters->recipients_deferred, 1);
		queued_tell_deferred(q, i);
	}
}

static void judge(struct queued *q, bool is_news)
{
	q->delivery.attempts++;
	q->delivery.last_ms = wall_now_ms();
	q->delivery.next_ms = 0;
	if (!queued_is_final(q) && queued_has_expired(q)) {
		q->has_expired = q->unreported == NULL;
		expire(q);
	}
	if (!queued_is_final(q))
		defer(q);
	if (q->unreported)
		queued_report(q);
	else
		queued_write_down(q, is_news);
}

static void free_try(struct queued_try **try)
{
	struct queued_try *t = *try;

	queued_content_fini(&t->content);
	free(t->recipients);
	free(t->places);
	free(t);
	*try = NULL;
}

static void on_done(struct relay_job *job)
{
	struct queued_try *t = list_entry(job, struct queued_try, job);
	struct queued *q = t->queued;
	struct queue *queue = q->queue;
	bool is_news = t->is_news, was_asked = t->was_asked;

	free_try(&q->attempt);
	queue->active--;
	queue_wake(queue);
	/* Cut short by our own stop: it was no attempt, and is made again after the start. */
	if (queue->is_ending && !is_news && !was_asked)
		queued_free(&q);
	else
		judge(q, is_news);
}

static void choose_recipients(struct queued_try *t, const struct queued *q)
{
	size_t n = 0;

	t->recipients = mem_array(q->delivery.recipient_count, sizeof(struct span));
	t->places = mem_array(q->delivery.recipient_count, sizeof(size_t));
	for (size_t i = 0; i < q->delivery.recipient_count; i++) {
		if (q->delivery.recipients[i].state != RECIPIENT_WAITING)
			continue;
		t->recipients[n] = span_text(q->envelope.recipients[i]);
		t->places[n++] = i;
	}
	t->job.message.recipients = t->recipients;
	t->job.message.recipient_count = n;
}

void queued_attempt(struct queued *q)
{
	struct queued_try *t = mem_new(struct queued_try);

	require(q->attempt == NULL);
	queued_forget_attempt(q);
	q->hosts = mem_array(q->delivery.recipient_count, sizeof(char *));
	q->attempt = t;
	q->state = QUEUED_ACTIVE;
	q->queue->active++;
	t->queued = q;
	queued_content_init(&t->content, q, on_more, t);
	choose_recipients(t, q);
	t->job.qid = q->envelope.qid;
	t->job.message.sender = span_text(q->envelope.sender);
	t->job.message.size = q->envelope.size;
	t->job.message.has_8bit = q->envelope.has_8bit;
	t->job.source = &t->content.source;
	t->job.recipient = on_recipient;
	t->job.done = on_done;
	relay_send(q->queue->conf.relay, &t->job);
}
