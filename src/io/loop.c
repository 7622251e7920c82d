#include "io/loop.h"

#include "base/mem.h"
#include "base/require.h"
#include "loop_inside.h"
#include "thread.h"
#include "wipe.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Posted work that one turn runs, so that a flood of it does not starve the sockets. */
enum { WORK_PER_TURN = 512 };

static _Thread_local const struct loop *current;

bool loop_is_here(const struct loop *loop)
{
	return current == loop;
}

/* Posted work */

static struct work *turned_round(struct work *w)
{
	struct work *first = NULL;

	while (w) {
		struct work *next = w->next;

		w->next = first;
		first = w;
		w = next;
	}
	return first;
}

static void add_todo(struct loop *loop, struct work *w)
{
	w->next = NULL;
	if (loop->todo)
		loop->todo_last->next = w;
	else
		loop->todo = w;
	loop->todo_last = w;
}

static void take_posted(struct loop *loop)
{
	struct work *w, *next;

	if (atomic_load_explicit(&loop->posted, memory_order_relaxed) == NULL)
		return;
	for (w = turned_round(atomic_exchange(&loop->posted, NULL)); w; w = next) {
		next = w->next;
		add_todo(loop, w);
	}
}

/* What is posted by what runs here waits until the sockets, or at least the streams, had a turn. */
static void run_posted(struct loop *loop)
{
	const struct work *last;
	struct work *w = NULL;

	take_posted(loop);
	last = loop->todo ? loop->todo_last : NULL;
	for (unsigned n = 0; w != last && n < WORK_PER_TURN; n++) {
		w = loop->todo;
		loop->todo = w->next;
		w->next = NULL;
		w->run(w);
	}
}

/* From another thread. Who finds the stack empty and the loop asleep wakes it: one that is awake looks
 * at the stack before it sleeps. */
static void post_across(struct loop *loop, struct work *work)
{
	struct work *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);

	do {
		work->next = head;
	} while (!atomic_compare_exchange_weak(&loop->posted, &head, work));
	if (head == NULL && atomic_exchange(&loop->is_asleep, false))
		require(uv_async_send(&loop->wake) == 0);
}

void loop_post(struct loop *loop, struct work *work)
{
	if (loop_is_here(loop))
		add_todo(loop, work);
	else
		post_across(loop, work);
}

void loop_post_home(void *loop, struct work *work)
{
	loop_post(loop, work);
}

/* Bufs that streams need only for a moment */

void loop_lend(struct loop *loop, struct buf *b)
{
	if (b->at || loop->spares == 0)
		return;
	*b = loop->spare[--loop->spares];
	mem_unpoison(b->at, b->cap);
}

void loop_return(struct loop *loop, struct buf *b)
{
	size_t held;

	if (b->at == NULL)
		return;
	held = b->from + b->len;
	mem_wipe(b->at, held < WIPE_OCTETS ? held : WIPE_OCTETS);
	buf_clear(b);
	if (loop->spares < LOOP_SPARE_BUFS && b->cap <= LOOP_SPARE_OCTETS) {
		mem_poison(b->at, b->cap);
		loop->spare[loop->spares++] = *b;
	} else {
		buf_fini(b);
	}
	*b = (struct buf){ 0 };
}

/* Life */

static void on_wake(uv_async_t *wake)
{
	(void)wake;
}

static void on_idle(uv_idle_t *idle)
{
	(void)idle;
}

static void run_round(struct loop *loop)
{
	run_posted(loop);
	stream_run_due(loop);
}

/* With an idle handle the poll that follows does not wait. */
static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *loop = prepare->data;

	run_round(loop);
	if (loop->todo == NULL && list_is_empty(&loop->due)) {
		atomic_store(&loop->is_asleep, true);
		if (atomic_load(&loop->posted) == NULL) {
			uv_idle_stop(&loop->restless);
			return;
		}
		atomic_store(&loop->is_asleep, false);
	}
	uv_idle_start(&loop->restless, on_idle);
}

static void on_check(uv_check_t *check)
{
	struct loop *loop = check->data;

	atomic_store_explicit(&loop->is_asleep, false, memory_order_relaxed);
	run_round(loop);
}

static void start_handles(struct loop *loop)
{
	require(uv_loop_init(&loop->uv) == 0);
	require(uv_async_init(&loop->uv, &loop->wake, on_wake) == 0);
	loop_timers_init(loop);
	uv_idle_init(&loop->uv, &loop->restless);
	uv_prepare_init(&loop->uv, &loop->before_poll);
	uv_check_init(&loop->uv, &loop->after_poll);
	uv_prepare_start(&loop->before_poll, on_prepare);
	uv_check_start(&loop->after_poll, on_check);
	loop->before_poll.data = loop->after_poll.data = loop;
}

static void stop_here(struct work *work)
{
	struct loop *loop = work_entry(work, struct loop, stop);

	atomic_store(&loop->is_stopping, false);
	uv_stop(&loop->uv);
}

struct loop *loop_new(const char *thread_name)
{
	struct loop *loop = mem_new(struct loop);

	snprintf(loop->name, sizeof(loop->name), "%s", thread_name);
	loop->stop.run = stop_here;
	loop->read_at = mem_alloc(LOOP_READ_OCTETS);
	list_init(&loop->streams);
	list_init(&loop->due);
	start_handles(loop);
	stream_line_init(loop);
	return loop;
}

static void close_handles(struct loop *loop)
{
	uv_close((uv_handle_t *)&loop->wake, NULL);
	uv_close((uv_handle_t *)&loop->clock, NULL);
	uv_close((uv_handle_t *)&loop->restless, NULL);
	uv_close((uv_handle_t *)&loop->before_poll, NULL);
	uv_close((uv_handle_t *)&loop->after_poll, NULL);
	uv_close((uv_handle_t *)&loop->line_turn, NULL);
}

static void close_forgotten(uv_handle_t *handle, void *user)
{
	(void)user;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Streams tell their users that they are gone, and posted work is run: what hangs on the loop can
 * be freed by its owner. Timers do not fire any more. */
static void run_down(struct loop *loop)
{
	current = loop;
	loop->is_running_down = true;
	uv_timer_stop(&loop->clock);
	stream_end_all(loop);
	do {
		run_posted(loop);
		uv_run(&loop->uv, UV_RUN_NOWAIT);
	} while (loop->todo || atomic_load(&loop->posted) || !list_is_empty(&loop->streams));
	close_handles(loop);
	uv_walk(&loop->uv, close_forgotten, NULL);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	current = NULL;
}

void loop_free(struct loop **loop_at)
{
	struct loop *loop = *loop_at;

	if (loop == NULL)
		return;
	*loop_at = NULL;
	require(!loop->has_thread);
	run_down(loop);
	require(uv_loop_close(&loop->uv) == 0);
	while (loop->spares)
		buf_fini(&loop->spare[--loop->spares]);
	heap_fini(&loop->timers);
	free(loop->read_at);
	free(loop);
}

/* libuv writes without MSG_NOSIGNAL. */
static void block_sigpipe(sigset_t *before)
{
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe, before);
}

/* One that came meanwhile was for a write of ours, and is not left to be delivered now. */
static void unblock_sigpipe(const sigset_t *before)
{
	const struct timespec at_once = { 0 };
	sigset_t pipe;

	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	while (sigtimedwait(&pipe, NULL, &at_once) > 0)
		;
	pthread_sigmask(SIG_SETMASK, before, NULL);
}

void loop_run(struct loop *loop)
{
	const struct loop *outer = current;
	sigset_t before;

	block_sigpipe(&before);
	current = loop;
	uv_update_time(&loop->uv);
	uv_run(&loop->uv, UV_RUN_DEFAULT);
	current = outer;
	unblock_sigpipe(&before);
}

static void *thread_main(void *arg)
{
	struct loop *loop = arg;

	loop_run(loop);
	return NULL;
}

void loop_start(struct loop *loop)
{
	require(!loop->has_thread);
	thread_start(&loop->thread, loop->name, thread_main, loop);
	loop->has_thread = true;
}

void loop_stop(struct loop *loop)
{
	/* Across, also from the loop itself: behind what other threads have posted. */
	if (!atomic_exchange(&loop->is_stopping, true))
		post_across(loop, &loop->stop);
}

void loop_join(struct loop *loop)
{
	if (!loop->has_thread)
		return;
	require(pthread_join(loop->thread, NULL) == 0);
	loop->has_thread = false;
}
