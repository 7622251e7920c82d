/* io/worker_inside.h: a pool and its workers, seen from within.
 *
 * worker_pool.c decides who works on what; worker_line.c keeps those that wait; worker_link.c moves
 * frames over one worker's socket.
 */
#pragma once

#include "io/worker.h"
#include "loop_inside.h"
#include "spawner.h"

struct worker {
	uv_poll_t poll;
	struct worker_pool *pool;
	struct list_node node; /* in pool->idle or pool->busy */
	uint64_t number;       /* the spawner's: never used twice */
	struct list line;      /* asks for this worker and no other, in order of their coming */
	int fd, watched;       /* for which events */
	unsigned generation;
	struct buf out, in; /* frames on their way; `out` holds secrets and is wiped */
	struct worker_ask *ask;
	struct timer deadline;
};

struct worker_pool {
	struct loop *loop;
	struct worker_pool_conf conf;
	struct buf hello;
	unsigned generation;
	struct list idle; /* the most recently used first: its caches are warm */
	struct list busy;
	struct list waiting;   /* for any worker */
	size_t lined;	       /* asks in the lines of all workers */
	struct timer patience; /* of the ask that waits longest for any */
	atomic_uint asks;      /* under way, those included that worker_ask() has just posted */
};

/* worker_line.c */
void worker_ask_finish(struct worker_ask *ask, int status);
int64_t worker_ask_left_ms(const struct worker_pool *pool, const struct worker_ask *ask);
/* Idle or busy; NULL: it has gone. */
struct worker *worker_find(struct worker_pool *pool, uint64_t number);
/* Puts the ask into the worker's line, or ends it with -EAGAIN where too many wait. */
void worker_line_join(struct worker *worker, struct worker_ask *ask);
/* How long the first of all that wait has waited, but for those who wait for one worker while another is
 * free; 0: nobody waits. */
int64_t worker_waited_ms(const struct worker_pool *pool);
/* Who is next at this worker, taken out of where it waited: of the first in its line and the first that
 * waits for any the one that came first, so that neither starves the other. NULL: nobody. */
struct worker_ask *worker_next_ask(struct worker *worker);
/* Takes one out that waits for a certain worker. */
void worker_line_leave(struct worker_ask *ask);
/* Ends all in the line. */
void worker_line_end(struct worker *worker, int status);
/* Ends those that have waited too long for any worker. */
void worker_end_overdue(struct worker_pool *pool);

/* worker_link.c */
/* Starts a process; NULL and errno. It gets the hello before its first request. */
struct worker *worker_open(struct worker_pool *pool);
/* Closes the socket, by which a sane worker ends. */
void worker_close(struct worker *worker);
void worker_send(struct worker *worker, struct span payload);

/* worker_pool.c */
/* A whole frame came. */
void worker_answered(struct worker *worker, struct span payload);
/* The process died, or does not speak the protocol. */
void worker_failed(struct worker *worker, int code, const char *what);
