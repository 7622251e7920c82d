/* io/loop.h: an event loop on a thread of its own.
 *
 * Shape    loop_new -> loop_start (thread) -> loop_post(work) from anywhere -> loop_stop, loop_join
 * Thread   an object made on a loop is used on that loop only; loop_post() is the only call that may
 *          come from another thread
 * Owns     its thread, its read buffer, its timers; posted work stays the poster's
 * Units    loop_now_ms() is monotonic ms, read once per turn; wall_now_ms() is ms since the epoch
 *
 * A completion never runs inside the call that asked for it.
 */
#pragma once

#include "base/heap.h"
#include "base/work.h"

#include <stdint.h>

struct loop;

struct loop *loop_new(const char *thread_name);
/* After loop_join(), or never started. Streams that are still open are told closed(), posted work is
 * run, all on the calling thread; what else was made on the loop is freed by its owner before. */
void loop_free(struct loop **loop);
void loop_start(struct loop *loop);
/* Runs the loop on the calling thread until loop_stop(). For the main thread and for tests. */
void loop_run(struct loop *loop);
/* From any thread: the loop ends once it has run what was posted before. */
void loop_stop(struct loop *loop);
void loop_join(struct loop *loop);

void loop_post(struct loop *loop, struct work *work);
/* loop_post as a work_post, for rooms that do not know loops. */
void loop_post_home(void *loop, struct work *work);
bool loop_is_here(const struct loop *loop);
int64_t loop_now_ms(const struct loop *loop);
/* This turn has taken some ms already: who can go on later does, so that the others' turn comes. */
bool loop_is_late(const struct loop *loop);
/* How long a client that begins a TLS handshake now has to wait for its turn, as the first in the line, or
 * the last that was, has waited: what sessions have to do comes before, and each turn of the loop has
 * time for some handshakes only. */
int64_t loop_wait_ms(const struct loop *loop);
int64_t wall_now_ms(void);
/* That this process may use: taskset, CPUAffinity= and a cpuset may leave it fewer than there are. Quotas of
 * time are not counted. */
unsigned loop_processors(void);
/* Fills `at` with octets nobody can guess. */
void random_fill(void *at, size_t n);

/* A deadline: cheap to move, one kernel timer for all of a loop. */
struct timer {
	struct heap_node
		node;	/* private; its key is due_ms, or earlier where that was moved away */
	int64_t due_ms; /* private */
	void (*fire)(struct timer *timer);
};

#define timer_entry(t, type, member) list_entry(t, type, member)

/* In ms from now (at least 1); replaces an earlier deadline. fire() is called once, on the loop. */
void timer_set(struct loop *loop, struct timer *timer, int64_t in_ms);
void timer_clear(struct loop *loop, struct timer *timer);

/* Signals, on this loop: handler runs as ordinary loop code. */
struct loop_signal;
struct loop_signal *loop_signal_watch(struct loop *loop, int signum,
				      void (*handler)(void *user, int signum), void *user);
void loop_signal_free(struct loop_signal **watch);
