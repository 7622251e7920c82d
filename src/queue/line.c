/* queue/line.c: messages that are due, in lines by account, which take turns. */
#include "inside.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>
#include <string.h>

struct queued_line {
	struct list_node turn; /* in queue->turns while somebody stands in it */
	struct list members;
	size_t refs;   /* messages of this account, wherever they stand, and asks */
	unsigned asks; /* hand-offs that ask while their clients speak */
	bool had_turn; /* the last one was its own: it goes behind the others, also behind those
			  that come until the next turn */
	char account[];
};

struct queued_line *queue_line_ref(struct queue *queue, const char *account)
{
	struct queued_line *line = map_get(&queue->lines, span_text(account));

	if (line == NULL) {
		size_t n = strlen(account) + 1;

		line = mem_alloc(sizeof(*line) + n);
		memcpy(line->account, account, n);
		list_init(&line->members);
		map_put(&queue->lines, span_text(line->account), line);
	}
	line->refs++;
	return line;
}

/* Each of them has a connection that its client may let wait. */
enum { ASKS_MOST = 2 };

struct queued_line *queue_line_ask(struct queue *queue, const char *account, bool *is_second)
{
	struct queued_line *line = queue_line_ref(queue, account);

	*is_second = line->asks > 0;
	if (line->asks < ASKS_MOST)
		line->asks++;
	else
		queued_line_unref(queue, &line);
	return line;
}

void queued_line_end_ask(struct queue *queue, struct queued_line **line)
{
	if (*line)
		(*line)->asks--;
	queued_line_unref(queue, line);
}

void queued_line_unref(struct queue *queue, struct queued_line **line)
{
	struct queued_line *l = *line;

	if (l == NULL)
		return;
	*line = NULL;
	if (--l->refs)
		return;
	require(list_is_empty(&l->members));
	map_remove(&queue->lines, span_text(l->account));
	free(l);
}

char *queued_line_account(struct queued_line *line)
{
	return line->account;
}

void queued_line_join(struct queued *q, bool is_first)
{
	struct queued_line *line = q->line;

	if (is_first)
		list_push_front(&line->members, &q->node);
	else
		list_push_back(&line->members, &q->node);
	q->queue->in_line++;
	if (list_holds(&line->turn))
		return;
	line->had_turn = false;
	list_push_back(&q->queue->turns, &line->turn);
}

void queued_line_leave(struct queued *q)
{
	if (!list_holds(&q->node))
		return;
	list_remove(&q->line->members, &q->node);
	q->queue->in_line--;
	if (list_is_empty(&q->line->members))
		list_remove(&q->queue->turns, &q->line->turn);
}

static struct queued_line *first_line(struct queue *queue)
{
	struct list_node *turn = list_first(&queue->turns);

	return turn ? list_entry(turn, struct queued_line, turn) : NULL;
}

struct queued *queue_line_next(struct queue *queue)
{
	struct queued_line *line = first_line(queue);

	if (line == NULL)
		return NULL;
	if (line->had_turn) {
		line->had_turn = false;
		list_remove(&queue->turns, &line->turn);
		list_push_back(&queue->turns, &line->turn);
		line = first_line(queue);
	}
	line->had_turn = true;
	return list_entry(list_first(&line->members), struct queued, node);
}

size_t queued_line_ahead(const struct queued *q, size_t most)
{
	const struct list_node *first = &q->line->members.head;
	size_t n = 0;

	for (const struct list_node *at = q->node.prev; at != first; at = at->prev)
		if (++n > most)
			return 0;
	return n;
}

void queue_lines_fini(struct queue *queue)
{
	require(queue->lines.count == 0);
	map_fini(&queue->lines);
}
