#include "index.h"

#include "inside.h"

#include "base/mem.h"

#include <stdlib.h>

enum { CAP_FIRST = 64 };

void queue_index_fini(struct queue_index *index)
{
	free(index->at);
	*index = (struct queue_index){ 0 };
}

/* Fibonacci hashing: ids follow each other, and this spreads neighbours well. */
static size_t home_of(const struct queue_index *index, uint64_t qid)
{
	return (size_t)((qid * 0x9E3779B97F4A7C15) >> 20) & (index->cap - 1);
}

static void place(struct queue_index *index, struct queued *q)
{
	size_t i = home_of(index, q->qid);

	while (index->at[i])
		i = (i + 1) & (index->cap - 1);
	index->at[i] = q;
}

static void grow(struct queue_index *index)
{
	struct queue_index old = *index;

	index->cap = old.cap ? old.cap * 2 : CAP_FIRST;
	index->at = mem_array(index->cap, sizeof(*index->at));
	for (size_t i = 0; i < old.cap; i++)
		if (old.at[i])
			place(index, old.at[i]);
	free(old.at);
}

void queue_index_put(struct queue_index *index, struct queued *q)
{
	if (index->count * 4 >= index->cap * 3)
		grow(index);
	place(index, q);
	index->count++;
}

static size_t find(const struct queue_index *index, uint64_t qid)
{
	size_t i;

	if (index->cap == 0)
		return 0;
	i = home_of(index, qid);
	while (index->at[i] && index->at[i]->qid != qid)
		i = (i + 1) & (index->cap - 1);
	return i;
}

struct queued *queue_index_get(const struct queue_index *index, uint64_t qid)
{
	return index->cap ? index->at[find(index, qid)] : NULL;
}

/* Whoever stands between `hole` and its home slot would not be found any more: it moves up. */
static bool may_move(const struct queue_index *index, size_t hole, size_t from)
{
	size_t home = home_of(index, index->at[from]->qid);
	size_t mask = index->cap - 1;

	return ((from - home) & mask) >= ((from - hole) & mask);
}

void queue_index_remove(struct queue_index *index, uint64_t qid)
{
	size_t hole = find(index, qid);

	if (index->cap == 0 || index->at[hole] == NULL)
		return;
	index->count--;
	index->at[hole] = NULL;
	for (size_t i = (hole + 1) & (index->cap - 1); index->at[i];
	     i = (i + 1) & (index->cap - 1)) {
		if (!may_move(index, hole, i))
			continue;
		index->at[hole] = index->at[i];
		index->at[i] = NULL;
		hole = i;
	}
}
