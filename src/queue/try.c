/* queue/try.c: one attempt: the relay's job, and the content on its way. */
#include "content.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

struct queued_try {
	struct relay_job job; /* first */
	struct queued *queued;
	struct queued_content content;
	struct span *recipients; /* those who still wait */
	struct smtp_rcpt_params *params;
	size_t *places; /* where each stands in the envelope */
};

static void on_more(void *user)
{
	struct queued_try *t = user;

	relay_more(&t->job);
}

static void on_recipient(struct relay_job *job, size_t index, const struct relay_verdict *verdict)
{
	struct queued_try *t = list_entry(job, struct queued_try, job);

	queued_hear(t->queued, t->places[index], verdict);
}

static void free_try(struct queued_try **try)
{
	struct queued_try *t = *try;

	queued_content_fini(&t->content);
	free(t->recipients);
	free(t->params);
	free(t->places);
	free(t);
	*try = NULL;
}

static void end_try(struct queued *q)
{
	free_try(&q->work->attempt);
	q->queue->active--;
	queue_wake(q->queue);
}

static void on_done(struct relay_job *job)
{
	struct queued *q = list_entry(job, struct queued_try, job)->queued;

	end_try(q);
	queued_end_attempt(q, NULL, 0);
}

bool queued_take_back(struct queued *q)
{
	struct queued_try *t = q->work ? q->work->attempt : NULL;

	if (t == NULL || !relay_cancel(&t->job))
		return false;
	end_try(q);
	return true;
}

static void choose_recipients(struct queued_try *t, const struct queued *q)
{
	const struct queued_work *w = q->work;
	size_t n = 0;

	t->recipients = mem_array(q->recipient_count, sizeof(struct span));
	t->params = mem_array(q->recipient_count, sizeof(struct smtp_rcpt_params));
	t->places = mem_array(q->recipient_count, sizeof(size_t));
	for (size_t i = 0; i < q->recipient_count; i++) {
		const struct envelope_recipient *r = &w->envelope.recipients[i];

		if (!queued_is_meant(q, i))
			continue;
		t->recipients[n] = span_text(r->address);
		t->params[n].notify = r->notify;
		t->params[n].orcpt = span_text(r->orcpt);
		t->places[n++] = i;
	}
	t->job.message.recipients = t->recipients;
	t->job.message.params = t->params;
	t->job.message.recipient_count = n;
}

static void fill_message(struct smtp_client_message *out, const struct envelope *e)
{
	out->sender = span_text(e->sender);
	out->size = e->size;
	out->form = e->form;
	out->is_utf8 = e->is_utf8;
	out->require_tls = e->require_tls;
	out->ret = e->ret;
	out->envid = span_text(e->envid);
}

/* Or goes on. */
static void begin(struct queued *q)
{
	if (queued_has_rest(q))
		q->work->was_asked = false;
	else
		queued_forget_attempt(q);
}

void queued_attempt(struct queued *q)
{
	struct queued_try *t = mem_new(struct queued_try);
	struct queued_work *w = queued_open(q);

	require(w->attempt == NULL);
	begin(q);
	queued_lift(q, QUEUED_ACTIVE);
	w->attempt = t;
	q->queue->active++;
	t->queued = q;
	queued_content_init(&t->content, q, on_more, t);
	fill_message(&t->job.message, &w->envelope);
	choose_recipients(t, q);
	t->job.qid = q->qid;
	t->job.source = &t->content.source;
	t->job.recipient = on_recipient;
	t->job.done = on_done;
	relay_send(q->queue->conf.relay, &t->job);
}
