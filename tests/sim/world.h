/* world.h: the time, the chance and the story of one simulated schedule.
 *
 * Shape    world_begin(seed) -> event_set... -> world_step() until it says false -> world_end
 * Thread   one; everything happens inside world_step()
 * Units    ms of a time that begins at 0; the wall clock is that time and an offset that jumps
 *
 * The same seed does the same again, to the octet. What is due at the same time happens in random
 * order; whoever needs an order keeps a line of his own and sets one event for it.
 *
 * Memory is of two kinds. What the rooms under test allocate belongs to the process that is simulated:
 * a crash frees it as a whole, and after an orderly end nothing of it may be left. All the rest
 * (clients, smarthosts, the fake io room) belongs to the world, which outlives crashes.
 */
#pragma once

#include "base/heap.h"
#include "base/list.h"
#include "disk.h"

#include <stdbool.h>
#include <stdint.h>

struct world {
	uint64_t seed, random;
	int64_t now_ms;
	int64_t wall_offset_ms;
	struct heap events;
	bool is_verbose;
	unsigned failures;
	unsigned long steps;
};

extern struct world world;

struct event {
	struct heap_node node;
	void (*fire)(struct event *event);
};

#define event_entry(e, type, member) list_entry(e, type, member)

void world_begin(uint64_t seed, bool is_verbose);
void world_end(void);
/* The next event; false: there is none. */
bool world_step(void);

/* In ms from now, 0 too; replaces an earlier time. */
void event_set(struct event *event, int64_t in_ms);
void event_clear(struct event *event);
static inline bool event_is_set(const struct event *event)
{
	return heap_holds(&event->node);
}

/* 0 to n - 1. */
uint64_t pick(uint64_t n);
/* Once in n times. */
bool once_in(unsigned n);
int64_t pick_between(int64_t least, int64_t most);
/* Mostly small, sometimes up to most. */
int64_t pick_skewed(int64_t most);

/* A line of the story, where it is asked for. */
void tell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The invariant is broken. */
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* memory.c */
enum owner { OWNER_WORLD, OWNER_PROCESS };

/* Whose what is allocated from now on is; returns whose it was before. */
enum owner memory_enter(enum owner owner);
void memory_leave(enum owner before);
/* Blocks of the process. */
size_t memory_of_process(void);
/* A crash. */
void memory_forget_process(void);
/* The sizes of what the process still has, as lines of the story. */
void memory_tell(void);
