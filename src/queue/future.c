/* queue/future.c: messages whose senders want them to go later (RFC 4865).
 *
 * All other times are of the loop's clock; a release date is its sender's wish, by the wall's. So while
 * there is such a message the two clocks are compared once a minute, and when the wall's was set each of
 * them gets its time anew. What was released stays so, wherever the clock goes then. The age of a
 * message, for its warning and its end, counts from its release.
 */
#include "inside.h"

enum { JUMP_MS = 1000 }; /* less is no jump, but a turn that took long */

static int64_t now_of(const struct queued *q)
{
	return loop_now_ms(q->queue->conf.loop);
}

static int64_t clock_offset(const struct queue *queue)
{
	return wall_now_ms() - loop_now_ms(queue->conf.loop);
}

int64_t queued_release_ms(const struct queued *q)
{
	return envelope_strings_release(q->strings);
}

void queued_begin_future(struct queued *q)
{
	if (queued_release_ms(q) <= wall_now_ms())
		return;
	q->is_future = true;
	q->queue->futures++;
	queued_mind_release(q);
}

void queued_end_future(struct queued *q)
{
	if (!q->is_future)
		return;
	q->is_future = false;
	q->queue->futures--;
	if (q->born_ms > now_of(q))
		q->born_ms = now_of(q);
	q->next_at = 0;
}

void queued_mind_release(struct queued *q)
{
	int64_t left;

	if (!q->is_future)
		return;
	left = queued_release_ms(q) - wall_now_ms();
	if (left <= 0)
		queued_end_future(q);
	else
		q->next_at = q->born_ms = now_of(q) + left;
}

void queue_mind_wall(struct queue *queue)
{
	int64_t offset = clock_offset(queue);
	int64_t jump = offset - queue->wall_offset_ms;

	if (queue->futures == 0 || (jump < JUMP_MS && jump > -JUMP_MS))
		return;
	queue->wall_offset_ms = offset;
	list_each (&queue->messages, node) {
		struct queued *q = list_entry(node, struct queued, all);

		if (q->is_future && (q->state == QUEUED_PAUSED || q->state == QUEUED_HELD))
			queued_place(q, false, 0);
	}
}
