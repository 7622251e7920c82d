#include "io/loop.h"

#include "base/mem.h"
#include "base/require.h"
#include "loop_inside.h"
#include "thread.h"

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

void loop_hurry(struct loop *loop)
{
	require(uv_async_send(&loop->wake) == 0);
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

static void take_posted(struct loop *loop)
{
	struct work *w = turned_round(atomic_exchange(&loop->posted, NULL));

	*loop->todo_end = w;
	for (; w; w = w->next)
		loop->todo_end = &w->next;
}

static void run_posted(struct loop *loop)
{
	take_posted(loop);
	for (unsigned n = 0; loop->todo && n < WORK_PER_TURN; n++) {
		struct work *w = loop->todo;

		loop->todo = w->next;
		if (loop->todo == NULL)
			loop->todo_end = &loop->todo;
		w->next = NULL;
		w->run(w);
	}
	if (loop->todo)
		loop_hurry(loop);
}

static void on_wake(uv_async_t *wake)
{
	run_posted(wake->data);
}

void loop_post(struct loop *loop, struct work *work)
{
	struct work *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);

	do {
		work->next = head;
	} while (!atomic_compare_exchange_weak(&loop->posted, &head, work));
	/* Who finds the stack empty wakes the loop; the others know that it is being woken. */
	if (head == NULL)
		loop_hurry(loop);
}

void loop_post_home(void *loop, struct work *work)
{
	loop_post(loop, work);
}

/* Deadlines */

static void on_clock(uv_timer_t *clock);

static void arm(struct loop *loop)
{
	const struct heap_node *first = heap_first(&loop->timers);
	int64_t now = loop_now_ms(loop);

	if (loop->is_running_down || first == NULL || first->key >= loop->armed_ms)
		return;
	loop->armed_ms = first->key;
	uv_timer_start(&loop->clock, on_clock, (uint64_t)(first->key > now ? first->key - now : 0),
		       0);
}

static void on_clock(uv_timer_t *clock)
{
	struct loop *loop = clock->data;
	int64_t now = loop_now_ms(loop);
	struct heap_node *n;

	loop->armed_ms = INT64_MAX;
	while ((n = heap_first(&loop->timers)) && n->key <= now) {
		struct timer *timer = timer_entry(n, struct timer, node);

		heap_remove(&loop->timers, n);
		timer->fire(timer);
	}
	arm(loop);
}

void timer_set(struct loop *loop, struct timer *timer, int64_t in_ms)
{
	const int64_t most = INT64_C(1) << 42; /* more than a century */

	/* Before it runs, nobody keeps the loop's clock. */
	if (!loop_is_here(loop))
		uv_update_time(&loop->uv);
	/* At least 1: a timer set again by its own fire() waits for a later turn. */
	in_ms = in_ms < 1 ? 1 : in_ms > most ? most : in_ms;
	heap_remove(&loop->timers, &timer->node);
	heap_insert(&loop->timers, &timer->node, loop_now_ms(loop) + in_ms);
	arm(loop);
}

void timer_clear(struct loop *loop, struct timer *timer)
{
	/* The kernel's timer stays: one early wake-up costs less than moving it each time. */
	heap_remove(&loop->timers, &timer->node);
}

int64_t loop_now_ms(const struct loop *loop)
{
	return (int64_t)uv_now(&loop->uv);
}

bool loop_is_late(const struct loop *loop)
{
	enum { TURN_MS = 4, NS_PER_MS = 1000000 };

	return uv_hrtime() / NS_PER_MS >= uv_now(&loop->uv) + TURN_MS;
}

/* Bufs that streams need only for a moment */

void loop_lend(struct loop *loop, struct buf *b)
{
	if (b->at == NULL && loop->spares)
		*b = loop->spare[--loop->spares];
}

void loop_return(struct loop *loop, struct buf *b)
{
	enum { SMALL = 4096 };

	if (b->at == NULL)
		return;
	mem_wipe(b->at, b->cap < SMALL ? b->cap : SMALL);
	buf_clear(b);
	if (loop->spares < LOOP_SPARE_BUFS && b->cap <= LOOP_SPARE_OCTETS)
		loop->spare[loop->spares++] = *b;
	else
		buf_fini(b);
	*b = (struct buf){ 0 };
}

/* Life */

static void on_prepare(uv_prepare_t *prepare)
{
	stream_run_due(prepare->data);
}

static void on_check(uv_check_t *check)
{
	stream_run_due(check->data);
}

static void start_handles(struct loop *loop)
{
	require(uv_loop_init(&loop->uv) == 0);
	require(uv_async_init(&loop->uv, &loop->wake, on_wake) == 0);
	uv_timer_init(&loop->uv, &loop->clock);
	uv_prepare_init(&loop->uv, &loop->before_poll);
	uv_check_init(&loop->uv, &loop->after_poll);
	uv_prepare_start(&loop->before_poll, on_prepare);
	uv_check_start(&loop->after_poll, on_check);
	loop->wake.data = loop->clock.data = loop->before_poll.data = loop->after_poll.data = loop;
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
	loop->armed_ms = INT64_MAX;
	loop->todo_end = &loop->todo;
	loop->stop.run = stop_here;
	loop->read_at = mem_alloc(LOOP_READ_OCTETS);
	loop->plain_at = mem_alloc(LOOP_READ_OCTETS);
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
	uv_close((uv_handle_t *)&loop->before_poll, NULL);
	uv_close((uv_handle_t *)&loop->after_poll, NULL);
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
	free(loop->plain_at);
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
	if (!atomic_exchange(&loop->is_stopping, true))
		loop_post(loop, &loop->stop);
}

void loop_join(struct loop *loop)
{
	if (!loop->has_thread)
		return;
	require(pthread_join(loop->thread, NULL) == 0);
	loop->has_thread = false;
}
