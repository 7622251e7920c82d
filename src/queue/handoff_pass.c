/* queue/handoff_pass.c: one job of the relay's, and what comes back from it. */
#include "handoff_inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

static void on_accepted(struct relay_job *job, size_t index, const struct smtp_reply *reply);
static void on_recipient(struct relay_job *job, size_t index, const struct relay_verdict *verdict);
static void on_done(struct relay_job *job);

static void on_more(void *user)
{
	struct pass *p = user;

	relay_more(&p->job);
}

struct pass *pass_new(struct handoff *h, bool is_open)
{
	struct pass *p = mem_new(struct pass);

	p->handoff = h;
	p->recipients = p->few_recipients;
	p->params = p->few_params;
	p->places = p->few_places;
	p->room = PASS_FEW;
	p->job.qid = h->qid;
	p->job.source = &p->content.source;
	p->job.is_urgent = true;
	p->job.is_open = is_open;
	p->job.accepted = on_accepted;
	p->job.recipient = on_recipient;
	p->job.done = on_done;
	p->job.message.sender = span_text(h->sender);
	p->job.message.ret = h->conf.ret;
	p->job.message.envid = span_text(h->envid);
	p->job.message.may_be_8bit = is_open;
	p->job.message.form = h->conf.is_binary ? SMTP_FORM_BINARY : 0;
	p->job.message.is_utf8 = h->conf.is_utf8;
	p->job.message.require_tls = h->conf.require_tls;
	return p;
}

static bool has_few(const struct pass *p)
{
	return p->recipients == p->few_recipients;
}

static void pass_free(struct pass **pass)
{
	struct pass *p = *pass;

	*pass = NULL;
	queued_line_end_ask(p->handoff->queue, &p->ask);
	queued_content_fini(&p->content);
	if (!has_few(p)) {
		free(p->recipients);
		free(p->params);
		free(p->places);
	}
	free(p);
}

static void *more_of(void *at, bool is_few, size_t used, size_t needed)
{
	void *more = mem_resize(is_few ? NULL : at, needed);

	if (is_few)
		memcpy(more, at, used);
	return more;
}

static void grow(struct pass *p)
{
	bool is_few = has_few(p);
	size_t n = p->room;

	p->room *= 2;
	p->recipients = more_of(p->recipients, is_few, n * sizeof(*p->recipients),
				p->room * sizeof(*p->recipients));
	p->params =
		more_of(p->params, is_few, n * sizeof(*p->params), p->room * sizeof(*p->params));
	p->places =
		more_of(p->places, is_few, n * sizeof(*p->places), p->room * sizeof(*p->places));
}

void pass_add(struct pass *p, size_t place)
{
	const struct place *to = &p->handoff->places[place];

	if (p->count == p->room)
		grow(p);
	p->recipients[p->count] = span_text(to->address);
	p->params[p->count] = (struct smtp_rcpt_params){ to->notify, span_text(to->orcpt) };
	p->places[p->count++] = place;
	p->job.message.recipients = p->recipients;
	p->job.message.params = p->params;
	p->job.message.recipient_count = p->count;
}

/* What was said of them before is void: the new pass speaks for all. */
void pass_add_all(struct pass *p)
{
	struct handoff *h = p->handoff;

	for (size_t i = handoff_first_in(h); i < h->place_count; i++) {
		if (h->places[i].is_out)
			continue;
		heard_free(&h->places[i].heard);
		pass_add(p, i);
	}
}

void pass_give_back(struct handoff *h)
{
	if (h->pass == NULL)
		return;
	if (relay_cancel(&h->pass->job))
		pass_free(&h->pass);
}

static void set_content(struct handoff *h, struct pass *p)
{
	stow_content(h->stow, &p->content, on_more, p);
	p->job.message.size = stow_octets(h->stow);
	p->job.message.form = h->form;
}

void pass_send(struct handoff *h)
{
	struct pass *p = h->pass;

	h->was_passed = true;
	if (p) {
		queued_line_end_ask(h->queue, &p->ask);
		set_content(h, p);
		relay_content(&p->job);
		return;
	}
	p = h->pass = pass_new(h, false);
	pass_add_all(p);
	set_content(h, p);
	relay_send(h->queue->conf.relay, &p->job);
}

/* A pass that shows that it is carried gets all of patience. */
static void show_life(struct pass *p)
{
	struct handoff *h = p->handoff;

	p->is_alive = true;
	if (h->state != HANDOFF_PASSING || !h->is_cautious)
		return;
	h->is_cautious = false;
	timer_set(h->queue->conf.loop, &h->timer, h->conf.patience_ms);
}

static void on_accepted(struct relay_job *job, size_t index, const struct smtp_reply *reply)
{
	struct pass *p = list_entry(job, struct pass, job);
	struct handoff *h = p->handoff;
	struct relay_verdict yes = { .outcome = RELAY_DELIVERED, .reply = *reply };
	size_t i = p->places[index];

	show_life(p);
	if (h->places[i].state == PLACE_WAITING) {
		place_answer(h, i, heard_new(&yes));
		ask_mind_time(h);
	}
}

static void on_recipient(struct relay_job *job, size_t index, const struct relay_verdict *verdict)
{
	struct pass *p = list_entry(job, struct pass, job);
	struct handoff *h = p->handoff;
	struct place *place = &h->places[p->places[index]];

	if (!verdict->is_untried)
		show_life(p);
	if (h->state == HANDOFF_ADOPTED) {
		if (place->is_stored)
			queued_hear(h->queued, place->position, verdict);
		return;
	}
	heard_free(&place->heard);
	place->heard = heard_new(verdict);
	if (place->state == PLACE_WAITING) {
		bool is_refused = verdict->outcome == RELAY_REFUSED;

		place_answer(h, p->places[index], is_refused ? heard_new(verdict) : NULL);
		if (is_refused)
			handoff_tell_refused(h, place);
		ask_mind_time(h);
	}
}

static void adopt_end(struct handoff *h)
{
	int64_t reserved;
	struct buf *memory = stow_hand_over(h->stow, &reserved);

	h->state = HANDOFF_OVER;
	queued_end_attempt(h->queued, memory, reserved);
	h->queued = NULL;
}

static void on_done(struct relay_job *job)
{
	struct pass *p = list_entry(job, struct pass, job);
	struct handoff *h = p->handoff;

	h->pass = NULL;
	if (h->state == HANDOFF_OPEN)
		ask_is_over(h, p);
	pass_free(&p);
	if (h->state == HANDOFF_ADOPTED)
		adopt_end(h);
	handoff_wake(h);
}
