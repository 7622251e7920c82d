/* queue/handoff_end.c: all is here: to the smarthost within patience, or to the spool. */
#include "handoff_inside.h"

#include "base/mem.h"

/* A connection that did not come within patience before is not waited for so long again. */
enum { AGAIN_MS = 200 };

static void tell_end(struct handoff *h, const struct handoff_end *end)
{
	if (!h->is_dropped)
		h->conf.done(h->conf.user, end);
}

/* Ends without the queue; what the spool has of the content is given up. */
static void end(struct handoff *h, const struct handoff_end *how)
{
	h->state = HANDOFF_OVER;
	timer_clear(h->queue->conf.loop, &h->timer);
	stow_free(&h->stow);
	tell_end(h, how);
}

/* The place whose words stand for all. */
static const struct place *last_in(const struct handoff *h)
{
	const struct place *p = NULL;

	for (size_t i = 0; i < h->place_count; i++)
		if (!h->places[i].is_out)
			p = &h->places[i];
	return p;
}

static void end_with_reply(struct handoff *h, enum handoff_outcome outcome)
{
	const struct place *p = last_in(h);
	struct relay_verdict verdict = heard_verdict(p->heard);

	end(h, &(struct handoff_end){
		       .outcome = outcome, .reply = &verdict.reply, .host = p->heard->host });
}

/* Those who have it and of whom the queue will not speak. */
static size_t tell_delivered(const struct handoff *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->place_count; i++) {
		const struct place *p = &h->places[i];

		if (p->is_out || p->is_stored || !place_is_delivered(p))
			continue;
		handoff_tell_delivered(h, p);
		n++;
	}
	counter_add(&h->queue->conf.counters->recipients_delivered, n);
	return n;
}

static void end_passed(struct handoff *h)
{
	counter_add(&h->queue->conf.counters->messages_passed, 1);
	end_with_reply(h, HANDOFF_PASSED);
	for (size_t i = 0; i < h->place_count; i++)
		h->places[i].is_stored = false;
	tell_delivered(h);
	queue_tell_settled(h->queue, h->qid);
}

static void end_refused(struct handoff *h)
{
	for (size_t i = 0; i < h->place_count; i++)
		if (!h->places[i].is_out)
			handoff_tell_refused(h, &h->places[i]);
	end_with_reply(h, HANDOFF_REFUSED);
}

static void end_failed(struct handoff *h)
{
	for (size_t i = 0; i < h->place_count; i++)
		h->places[i].is_stored = false;
	end(h, &(struct handoff_end){ .outcome = HANDOFF_FAILED,
				      .status = h->commit_status,
				      .fault = h->commit_fault });
	if (tell_delivered(h))
		handoff_tell_repeat(h);
}

/* The commit */

static void add_stored(struct handoff *h, struct envelope *e)
{
	for (size_t i = 0; i < h->place_count; i++) {
		struct place *p = &h->places[i];
		struct smtp_rcpt_params params = { p->notify, span_text(p->orcpt) };

		p->is_stored = !p->is_out && (!place_is_delivered(p) || place_needs_notice(h, p));
		if (!p->is_stored)
			continue;
		p->position = e->recipient_count;
		envelope_add_recipient(e, span_text(p->address), &params);
	}
}

static void commit(struct handoff *h)
{
	struct envelope e = { .sid = h->conf.sid,
			      .account = mem_text(h->account),
			      .sender = mem_text(h->sender),
			      .envid = mem_text(h->envid),
			      .ret = h->conf.ret,
			      .arrived_ms = h->arrived_ms,
			      .header_octets = h->header_octets,
			      .form = h->form,
			      .is_utf8 = h->conf.is_utf8,
			      .require_tls = h->conf.require_tls,
			      .release_ms = h->conf.release_ms };

	h->state = HANDOFF_COMMITTING;
	timer_clear(h->queue->conf.loop, &h->timer);
	add_stored(h, &e);
	stow_commit(h->stow, &e);
}

/* In the queue, with what is known of it already. */
static void queue_as_heard(struct handoff *h)
{
	struct queued *q = queue_add_active(h->queue, stow_envelope(h->stow));
	struct buf *memory;
	int64_t reserved;

	for (size_t i = 0; i < h->place_count; i++) {
		const struct place *p = &h->places[i];
		struct relay_verdict verdict;

		if (!p->is_stored || p->heard == NULL)
			continue;
		verdict = heard_verdict(p->heard);
		queued_hear(q, p->position, &verdict);
	}
	if (h->pass) {
		counter_add(&h->queue->conf.counters->messages_handed_over, 1);
		h->queued = q;
		h->state = HANDOFF_ADOPTED;
		return;
	}
	h->state = HANDOFF_OVER;
	memory = stow_hand_over(h->stow, &reserved);
	queued_end_attempt(q, memory, reserved);
}

static void queue_untried(struct handoff *h)
{
	int64_t reserved;
	struct buf *memory = stow_hand_over(h->stow, &reserved);

	h->state = HANDOFF_OVER;
	queue_add(h->queue, stow_envelope(h->stow), memory, reserved);
}

void end_on_committed(void *user, int status, const struct fault *fault)
{
	struct handoff *h = user;
	struct tally t;

	if (status) {
		h->commit_status = status;
		h->commit_fault = mem_new(struct fault);
		*h->commit_fault = *fault;
		h->state = HANDOFF_ALONE;
		handoff_wake(h);
		return;
	}
	tell_end(h, &(struct handoff_end){ .outcome = HANDOFF_STORED });
	tell_delivered(h);
	t = handoff_tally(h);
	if (h->pass || (t.heard && t.judged == t.in))
		queue_as_heard(h);
	else
		queue_untried(h);
	handoff_wake(h);
}

/* The pass */

void end_judge(struct handoff *h)
{
	struct tally t;

	if (h->pass ||
	    !(h->state == HANDOFF_ALONE || (h->state == HANDOFF_PASSING && h->was_passed)))
		return;
	t = handoff_tally(h);
	if (t.delivered == t.in && (t.noticed == 0 || h->state == HANDOFF_ALONE))
		end_passed(h);
	else if (t.refused == t.in)
		end_refused(h);
	else if (h->state == HANDOFF_ALONE)
		end_failed(h);
	else
		commit(h);
}

/* Nobody is asked again who has heard a smarthost's "later": it would say the same. Those who were too
 * many for its transaction go with the next, which is the queue's. */
static bool is_decided(const struct handoff *h)
{
	struct tally t = handoff_tally(h);

	return t.answered > 0 && t.answered + t.untried == t.in;
}

static void offer(struct handoff *h)
{
	h->is_cautious = h->is_vain;
	timer_set(h->queue->conf.loop, &h->timer, h->is_vain ? AGAIN_MS : h->conf.patience_ms);
	pass_send(h);
}

void end_begin(struct handoff *h)
{
	bool is_written = stow_seal(h->stow);

	h->state = HANDOFF_PASSING;
	if (!handoff_is_hybrid(h) || h->queue->is_ending || stow_status(h->stow)) {
		pass_give_back(h);
		commit(h);
	} else if (is_decided(h)) {
		pass_give_back(h);
		h->was_passed = true;
		handoff_wake(h);
	} else if (is_written) {
		offer(h);
	} else {
		timer_set(h->queue->conf.loop, &h->timer, h->conf.patience_ms);
	}
}

void end_on_written(void *user)
{
	struct handoff *h = user;

	if (stow_status(h->stow) || h->queue->is_ending)
		commit(h);
	else
		offer(h);
}

/* Everybody's fate may be known by now, and be judged with the next turn. Otherwise a pass that still
 * waits for a connection comes back, and to the queue as any other; one that is being carried goes on,
 * for it may succeed. */
void end_out_of_time(struct handoff *h)
{
	struct tally t = handoff_tally(h);

	if (h->was_passed && t.judged == t.in)
		return;
	pass_give_back(h);
	commit(h);
}
