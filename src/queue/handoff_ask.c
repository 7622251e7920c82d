/* queue/handoff_ask.c: recipients, asked of the smarthost while the client waits for each answer.
 *
 * Waiting for a connection costs patience once: after that the recipients get our own yes at once,
 * and the smarthost is tried again with the content.
 */
#include "handoff_inside.h"

/* For a client that lets the connection wait: with its next recipient, or with the content. In all
 * no longer than HOLDS_MS; after that the smarthost is asked no more. */
enum { HOLD_MS = 1000, HOLDS_MS = 3000 };

static bool may_ask(const struct handoff *h)
{
	return handoff_is_hybrid(h) && !h->asks_no_more && !h->queue->is_ending;
}

static void count_hold(struct handoff *h)
{
	if (h->is_holding)
		h->held_ms += loop_now_ms(h->queue->conf.loop) - h->held_since_ms;
	h->is_holding = false;
}

static void hold(struct handoff *h)
{
	struct loop *loop = h->queue->conf.loop;
	int64_t left = h->held_ms < HOLDS_MS ? HOLDS_MS - h->held_ms : 0;

	h->is_holding = true;
	h->held_since_ms = loop_now_ms(loop);
	timer_set(loop, &h->timer, left < HOLD_MS ? left : HOLD_MS);
}

void ask_mind_time(struct handoff *h)
{
	struct loop *loop = h->queue->conf.loop;

	if (h->state != HANDOFF_OPEN)
		return;
	count_hold(h);
	if (h->pass && h->unanswered)
		timer_set(loop, &h->timer, h->conf.patience_ms);
	else if (h->pass)
		hold(h);
	else
		timer_clear(loop, &h->timer);
}

/* One account has no more than a few connections that wait for its clients, however many of these there
 * are: their recipients get our own yes, and the smarthost's word comes with the content. */
static void ask_anew(struct handoff *h, size_t i)
{
	bool is_second;
	struct queued_line *ask = queue_line_ask(h->queue, h->account, &is_second);

	if (ask == NULL) {
		place_answer(h, i, NULL);
		return;
	}
	h->pass = pass_new(h, true);
	h->pass->ask = ask;
	h->pass->job.is_second = is_second;
	pass_add_all(h->pass);
	relay_send(h->queue->conf.relay, &h->pass->job);
}

void ask_recipient(struct handoff *h, size_t i)
{
	if (!may_ask(h)) {
		place_answer(h, i, NULL);
		return;
	}
	if (h->pass) {
		pass_add(h->pass, i);
		relay_grow(&h->pass->job);
	} else {
		ask_anew(h, i);
	}
	ask_mind_time(h);
}

/* When it refused each of them it may be asked for more; after anything else there is no use. One who
 * came when it was over already has no verdict. */
void ask_is_over(struct handoff *h, const struct pass *asked)
{
	for (size_t i = 0; i < asked->count; i++) {
		const struct place *p = &h->places[asked->places[i]];

		if (p->state == PLACE_WAITING)
			place_answer(h, asked->places[i], NULL);
		if (p->heard && p->heard->outcome == RELAY_REFUSED)
			continue;
		h->asks_no_more = true;
		if (p->heard && p->heard->is_untried && !asked->is_alive)
			h->is_vain = true;
	}
	ask_mind_time(h);
}

void ask_out_of_time(struct handoff *h)
{
	count_hold(h);
	if (h->unanswered) {
		h->asks_no_more = true;
		h->is_vain = h->pass && !h->pass->is_alive;
	} else if (h->held_ms >= HOLDS_MS) {
		h->asks_no_more = true;
	}
	pass_give_back(h);
	place_answer_rest(h);
}
