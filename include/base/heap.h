/* base/heap.h: the member that is due first, in O(log n).
 *
 * Shape    struct heap_node sits in each member; key is what it is ordered by (a time in ms)
 * Owns     its array, not the members
 *
 * The keys stand in the array once more: a comparison reads no member, which with many thousands of
 * them would be a cache miss at each step.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;
	size_t place; /* 1-based; 0 when in no heap */
};

struct heap_slot {
	int64_t key;
	struct heap_node *node;
};

struct heap {
	struct heap_slot *at;
	size_t count, cap;
};

/* A zeroed struct heap is an empty one. */
void heap_fini(struct heap *h);
void heap_insert(struct heap *h, struct heap_node *n, int64_t key);
/* Nothing happens when n is in no heap. */
void heap_remove(struct heap *h, struct heap_node *n);
/* The node with the smallest key, still in the heap, or NULL. */
struct heap_node *heap_first(const struct heap *h);

static inline bool heap_holds(const struct heap_node *n)
{
	return n->place != 0;
}
