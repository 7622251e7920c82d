#include "world.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct world world;

/* Below the ms of a key there are random bits, which put the simultaneous in order. */
enum { ORDER_BITS = 20 };

void world_begin(uint64_t seed, bool is_verbose)
{
	world = (struct world){ .seed = seed, .random = seed, .is_verbose = is_verbose };
}

void world_end(void)
{
	heap_fini(&world.events);
}

bool world_step(void)
{
	struct heap_node *first = heap_first(&world.events);
	struct event *event;

	if (first == NULL)
		return false;
	event = list_entry(first, struct event, node);
	heap_remove(&world.events, first);
	world.now_ms = first->key >> ORDER_BITS;
	world.steps++;
	event->fire(event);
	return true;
}

void event_set(struct event *event, int64_t in_ms)
{
	int64_t at = world.now_ms + (in_ms > 0 ? in_ms : 0);

	heap_remove(&world.events, &event->node);
	heap_insert(&world.events, &event->node,
		    (int64_t)((uint64_t)at << ORDER_BITS | pick(UINT64_C(1) << ORDER_BITS)));
}

void event_clear(struct event *event)
{
	heap_remove(&world.events, &event->node);
}

uint64_t pick(uint64_t n)
{
	return sim_random(&world.random) % n;
}

bool once_in(unsigned n)
{
	return pick(n) == 0;
}

int64_t pick_between(int64_t least, int64_t most)
{
	return least + (int64_t)pick((uint64_t)(most - least) + 1);
}

int64_t pick_skewed(int64_t most)
{
	switch (pick(8)) {
	case 0:
		return pick_between(0, most);
	case 1:
	case 2:
		return pick_between(0, most / 16);
	default:
		return pick_between(0, most / 128);
	}
}

static void __attribute__((format(printf, 2, 0))) put_line(FILE *to, const char *fmt, va_list ap)
{
	int64_t s = world.now_ms / 1000;

	fprintf(to, "%3" PRId64 "d %02d:%02d:%02d.%03d ", s / 86400, (int)(s / 3600 % 24),
		(int)(s / 60 % 60), (int)(s % 60), (int)(world.now_ms % 1000));
	vfprintf(to, fmt, ap);
	fputc('\n', to);
}

void tell(const char *fmt, ...)
{
	va_list ap;

	if (!world.is_verbose)
		return;
	va_start(ap, fmt);
	put_line(stdout, fmt, ap);
	va_end(ap);
}

void fail(const char *fmt, ...)
{
	va_list ap;

	world.failures++;
	fprintf(stderr, "seed %" PRIu64 ": ", world.seed);
	va_start(ap, fmt);
	put_line(stderr, fmt, ap);
	va_end(ap);
	if (!world.is_verbose)
		return;
	fputs("*** FAILURE ", stdout);
	va_start(ap, fmt);
	put_line(stdout, fmt, ap);
	va_end(ap);
}
