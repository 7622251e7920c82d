/* queue/report.c: the notices that a message's fate calls for, one after the other, and then the
 * record of it.
 *
 * A notice is committed before its original is settled or noted: a crash between the two costs a
 * second notice, never the only one. Where more than that goes on meanwhile, another notice or the wait
 * for a spool that took none, what is known so far is noted first: who has the message, who failed, and
 * of whom the sender is still to be told.
 */
#include "notice.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

enum {
	AGAIN_FIRST_MS =
		1000, /* until a notice is tried again; twice that after each time in vain */
	AGAIN_MOST_MS = 5 * 60 * 1000,
	WARN_AGAIN_MS = 60 * 1000,
};

static void next_notice(struct queued *q);

static void end_report(struct queued *q)
{
	q->queue->reporting--;
	queue_wake(q->queue);
}

bool queued_owes(const struct delivery *d)
{
	for (size_t i = 0; i < d->recipient_count; i++)
		if (d->recipients[i].is_owed)
			return true;
	return false;
}

void queued_note_news(struct queued *q)
{
	if (q->work->is_news)
		queued_note(q, false, NULL);
	q->work->is_news = false;
}

/* A warning that could not be stored leaves the message where it was. */
static void put_off_warning(struct queued *q)
{
	struct queue *queue = q->queue;
	uint64_t qid = q->qid;
	struct list orders;

	queued_take_orders(q, &orders);
	queued_forget_attempt(q);
	queued_close(q);
	queued_place(q, true, loop_now_ms(queue->conf.loop) + WARN_AGAIN_MS);
	queue_act_all(queue, qid, &orders);
}

static int64_t next_pause(struct queued_work *w)
{
	int64_t pause = AGAIN_FIRST_MS;

	for (unsigned i = 0; i < w->put_offs && pause < AGAIN_MOST_MS; i++)
		pause *= 2;
	w->put_offs++;
	return pause < AGAIN_MOST_MS ? pause : AGAIN_MOST_MS;
}

static void tell_put_off(struct queued *q, int status, const struct fault *fault)
{
	struct queued_work *w = q->work;

	/* Called off by our own end: the next start makes it. */
	if (status != -ECANCELED)
		queue_tell_trouble(q->queue, "unreported", q->qid, fault);
	if (w->closing)
		queue_order_end(q->queue, w->closing, q->queue->is_ending ? -ESHUTDOWN : status);
	w->closing = NULL;
}

/* The spool took no notice now: the message stays as it is, and the notice is tried again. */
static void put_off(struct queued *q, int status, const struct fault *fault)
{
	tell_put_off(q, status, fault);
	end_report(q);
	queued_forget_content(q);
	queued_note_news(q);
	if (q->queue->is_ending)
		queued_free(&q);
	else if (queued_owes(&q->work->delivery))
		queued_owe(q, next_pause(q->work));
	else
		put_off_warning(q);
}

static bool is_over(struct queued *q, int status, const struct fault *fault)
{
	if (q->is_removed) {
		end_report(q);
		queued_free(&q);
		return true;
	}
	if (status)
		put_off(q, status, fault);
	return status != 0;
}

/* Of those whose fate is that one. */
static void has_told(struct queued *q, enum recipient_state state)
{
	struct queued_work *w = q->work;

	for (size_t i = 0; i < q->recipient_count; i++)
		if (w->delivery.recipients[i].state == state)
			w->delivery.recipients[i].is_owed = false;
	w->is_news = true;
	w->put_offs = 0;
	if (queued_owes(&w->delivery))
		queued_note_news(q);
	next_notice(q);
}

static void on_failure_told(struct queued *q, int status, const struct fault *fault,
			    uint64_t notice)
{
	if (is_over(q, status, fault))
		return;
	counter_add(&q->queue->conf.counters->bounces_made, 1);
	queued_tell_notice(q, "bounced", notice);
	has_told(q, RECIPIENT_FAILED);
}

static void on_success_told(struct queued *q, int status, const struct fault *fault,
			    uint64_t notice)
{
	if (is_over(q, status, fault))
		return;
	counter_add(&q->queue->conf.counters->successes_made, 1);
	queued_tell_notice(q, "relayed-notice", notice);
	has_told(q, RECIPIENT_DELIVERED);
}

static void on_warned(struct queued *q, int status, const struct fault *fault, uint64_t notice)
{
	struct queued_work *w = q->work;

	if (is_over(q, status, fault))
		return;
	counter_add(&q->queue->conf.counters->warnings_made, 1);
	queued_tell_notice(q, "warned", notice);
	q->is_warned = true;
	w->is_news = true;
	free(w->delayed);
	w->delayed = NULL;
	next_notice(q);
}

/* NULL: no smarthost of now has that label. */
static char *host_of(const struct queue *queue, const char *label)
{
	struct relay_view view;

	for (size_t i = 0; queue_look_at(queue, i, &view); i++)
		if (strcmp(view.name, label) == 0)
			return mem_text(view.host);
	return NULL;
}

/* Host names for those who spoke in an earlier attempt: the label is what was kept. */
static void find_hosts(struct queued *q)
{
	struct queued_work *w = q->work;

	if (w->hosts == NULL)
		w->hosts = mem_array(q->recipient_count, sizeof(char *));
	for (size_t i = 0; i < q->recipient_count; i++) {
		const char *label = w->delivery.recipients[i].smarthost;

		if (label && w->hosts[i] == NULL)
			w->hosts[i] = host_of(q->queue, label);
	}
}

/* Of them all: a notice of failure speaks of those who were refused, or of those whose time ran out and
 * those who were refused before, or of those given up by hand. */
static bool all_are(const struct queued *q, const bool *places,
		    bool (*is_such)(const struct recipient_status *s))
{
	for (size_t i = 0; i < q->recipient_count; i++)
		if (places[i] && !is_such(&q->work->delivery.recipients[i]))
			return false;
	return true;
}

static void start(struct queued *q, enum mail_dsn_action action, const bool *places,
		  void (*done)(struct queued *q, int status, const struct fault *fault,
			       uint64_t notice))
{
	struct notice_conf conf = { .queued = q, .action = action, .places = places, .done = done };

	if (action == MAIL_DSN_FAILED) {
		conf.is_expired = q->work->is_expired || all_are(q, places, queued_ran_out);
		conf.is_by_hand = all_are(q, places, queued_was_given_up);
	}
	find_hosts(q);
	conf.hosts = q->work->hosts;
	notice_start(&conf);
}

/* Those of that fate who are still to be told of, without those whom nobody wants to hear of. NULL: there
 * is none. */
static bool *take_owed(struct queued *q, enum recipient_state state, enum mail_dsn_action action)
{
	struct queued_work *w = q->work;
	bool *places = mem_array(q->recipient_count, sizeof(bool));
	bool is_owed = false, is_wanted = false;

	for (size_t i = 0; i < q->recipient_count; i++) {
		struct recipient_status *s = &w->delivery.recipients[i];

		if (!s->is_owed || s->state != state)
			continue;
		is_owed = true;
		s->is_owed = places[i] = notice_is_wanted(&w->envelope, i, action);
		is_wanted |= places[i];
	}
	if (is_wanted)
		return places;
	if (is_owed && state == RECIPIENT_FAILED)
		queued_tell_discarded(q);
	free(places);
	return NULL;
}

static void next_notice(struct queued *q)
{
	struct queued_work *w = q->work;
	bool *failed = take_owed(q, RECIPIENT_FAILED, MAIL_DSN_FAILED);
	bool *relayed = take_owed(q, RECIPIENT_DELIVERED, MAIL_DSN_RELAYED);

	if (failed) {
		start(q, MAIL_DSN_FAILED, failed, on_failure_told);
	} else if (relayed) {
		start(q, MAIL_DSN_RELAYED, relayed, on_success_told);
	} else if (w->delayed) {
		start(q, MAIL_DSN_DELAYED, w->delayed, on_warned);
	} else {
		end_report(q);
		queued_write_down(q);
	}
	free(failed);
	free(relayed);
}

/* A message that is REPORTING has a notice under way, which always ends. */
void queued_report(struct queued *q)
{
	q->queue->reporting++;
	next_notice(q);
}
