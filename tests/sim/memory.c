/* memory.c: malloc and its kin, so that a crash can free what a process had.
 *
 * The linker leads every call here (--wrap). In front of each block stands whose it is.
 */
#include "world.h"

#include "base/list.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

void *__real_malloc(size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);
ssize_t __wrap_getrandom(void *at, size_t n, unsigned flags);

struct block {
	struct list_node node; /* in `blocks` when it is the process's */
	size_t octets;
	enum owner owner;
} __attribute__((aligned(16)));

static enum owner current = OWNER_WORLD;
static struct list blocks = { .head = { &blocks.head, &blocks.head } };

enum owner memory_enter(enum owner owner)
{
	enum owner before = current;

	current = owner;
	return before;
}

void memory_leave(enum owner before)
{
	current = before;
}

void *__wrap_malloc(size_t n)
{
	struct block *b = __real_malloc(sizeof(*b) + n);

	if (b == NULL)
		return NULL;
	b->node = (struct list_node){ 0 };
	b->octets = n;
	b->owner = current;
	if (current == OWNER_PROCESS)
		list_push_back(&blocks, &b->node);
	return b + 1;
}

void *__wrap_calloc(size_t count, size_t size)
{
	size_t n;
	void *p;

	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	p = __wrap_malloc(n);
	if (p)
		memset(p, 0, n);
	return p;
}

void __wrap_free(void *p)
{
	struct block *b = p;

	if (b == NULL)
		return;
	b--;
	if (b->owner == OWNER_PROCESS)
		list_remove(&blocks, &b->node);
	__real_free(b);
}

/* A block stays with whom it is, whoever makes it longer. */
void *__wrap_realloc(void *p, size_t n)
{
	struct block *old = p;
	enum owner before = current;
	void *longer;

	if (p == NULL)
		return __wrap_malloc(n);
	old--;
	current = old->owner;
	longer = __wrap_malloc(n);
	current = before;
	if (longer == NULL)
		return NULL;
	memcpy(longer, p, old->octets < n ? old->octets : n);
	__wrap_free(p);
	return longer;
}

size_t memory_of_process(void)
{
	return blocks.count;
}

void memory_forget_process(void)
{
	struct list_node *node;

	while ((node = list_pop_front(&blocks)) != NULL)
		__real_free(list_entry(node, struct block, node));
}

void memory_tell(void)
{
	unsigned told = 0;

	list_each (&blocks, node)
		if (told++ < 20)
			tell("left: %zu octets", list_entry(node, struct block, node)->octets);
}

/* The spool's seal, too, is the same for the same seed. */
ssize_t __wrap_getrandom(void *at, size_t n, unsigned flags)
{
	unsigned char *to = at;

	(void)flags;
	for (size_t i = 0; i < n; i++)
		to[i] = (unsigned char)pick(256);
	return (ssize_t)n;
}
