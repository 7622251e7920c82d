/* base/list.h: doubly linked lists whose links live in the members.
 *
 * Shape    struct list is the head; struct list_node sits in each member; list_entry() goes back
 * Owns     nothing; a member leaves its list before it is freed
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list_node {
	struct list_node *prev, *next; /* both NULL: in no list */
};

struct list {
	struct list_node head;
	size_t count;
};

#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
/* Visits each node; the body may remove the node it is given. */
#define list_each(list, it)                                                                        \
	for (struct list_node *it = (list)->head.next, *it##_next = it->next; it != &(list)->head; \
	     it = it##_next, it##_next = it->next)

static inline void list_init(struct list *l)
{
	l->head.prev = l->head.next = &l->head;
	l->count = 0;
}

static inline bool list_is_empty(const struct list *l)
{
	return l->count == 0;
}

static inline bool list_holds(const struct list_node *n)
{
	return n->next != NULL;
}

static inline void list_insert_before(struct list *l, struct list_node *at, struct list_node *n)
{
	n->prev = at->prev;
	n->next = at;
	at->prev->next = n;
	at->prev = n;
	l->count++;
}

static inline void list_push_back(struct list *l, struct list_node *n)
{
	list_insert_before(l, &l->head, n);
}

static inline void list_push_front(struct list *l, struct list_node *n)
{
	list_insert_before(l, l->head.next, n);
}

static inline void list_remove(struct list *l, struct list_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	n->prev = n->next = NULL;
	l->count--;
}

/* The first node, still in the list, or NULL. */
static inline struct list_node *list_first(const struct list *l)
{
	return l->count ? l->head.next : NULL;
}

static inline struct list_node *list_last(const struct list *l)
{
	return l->count ? l->head.prev : NULL;
}

static inline struct list_node *list_pop_front(struct list *l)
{
	struct list_node *n = list_first(l);

	if (n)
		list_remove(l, n);
	return n;
}
