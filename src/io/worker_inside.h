/* io/worker_inside.h: a pool and its workers, seen from within.
 *
 * pool.c decides who works on what; worker_link.c moves frames over one worker's socket.
 */
#pragma once

#include "io/worker.h"
#include "loop_inside.h"
#include "spawner.h"

struct worker {
	uv_poll_t poll;
	struct worker_pool *pool;
	struct list_node node; /* in pool->idle or pool->busy */
	uint64_t number;
	int fd;
	unsigned generation;
	bool is_writing;
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
	struct list waiting;
	struct timer patience; /* of the ask that waits longest */
};

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
