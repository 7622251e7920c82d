/* io/worker.h: helper processes that answer framed requests, one at a time each.
 *
 * Shape    worker_spawner_start() early in main -> worker_pool_new -> worker_ask(request) ->
 *          done(answer, or none)
 * Thread   a pool may be asked from any loop; done() is posted to the asker's loop
 * Owns     the processes and the socketpairs; copies of request octets, wiped after use
 * Errors   no answer within the deadline: the process is killed and replaced, the request ends
 *          with -ETIMEDOUT; the process died, or its answer is too long: -EPIPE; queue full: -EAGAIN;
 *          no process could be started: -ECHILD; pool freed: -ECANCELED; the worker asked for has gone: -ESTALE
 *
 * Who came first is served first, whether it asks for any worker or waits for a certain one.
 *
 * The spawner is a small process forked before threads start and before privileges are dropped; it
 * starts each worker from our own binary with its own user, and forwards nothing else. Workers know
 * only what the `hello` frame tells them. Frames on the wire: 32-bit length (little-endian), octets.
 */
#pragma once

#include "base/buf.h"
#include "base/fault.h"
#include "io/loop.h"

struct worker_spawner;
struct worker_pool;

struct worker_spawner_conf {
	/* argv of a worker, NULL-terminated; argv[0] is run from our own binary. The socket is
	 * descriptor 3. */
	const char *const *argv;
	/* The user that workers run as; NULL: no change. */
	const char *user;
};

/* Forks; call before any thread exists. NULL and a fault on failure. */
struct worker_spawner *worker_spawner_start(const struct worker_spawner_conf *conf,
					    struct fault *fault);
/* It has ended without being asked to: no worker can be started any more. SIGCHLD says when to look. */
bool worker_spawner_has_ended(const struct worker_spawner *spawner);
/* Ends the spawner process and with it all workers, after their pools are freed. Workers and spawner
 * take no SIGTERM, SIGINT or SIGHUP: they live as long as the daemon wants them, and no longer. */
void worker_spawner_stop(struct worker_spawner **spawner);

struct worker_pool_conf {
	struct worker_spawner *spawner;
	struct span hello;    /* the first frame each worker gets; copied */
	unsigned most;	      /* processes */
	unsigned waiting;     /* requests that may wait, for any worker or for a certain one */
	int64_t deadline_ms;  /* from the request's start in a worker to its answer; waiting for a
				   free one counts too */
	size_t answer_octets; /* the largest answer */
	/* Told on the pool's loop: a worker was killed, died or could not be started. May be NULL. */
	void (*trouble)(void *user, const struct fault *fault);
	void *user;
};

struct worker_ask {
	struct work work;	  /* private */
	struct list_node node;	  /* private */
	struct worker_pool *pool; /* private */
	struct loop *home;
	struct buf request; /* payload of the frame; wiped when it was sent */
	struct buf answer;  /* payload; the caller's to wipe after done() */
	int status;	    /* 0, or the error */
	/* In: 0, or the worker that is to answer, as `worker` said after an earlier ask: it waits for
	 * that one; -ESTALE when that has gone, or goes meanwhile. Out, with status 0: who answered; the
	 * number is given to no other, in no pool of the spawner. */
	uint64_t worker;
	int64_t due_ms;	   /* private */
	bool is_withdrawn; /* private */
	void (*done)(struct worker_ask *ask);
};

/* The pool lives on `loop`: its sockets are watched there. */
struct worker_pool *worker_pool_new(struct loop *loop, const struct worker_pool_conf *conf);
/* On the pool's loop, or when that has ended. Asks under way end with -ECANCELED (their done() comes,
 * if the home still runs); none may come any more. */
void worker_pool_free(struct worker_pool **pool);
/* From any loop. The ask stays the caller's until done(). */
void worker_ask(struct worker_pool *pool, struct worker_ask *ask);
/* On the pool's loop, before done(): nobody waits for the answer any more. An ask that no worker has yet
 * ends soon, as -ECANCELED; one that a worker has ends as it would have. */
void worker_ask_withdraw(struct worker_ask *ask);
/* More will soon end without an answer: most of the places for asks that wait are taken, or the first of
 * them has waited for half of the deadline. On the pool's loop. */
bool worker_pool_is_crowded(const struct worker_pool *pool);
/* Half of either. On the pool's loop. */
bool worker_pool_is_filling(const struct worker_pool *pool);
/* New settings for workers (a reload): idle ones go at once, those that work when they have answered.
 * Whoever asks for one of them after that, or waits for it, gets -ESTALE: its conversation begins anew. */
void worker_pool_renew(struct worker_pool *pool, struct span hello);
