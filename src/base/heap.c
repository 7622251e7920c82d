#include "base/heap.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

void heap_fini(struct heap *h)
{
	free(h->at);
	*h = (struct heap){ 0 };
}

static void put(struct heap *h, size_t place, struct heap_slot slot)
{
	h->at[place - 1] = slot;
	slot.node->place = place;
}

static void sift_up(struct heap *h, size_t place, struct heap_slot slot)
{
	while (place > 1 && h->at[place / 2 - 1].key > slot.key) {
		put(h, place, h->at[place / 2 - 1]);
		place /= 2;
	}
	put(h, place, slot);
}

static void sift_down(struct heap *h, size_t place, struct heap_slot slot)
{
	for (;;) {
		size_t child = place * 2;

		if (child > h->count)
			break;
		if (child < h->count && h->at[child].key < h->at[child - 1].key)
			child++;
		if (h->at[child - 1].key >= slot.key)
			break;
		put(h, place, h->at[child - 1]);
		place = child;
	}
	put(h, place, slot);
}

void heap_insert(struct heap *h, struct heap_node *n, int64_t key)
{
	require(n->place == 0);
	if (h->count == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 16;
		h->at = mem_resize(h->at, h->cap * sizeof(struct heap_slot));
	}
	n->key = key;
	h->count++;
	sift_up(h, h->count, (struct heap_slot){ key, n });
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	size_t place = n->place;
	struct heap_slot last;

	if (place == 0)
		return;
	last = h->at[h->count - 1];
	h->count--;
	n->place = 0;
	if (last.node == n)
		return;
	if (place > 1 && h->at[place / 2 - 1].key > last.key)
		sift_up(h, place, last);
	else
		sift_down(h, place, last);
}

struct heap_node *heap_first(const struct heap *h)
{
	return h->count ? h->at[0].node : NULL;
}
