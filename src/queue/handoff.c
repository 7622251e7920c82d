/* queue/handoff.c: a hand-off's life, and the way from its events to its user. */
#include "handoff_inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

static void on_room(void *user)
{
	struct handoff *h = user;

	if (h->conf.room && !h->is_dropped)
		h->conf.room(h->conf.user);
}

static struct smtp_reply reply_of(const struct heard *heard)
{
	return (struct smtp_reply){ .code = heard->code,
				    .status = heard->status,
				    .text = span_text(heard->words) };
}

static void tell_answer(struct handoff *h, size_t i)
{
	struct heard *answer = h->places[i].answer;

	h->places[i].state = PLACE_TOLD;
	h->places[i].answer = NULL;
	if (answer) {
		struct smtp_reply reply = reply_of(answer);

		h->conf.recipient(h->conf.user, i, &reply, answer->host);
	} else {
		h->conf.recipient(h->conf.user, i, NULL, NULL);
	}
	heard_free(&answer);
}

/* In the order in which they came. What is told may bring new recipients, or the end. */
static void tell_answers(struct handoff *h)
{
	while (h->told_count < h->answered_count && !h->is_dropped)
		tell_answer(h, h->answered[h->told_count++]);
}

static void run_turn(struct work *work)
{
	struct handoff *h = work_entry(work, struct handoff, turn);

	h->is_turn_posted = false;
	h->is_turning = true;
	tell_answers(h);
	end_judge(h);
	h->is_turning = false;
	handoff_release(h);
}

void handoff_wake(struct handoff *h)
{
	if (h->is_turn_posted)
		return;
	h->is_turn_posted = true;
	loop_post(h->queue->conf.loop, &h->turn);
}

static void on_timer(struct timer *timer)
{
	struct handoff *h = timer_entry(timer, struct handoff, timer);

	if (h->state == HANDOFF_OPEN)
		ask_out_of_time(h);
	else
		end_out_of_time(h);
}

static int64_t release_of(const struct handoff_conf *conf)
{
	if (conf->release_ms < 0)
		return 0;
	return conf->release_ms < ENVELOPE_RELEASE_MOST_MS ? conf->release_ms
							   : ENVELOPE_RELEASE_MOST_MS;
}

/* A copy at *end, which goes on behind it. */
static const char *put_text(char **end, struct span text)
{
	char *at = *end;

	if (text.len)
		memcpy(at, text.at, text.len);
	*end = at + text.len + 1;
	return at;
}

static struct handoff *new_with_texts(const struct handoff_conf *conf)
{
	struct span account = span_text(conf->account);
	struct handoff *h = mem_alloc(sizeof(*h) + account.len + 1 + conf->sender.len + 1 +
				      conf->envid.len + 1);
	char *end = h->text;

	h->account = put_text(&end, account);
	h->sender = put_text(&end, conf->sender);
	h->envid = put_text(&end, conf->envid);
	return h;
}

struct handoff *handoff_new(const struct handoff_conf *conf)
{
	struct handoff *h = new_with_texts(conf);

	h->conf = *conf;
	h->queue = conf->queue;
	h->conf.release_ms = release_of(conf);
	h->places = h->few_places;
	h->answered = h->few_answered;
	h->place_room = PLACES_FEW;
	h->turn.run = run_turn;
	h->timer.fire = on_timer;
	h->stow = stow_new(&(struct stow_conf){ .queue = conf->queue,
						.size_told = conf->size_told,
						.room = on_room,
						.written = end_on_written,
						.committed = end_on_committed,
						.user = h });
	h->qid = stow_qid(h->stow);
	queue_pend(h->queue);
	return h;
}

bool handoff_is_hybrid(const struct handoff *h)
{
	return h->conf.is_hybrid && h->conf.release_ms == 0;
}

uint64_t handoff_qid(const struct handoff *h)
{
	return h->qid;
}

void handoff_recipient(struct handoff *h, struct span mailbox,
		       const struct smtp_rcpt_params *params)
{
	require(h->state == HANDOFF_OPEN && !h->has_begun);
	ask_recipient(h, place_add(h, mailbox, params));
}

void handoff_begin(struct handoff *h)
{
	require(h->state == HANDOFF_OPEN && h->told_count == h->place_count &&
		handoff_first_in(h) < h->place_count);
	h->has_begun = true;
}

/* A large content takes long to come, and no connection waits for that. */
bool handoff_put(struct handoff *h, struct span content)
{
	bool has_room;

	require(h->state == HANDOFF_OPEN && h->has_begun);
	has_room = stow_put(h->stow, content);
	if (!stow_is_kept(h->stow) && h->pass) {
		pass_give_back(h);
		timer_clear(h->queue->conf.loop, &h->timer);
	}
	return has_room;
}

void handoff_finish(struct handoff *h, int64_t arrived_ms, uint64_t header_octets, unsigned form)
{
	require(h->state == HANDOFF_OPEN && h->has_begun);
	timer_clear(h->queue->conf.loop, &h->timer);
	h->arrived_ms = arrived_ms;
	h->header_octets = header_octets;
	h->form = form;
	end_begin(h);
}

void handoff_release(struct handoff *h)
{
	struct queue *queue = h->queue;

	if (h->state != HANDOFF_OVER || h->is_turn_posted || h->is_turning)
		return;
	require(h->pass == NULL);
	timer_clear(queue->conf.loop, &h->timer);
	stow_free(&h->stow);
	for (size_t i = 0; i < h->place_count; i++)
		place_fini(&h->places[i]);
	if (h->places != h->few_places) {
		free(h->places);
		free(h->answered);
	}
	free(h->commit_fault);
	free(h);
	queue_unpend(queue);
}

void handoff_drop(struct handoff **handoff)
{
	struct handoff *h = *handoff;

	if (h == NULL)
		return;
	*handoff = NULL;
	h->is_dropped = true;
	if (h->state != HANDOFF_OPEN)
		return;
	timer_clear(h->queue->conf.loop, &h->timer);
	pass_give_back(h);
	stow_free(&h->stow);
	h->state = HANDOFF_OVER;
	handoff_release(h);
}
