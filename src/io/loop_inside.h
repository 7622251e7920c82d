/* io/loop_inside.h: what the rest of this room sees of a loop.
 *
 * A turn of libuv goes timers, idle, prepare, poll, check, closing. Sockets run in poll. The line of
 * handshakes moves in idle. Posted work runs in check and in prepare, and behind it what streams have
 * queued leaves, so that a burst of small writes is one record and one system call. What a loop posts to
 * itself never costs a system call: it either runs before the poll, or the poll does not wait.
 */
#pragma once

#include "base/buf.h"
#include "base/fault.h"
#include "base/list.h"
#include "io/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

enum {
	LOOP_READ_OCTETS = 64 * 1024,
	LOOP_SPARE_BUFS = 64,
	LOOP_SPARE_OCTETS = 64 * 1024, /* a larger buf is freed, not kept */
};

struct loop {
	uv_loop_t uv;
	uv_async_t wake;
	uv_timer_t clock;
	uv_idle_t restless; /* active: the poll does not wait, there is more to do */
	uv_prepare_t before_poll;
	uv_check_t after_poll;
	struct heap timers;
	int64_t armed_ms;	       /* what `clock` is set to; INT64_MAX: not set */
	_Atomic(struct work *) posted; /* by other threads; a stack: the newest first */
	atomic_bool is_asleep;	       /* in the poll, or about to be: who posts has to wake it */
	struct work *todo, *todo_last; /* in order of posting; this loop's thread only */
	struct work stop;
	atomic_bool is_stopping;
	pthread_t thread;
	bool has_thread, is_running_down;
	char name[16];
	struct list streams; /* all of them */
	struct list due;     /* those with something to do at the end of the turn */
	struct list line;    /* those that wait for a turn of their TLS handshake (stream_line.c) */
	uv_idle_t line_turn; /* active while there are any */
	int64_t line_served_ms,
		line_waited_ms; /* when the last had its turn, and after what wait */
	unsigned char *read_at; /* what one read call brings, of any stream */
	struct fault fault; /* for a call of TLS that fails; large, so not on the stack of each */
	struct buf spare[LOOP_SPARE_BUFS];
	size_t spares;
};

/* Lends a buf that has room already; loop_return() takes it back and wipes what stands in it, and
 * stood in front of that, as far as it may hold a password (wipe.h): who cleared it before has nothing
 * to hide. Neither is needed for an empty buf. */
void loop_lend(struct loop *loop, struct buf *b);
void loop_return(struct loop *loop, struct buf *b);
/* loop_timer.c */
void loop_timers_init(struct loop *loop);

/* stream_line.c */
void stream_line_init(struct loop *loop);
/* stream.c: does what is due for each stream of loop->due. */
void stream_run_due(struct loop *loop);
/* stream.c: ends all streams of a loop that goes away. */
void stream_end_all(struct loop *loop);
