/* queue/report.c: the notices that a message's fate calls for, one after the other, and then the
 * record of it.
 *
 * A notice is committed before its original is settled or noted: a crash between the two costs a
 * second notice, never the only one.
 */
#include "notice.h"

#include "base/mem.h"

#include <stdlib.h>

static void next_notice(struct queued *q);

static void end_report(struct queued *q)
{
	q->queue->reporting--;
	queue_wake(q->queue);
}

/* A warning that could not be stored leaves the message where it was. */
static void put_off_warning(struct queued *q, int64_t pause)
{
	struct queue *queue = q->queue;
	uint64_t qid = q->qid;
	struct list orders;

	queued_take_orders(q, &orders);
	queued_forget_attempt(q);
	queued_close(q);
	queued_place(q, true, loop_now_ms(queue->conf.loop) + pause);
	queue_act_all(queue, qid, &orders);
}

/* The spool took no notice now: the message stays as it is, and the notice is tried again. */
static void put_off(struct queued *q, int status, const struct fault *fault)
{
	struct queued_work *w = q->work;
	int64_t pause = q->queue->conf.retry_ms[0];

	queue_tell_trouble(q->queue, "unreported", q->qid, fault);
	end_report(q);
	queued_forget_content(q);
	if (w->closing)
		queue_order_end(q->queue, w->closing, status);
	w->closing = NULL;
	if (q->queue->is_ending)
		queued_free(&q);
	else if (w->failed || w->relayed)
		queued_owe(q, pause);
	else
		put_off_warning(q, pause);
}

static void forget(bool **places)
{
	free(*places);
	*places = NULL;
}

/* `counter` and `event` of what is told now, and whom it was about. */
static void has_told(struct queued *q, uint64_t notice, bool **places, const char *event,
		     _Atomic uint64_t *counter)
{
	counter_add(counter, 1);
	queued_tell_notice(q, event, notice);
	forget(places);
	q->work->is_news = true;
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

static void on_failure_told(struct queued *q, int status, const struct fault *fault,
			    uint64_t notice)
{
	if (is_over(q, status, fault))
		return;
	has_told(q, notice, &q->work->failed, "bounced", &q->queue->conf.counters->bounces_made);
	next_notice(q);
}

static void on_success_told(struct queued *q, int status, const struct fault *fault,
			    uint64_t notice)
{
	if (is_over(q, status, fault))
		return;
	has_told(q, notice, &q->work->relayed, "relayed-notice",
		 &q->queue->conf.counters->successes_made);
	next_notice(q);
}

static void on_warned(struct queued *q, int status, const struct fault *fault, uint64_t notice)
{
	if (is_over(q, status, fault))
		return;
	q->is_warned = true;
	has_told(q, notice, &q->work->delayed, "warned", &q->queue->conf.counters->warnings_made);
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

static void start(struct queued *q, enum mail_dsn_action action, const bool *places,
		  void (*done)(struct queued *q, int status, const struct fault *fault,
			       uint64_t notice))
{
	struct notice_conf conf = { .queued = q,
				    .action = action,
				    .places = places,
				    .is_expired = q->work->is_expired,
				    .is_by_hand = q->work->is_by_hand,
				    .done = done };

	find_hosts(q);
	conf.hosts = q->work->hosts;
	notice_start(&conf);
}

/* Leaves those out who do not want to hear it. False: that was all. */
static bool somebody_wants(struct queued *q, bool *places, enum mail_dsn_action action)
{
	bool is_wanted = false;

	for (size_t i = 0; i < q->recipient_count; i++) {
		places[i] = places[i] && notice_is_wanted(&q->work->envelope, i, action);
		is_wanted |= places[i];
	}
	return is_wanted;
}

static void next_notice(struct queued *q)
{
	struct queued_work *w = q->work;

	if (w->failed && !somebody_wants(q, w->failed, MAIL_DSN_FAILED)) {
		queued_tell_discarded(q);
		forget(&w->failed);
		w->is_news = true;
	}
	if (w->failed) {
		start(q, MAIL_DSN_FAILED, w->failed, on_failure_told);
	} else if (w->relayed) {
		start(q, MAIL_DSN_RELAYED, w->relayed, on_success_told);
	} else if (w->delayed) {
		start(q, MAIL_DSN_DELAYED, w->delayed, on_warned);
	} else {
		end_report(q);
		queued_write_down(q);
	}
}

void queued_report(struct queued *q)
{
	q->queue->reporting++;
	next_notice(q);
}
