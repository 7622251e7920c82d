/* queue/act.c: what is asked for by hand. */
#include "inside.h"

#include "base/require.h"

#include <errno.h>
#include <string.h>

static void tell_end(struct work *work)
{
	struct queue_order *order = list_entry(work, struct queue_order, work);
	struct fault fault;

	switch (order->status) {
	case 0:
		order->done(order, 0, NULL);
		return;
	case -ENOENT:
		fault_set(&fault, -ENOENT, "There is no such message in the queue");
		break;
	case -ESHUTDOWN:
		fault_set(&fault, -ESHUTDOWN, "The daemon is stopping");
		break;
	default:
		fault_set(&fault, order->status, "It could not be stored: %s",
			  strerror(-order->status));
		break;
	}
	order->done(order, order->status, &fault);
}

void queue_order_end(struct queue *queue, struct queue_order *order, int status)
{
	order->status = status;
	order->work.run = tell_end;
	loop_post(queue->conf.loop, &order->work);
}

static bool is_busy(const struct queued *q)
{
	return q->state == QUEUED_ACTIVE || q->state == QUEUED_REPORTING ||
	       q->state == QUEUED_OWING;
}

static void set_held(struct queued *q, bool is_held)
{
	q->is_held = is_held;
	if (is_held)
		counter_add(&q->queue->conf.counters->queue_held, 1);
	else
		counter_sub(&q->queue->conf.counters->queue_held, 1);
}

/* A message in line may keep its content, and with it its work. */
static void set_due(struct queued *q)
{
	q->next_at = 0;
	if (q->work)
		q->work->delivery.next_ms = 0;
	else if (q->pack)
		delivery_pack_set_due(q->pack);
}

static void go_now(struct queued *q)
{
	set_due(q);
	q->queue->is_hurried = true;
	if (q->state == QUEUED_LINE)
		queue_wake(q->queue);
	else
		queued_place(q, false, 0);
}

/* It is so already; but who asks again may do so because the spool had no room the first time. */
static void confirm(struct queued *q, struct queue_order *order)
{
	if (queued_is_noted(q))
		queue_order_end(q->queue, order, 0);
	else
		queued_note(q, false, order);
}

static void flush(struct queued *q, struct queue_order *order)
{
	bool is_news = q->state == QUEUED_PAUSED;

	if (q->is_held) {
		queue_order_end(q->queue, order, 0);
		return;
	}
	queue_tell_act(q->queue, "flushed", q->qid);
	queued_end_future(q);
	go_now(q);
	if (is_news)
		queued_note(q, false, order);
	else
		confirm(q, order); /* in line already */
}

/* Between two transactions its sender may still be to be told of the first ones. */
static void end_between(struct queued *q)
{
	if (q->work && queued_owes(&q->work->delivery)) {
		queued_lift(q, QUEUED_REPORTING);
		queued_report(q);
	} else {
		if (q->work)
			queued_forget_attempt(q);
		queued_close(q);
		queued_place(q, false, 0);
	}
}

static void hold(struct queued *q, struct queue_order *order)
{
	if (q->is_held) {
		confirm(q, order);
		return;
	}
	queue_tell_act(q->queue, "held", q->qid);
	set_held(q, true);
	set_due(q);
	queued_forget_content(q);
	queued_note(q, false, order);
	end_between(q);
}

static void release(struct queued *q, struct queue_order *order)
{
	if (!q->is_held) {
		confirm(q, order);
		return;
	}
	queue_tell_act(q->queue, "released", q->qid);
	set_held(q, false);
	go_now(q);
	queued_note(q, false, order);
}

static void reroute(struct queued *q, struct queue_order *order)
{
	queue_tell_act(q->queue, "rerouted", q->qid);
	if (q->work)
		q->work->delivery.attempts = 0;
	else if (q->pack)
		delivery_pack_restart(q->pack);
	if (!q->is_held)
		go_now(q);
	queued_note(q, false, order);
}

static void remove_now(struct queued *q, struct queue_order *order)
{
	bool is_under_way =
		(q->state == QUEUED_ACTIVE && !queued_take_back(q)) || q->state == QUEUED_REPORTING;

	queue_tell_act(q->queue, "removed", q->qid);
	queued_settle(q, false, order);
	if (is_under_way)
		queued_hide(q);
	else
		queued_free(&q);
}

static void bounce(struct queued *q, struct queue_order *order)
{
	queue_tell_act(q->queue, "given-up", q->qid);
	queued_lift(q, QUEUED_REPORTING);
	queued_open(q)->closing = order;
	queued_give_up(q);
	queued_report(q);
}

static void act(struct queued *q, struct queue_order *order)
{
	switch (order->action) {
	case QUEUE_FLUSH:
		flush(q, order);
		return;
	case QUEUE_HOLD:
		hold(q, order);
		return;
	case QUEUE_RELEASE:
		release(q, order);
		return;
	case QUEUE_REMOVE:
		remove_now(q, order);
		return;
	case QUEUE_BOUNCE:
		bounce(q, order);
		return;
	case QUEUE_REROUTE:
		reroute(q, order);
		return;
	}
	require(false);
}

/* What is to be sent no more is not to be sent because its job stands in the relay's line. */
static void act_later(struct queued *q, struct queue_order *order)
{
	bool is_to_stop = order->action == QUEUE_HOLD || order->action == QUEUE_BOUNCE;

	list_push_back(&q->work->orders, &order->node);
	if (is_to_stop && queued_take_back(q))
		queued_end_taken_back(q);
}

void queue_act(struct queue *queue, uint64_t qid, struct queue_order *order)
{
	struct queued *q = queue_index_get(&queue->index, qid);

	order->qid = qid;
	if (queue->is_ending)
		queue_order_end(queue, order, -ESHUTDOWN);
	else if (q == NULL)
		queue_order_end(queue, order, -ENOENT);
	else if (is_busy(q) && order->action != QUEUE_REMOVE)
		act_later(q, order);
	else
		act(q, order);
}

void queue_act_all(struct queue *queue, uint64_t qid, struct list *orders)
{
	struct list_node *node;

	while ((node = list_pop_front(orders)) != NULL)
		queue_act(queue, qid, list_entry(node, struct queue_order, node));
}
