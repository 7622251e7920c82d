/* queue/queued.c: one message in the queue: where it stands, and what it holds. */
#include "inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdlib.h>

/* Contents kept for messages in line: a message that is not one of the next is read from the spool
 * when its turn comes, and until then is as small as any other. */
enum { KEPT_MOST = 4096 };

struct queued *queued_new(struct queue *queue, const struct envelope *envelope)
{
	struct queued *q = mem_alloc(sizeof(struct queued) + envelope_strings_octets(envelope));

	require(envelope->recipient_count > 0 && envelope->recipient_count <= UINT32_MAX);
	q->queue = queue;
	q->line = queue_line_ref(queue, envelope->account);
	q->qid = envelope->qid;
	q->sid = envelope->sid;
	q->size = envelope->size;
	q->header_octets = envelope->header_octets;
	q->arrived_ms = envelope->arrived_ms;
	q->born_ms = loop_now_ms(queue->conf.loop);
	q->recipient_count = (uint32_t)envelope->recipient_count;
	q->ret = (unsigned)envelope->ret & 3;
	q->form = envelope->form & ENVELOPE_FORMS;
	q->is_utf8 = envelope->is_utf8;
	q->require_tls = envelope->require_tls;
	q->state = QUEUED_LINE;
	envelope_strings_put(envelope, q->strings);
	queued_begin_future(q);
	list_push_back(&queue->messages, &q->all);
	queue_index_put(&queue->index, q);
	counter_add(&queue->conf.counters->queue_messages, 1);
	return q;
}

static void leave_books(struct queued *q)
{
	struct queue *queue = q->queue;

	queue_walks_pass(queue, &q->all);
	list_remove(&queue->messages, &q->all);
	queue_index_remove(&queue->index, q->qid);
	counter_sub(&queue->conf.counters->queue_messages, 1);
	queued_end_future(q);
	if (q->is_held)
		counter_sub(&queue->conf.counters->queue_held, 1);
}

static void end_orders(struct queued *q)
{
	int status = q->queue->is_ending ? -ESHUTDOWN : -ENOENT;
	struct list_node *node;

	while ((node = list_pop_front(&q->work->orders)) != NULL)
		queue_order_end(q->queue, list_entry(node, struct queue_order, node), status);
	if (q->work->closing)
		queue_order_end(q->queue, q->work->closing, status);
	q->work->closing = NULL;
}

static void free_work(struct queued *q)
{
	struct queued_work *w = q->work;

	queued_forget_content(q);
	queued_forget_attempt(q);
	end_orders(q);
	free(w->envelope.recipients);
	delivery_fini(&w->delivery);
	free(w);
	q->work = NULL;
}

void queued_free(struct queued **queued)
{
	struct queued *q = *queued;
	struct queue *queue;

	if (q == NULL)
		return;
	*queued = NULL;
	queue = q->queue;
	queued_line_leave(q);
	heap_remove(&queue->due, &q->due);
	if (q->is_removed)
		queue_unpend(queue);
	else
		leave_books(q);
	if (q->work)
		free_work(q);
	queued_line_unref(queue, &q->line);
	free(q->pack);
	free(q);
}

void queued_hide(struct queued *q)
{
	require(!q->is_removed);
	leave_books(q);
	end_orders(q);
	q->is_removed = true;
	queue_pend(q->queue);
}

void queued_envelope(struct queued *q, struct envelope_recipient *recipients, struct envelope *out)
{
	*out = (struct envelope){ .qid = q->qid,
				  .sid = q->sid,
				  .account = queued_line_account(q->line),
				  .ret = (enum smtp_ret)q->ret,
				  .recipient_count = q->recipient_count,
				  .arrived_ms = q->arrived_ms,
				  .size = q->size,
				  .header_octets = q->header_octets,
				  .form = q->form,
				  .is_utf8 = q->is_utf8,
				  .require_tls = q->require_tls };
	envelope_strings_view(q->strings, recipients, out);
}

struct queued_work *queued_open(struct queued *q)
{
	struct queued_work *w = q->work;
	struct envelope_recipient *recipients;

	if (w)
		return w;
	q->work = w = mem_new(struct queued_work);
	recipients = mem_array(q->recipient_count, sizeof(*recipients));
	queued_envelope(q, recipients, &w->envelope);
	w->delivery = delivery_unpack(q->pack, q->recipient_count, &q->queue->scratch);
	w->delivery.is_held = q->is_held;
	w->delivery.is_warned = q->is_warned;
	list_init(&w->orders);
	free(q->pack);
	q->pack = NULL;
	return w;
}

void queued_take_orders(struct queued *q, struct list *out)
{
	struct list_node *node;

	list_init(out);
	while ((node = list_pop_front(&q->work->orders)) != NULL)
		list_push_back(out, node);
}

void queued_close(struct queued *q)
{
	if (q->work == NULL || q->work->is_kept)
		return;
	require(q->work->attempt == NULL && list_is_empty(&q->work->orders));
	q->pack = delivery_pack(&q->work->delivery);
	free_work(q);
}

void queued_take_content(struct queued *q, struct buf *memory, int64_t reserved)
{
	struct queued_work *w = queued_open(q);

	queued_forget_content(q);
	w->memory = *memory;
	*memory = (struct buf){ 0 };
	w->reserved = reserved;
	w->is_kept = true;
	if (q->queue->kept++ >= KEPT_MOST)
		queued_forget_content(q);
}

void queued_forget_content(struct queued *q)
{
	struct queued_work *w = q->work;

	if (w == NULL || !w->is_kept)
		return;
	queue_take_back(q->queue, &w->memory);
	queue_release(q->queue, w->reserved);
	w->reserved = 0;
	w->is_kept = false;
	q->queue->kept--;
}

void queued_forget_attempt(struct queued *q)
{
	struct queued_work *w = q->work;

	for (size_t i = 0; w->hosts && i < q->recipient_count; i++)
		free(w->hosts[i]);
	free(w->hosts);
	free(w->delayed);
	w->hosts = NULL;
	w->delayed = NULL;
	w->heard_ms = 0;
	w->put_offs = 0;
	w->was_asked = w->has_spoken = w->is_news = w->is_expired = false;
	free(w->left);
	free(w->left_why);
	w->left = NULL;
	w->left_why = NULL;
	w->left_count = 0;
}

struct delivery queued_delivery(struct queued *q)
{
	struct delivery d =
		q->work ? q->work->delivery
			: delivery_pack_view(q->pack, q->recipient_count, &q->queue->scratch);

	d.is_held = q->is_held;
	d.is_warned = q->is_warned;
	if (q->is_future)
		d.next_ms = queued_release_ms(q);
	return d;
}

bool queued_is_final(struct queued *q)
{
	struct delivery d = queued_delivery(q);

	for (size_t i = 0; i < d.recipient_count; i++)
		if (d.recipients[i].state == RECIPIENT_WAITING)
			return false;
	return true;
}

bool queued_ran_out(const struct recipient_status *s)
{
	return s->state == RECIPIENT_FAILED && s->code < 500 && s->status.class != 5;
}

bool queued_was_given_up(const struct recipient_status *s)
{
	return s->state == RECIPIENT_FAILED && s->code == 0 && s->status.class == 5;
}

/* A message that comes to its line when its time is over still gets its last attempt, if its turn
 * comes soon. */
static int64_t last_call(const struct queued *q)
{
	int64_t now = loop_now_ms(q->queue->conf.loop);
	int64_t most = 5 * 60 * 1000, pause = q->queue->conf.retry_ms[0];

	return now < queued_expires_at(q) ? 0 : now + (pause < most ? pause : most);
}

void queued_lift(struct queued *q, enum queued_state state)
{
	queued_line_leave(q);
	heap_remove(&q->queue->due, &q->due);
	q->state = state;
}

static void tell_if_nobody(struct queued *q)
{
	struct buf reasons = { 0 };
	char *text;

	if (q->is_told || queue_stand_of_lines(q->queue) != QUEUE_STAND_NO_SMARTHOST)
		return;
	queue_reasons(q->queue, &reasons);
	text = queued_text(buf_span(&reasons));
	queued_tell_waiting(q, text);
	free(text);
	buf_fini(&reasons);
}

void queued_place(struct queued *q, bool is_first, int64_t life_floor)
{
	struct queue *queue = q->queue;

	queued_lift(q, QUEUED_PAUSED);
	queued_mind_release(q);
	if (q->is_held) {
		q->state = QUEUED_HELD;
	} else if (q->next_at <= loop_now_ms(queue->conf.loop)) {
		int64_t floor = is_first ? 0 : last_call(q);

		q->state = QUEUED_LINE;
		q->next_at = 0;
		life_floor = floor > life_floor ? floor : life_floor;
		queued_line_join(q, is_first);
		tell_if_nobody(q);
	}
	heap_insert(&queue->due, &q->due, queued_due_at(q, life_floor));
	queue_wake(queue);
}

/* Orders may wait for it from now on, so there is work, also for what recovery found. */
void queued_owe(struct queued *q, int64_t in_ms)
{
	queued_open(q);
	queued_lift(q, QUEUED_OWING);
	heap_insert(&q->queue->due, &q->due, loop_now_ms(q->queue->conf.loop) + in_ms);
	queue_wake(q->queue);
}
