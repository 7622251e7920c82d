#include "io/worker.h"

#include "worker_inside.h"

#include <errno.h>

/* One deadline holds for all, so who came first is due first, and who works is due before those in its
 * line: a line needs no timer of its own, the worker's ends it. */

static void done_at_home(struct work *work)
{
	struct worker_ask *ask = work_entry(work, struct worker_ask, work);

	ask->done(ask);
}

void worker_ask_finish(struct worker_ask *ask, int status)
{
	buf_wipe(&ask->request);
	atomic_fetch_sub(&ask->pool->asks, 1);
	ask->status = status;
	ask->work.run = done_at_home;
	loop_post(ask->home, &ask->work);
}

int64_t worker_ask_left_ms(const struct worker_pool *pool, const struct worker_ask *ask)
{
	return ask->due_ms - loop_now_ms(pool->loop);
}

static struct worker *find_in(struct list *workers, uint64_t number)
{
	list_each (workers, n) {
		struct worker *worker = list_entry(n, struct worker, node);

		if (worker->number == number)
			return worker;
	}
	return NULL;
}

struct worker *worker_find(struct worker_pool *pool, uint64_t number)
{
	struct worker *worker = find_in(&pool->idle, number);

	return worker ? worker : find_in(&pool->busy, number);
}

static struct worker_ask *first_of(const struct list *asks)
{
	struct list_node *n = list_first(asks);

	return n ? list_entry(n, struct worker_ask, node) : NULL;
}

static struct worker_ask *leave_line(struct worker *worker)
{
	struct worker_ask *ask = first_of(&worker->line);

	list_remove(&worker->line, &ask->node);
	worker->pool->lined--;
	return ask;
}

void worker_line_join(struct worker *worker, struct worker_ask *ask)
{
	struct worker_pool *pool = worker->pool;

	if (pool->waiting.count + pool->lined >= pool->conf.waiting) {
		worker_ask_finish(ask, -EAGAIN);
		return;
	}
	list_push_back(&worker->line, &ask->node);
	pool->lined++;
}

void worker_line_leave(struct worker_ask *ask)
{
	struct worker *worker = worker_find(ask->pool, ask->worker);

	list_remove(&worker->line, &ask->node);
	ask->pool->lined--;
}

void worker_line_end(struct worker *worker, int status)
{
	while (first_of(&worker->line))
		worker_ask_finish(leave_line(worker), status);
}

void worker_end_overdue(struct worker_pool *pool)
{
	struct worker_ask *ask;

	while ((ask = first_of(&pool->waiting)) && worker_ask_left_ms(pool, ask) <= 0) {
		list_remove(&pool->waiting, &ask->node);
		worker_ask_finish(ask, -ETIMEDOUT);
	}
}

static int64_t waited_ms(const struct worker_pool *pool, const struct worker_ask *ask)
{
	return ask ? pool->conf.deadline_ms - worker_ask_left_ms(pool, ask) : 0;
}

static bool has_free_worker(const struct worker_pool *pool)
{
	return pool->idle.count || pool->busy.count < pool->conf.most;
}

/* A line at one worker, while another is free, holds up nobody who comes. */
int64_t worker_waited_ms(const struct worker_pool *pool)
{
	int64_t most = waited_ms(pool, first_of(&pool->waiting));

	if (pool->lined == 0 || has_free_worker(pool))
		return most;
	list_each (&pool->busy, n) {
		struct worker *worker = list_entry(n, struct worker, node);
		int64_t waited = waited_ms(pool, first_of(&worker->line));

		most = waited > most ? waited : most;
	}
	return most;
}

struct worker_ask *worker_next_ask(struct worker *worker)
{
	struct worker_pool *pool = worker->pool;
	struct worker_ask *own, *any;

	while ((own = first_of(&worker->line)) && worker_ask_left_ms(pool, own) <= 0)
		worker_ask_finish(leave_line(worker), -ETIMEDOUT);
	worker_end_overdue(pool);
	any = first_of(&pool->waiting);
	if (any && (own == NULL || any->due_ms < own->due_ms)) {
		list_remove(&pool->waiting, &any->node);
		return any;
	}
	return own ? leave_line(worker) : NULL;
}
