#include "io/worker.h"

#include "base/mem.h"
#include "base/require.h"
#include "worker_inside.h"

#include <errno.h>
#include <stdlib.h>

/* Asks */

static void done_at_home(struct work *work)
{
	struct worker_ask *ask = work_entry(work, struct worker_ask, work);

	ask->done(ask);
}

static void finish(struct worker_ask *ask, int status)
{
	buf_wipe(&ask->request);
	ask->status = status;
	ask->work.run = done_at_home;
	loop_post(ask->home, &ask->work);
}

static struct worker_ask *first_waiting(const struct worker_pool *pool)
{
	struct list_node *n = list_first(&pool->waiting);

	return n ? list_entry(n, struct worker_ask, node) : NULL;
}

static int64_t left_ms(const struct worker_pool *pool, const struct worker_ask *ask)
{
	return ask->due_ms - loop_now_ms(pool->loop);
}

static void wait_for_first(struct worker_pool *pool)
{
	const struct worker_ask *ask = first_waiting(pool);

	if (ask)
		timer_set(pool->loop, &pool->patience, left_ms(pool, ask));
	else
		timer_clear(pool->loop, &pool->patience);
}

/* All have the same deadline, so who came first is due first. */
static void end_overdue(struct worker_pool *pool)
{
	struct worker_ask *ask;

	while ((ask = first_waiting(pool)) && left_ms(pool, ask) <= 0) {
		list_remove(&pool->waiting, &ask->node);
		finish(ask, -ETIMEDOUT);
	}
}

static void on_patience(struct timer *timer)
{
	struct worker_pool *pool = timer_entry(timer, struct worker_pool, patience);

	end_overdue(pool);
	wait_for_first(pool);
}

/* Workers */

static void tell_trouble(struct worker_pool *pool, int code, const char *what)
{
	struct fault fault = { 0 };

	if (pool->conf.trouble == NULL)
		return;
	fault_set(&fault, code, "a worker process %s", what);
	pool->conf.trouble(pool->conf.user, &fault);
}

static void assign(struct worker *worker, struct worker_ask *ask)
{
	worker->ask = ask;
	list_push_front(&worker->pool->busy, &worker->node);
	timer_set(worker->pool->loop, &worker->deadline, left_ms(worker->pool, ask));
	worker_send(worker, buf_span(&ask->request));
	buf_wipe(&ask->request);
}

static void on_deadline(struct timer *timer)
{
	struct worker *worker = timer_entry(timer, struct worker, deadline);

	worker_failed(worker, -ETIMEDOUT, "gave no answer in time and was killed");
}

static struct worker *start_worker(struct worker_pool *pool)
{
	struct worker *worker = worker_open(pool);

	if (worker)
		worker->deadline.fire = on_deadline;
	else
		tell_trouble(pool, -errno,
			     "could not be started: the spawner does not answer, or "
			     "descriptors ran out");
	return worker;
}

/* NULL: none is free and none may be started. */
static struct worker *free_worker(struct worker_pool *pool, bool *is_lack)
{
	struct list_node *n = list_pop_front(&pool->idle);
	struct worker *worker;

	*is_lack = false;
	if (n)
		return list_entry(n, struct worker, node);
	if (pool->busy.count >= pool->conf.most)
		return NULL;
	worker = start_worker(pool);
	/* With others at work there will be a free one. */
	*is_lack = worker == NULL && pool->busy.count == 0;
	return worker;
}

static void serve_waiting(struct worker_pool *pool)
{
	struct worker_ask *ask;
	struct worker *worker;
	bool is_lack;

	end_overdue(pool);
	while ((ask = first_waiting(pool))) {
		worker = free_worker(pool, &is_lack);
		if (worker == NULL && !is_lack)
			break;
		list_remove(&pool->waiting, &ask->node);
		if (worker)
			assign(worker, ask);
		else
			finish(ask, -EAGAIN);
	}
	wait_for_first(pool);
}

void worker_answered(struct worker *worker, struct span payload)
{
	struct worker_pool *pool = worker->pool;
	struct worker_ask *ask = worker->ask;

	worker->ask = NULL;
	timer_clear(pool->loop, &worker->deadline);
	list_remove(&pool->busy, &worker->node);
	buf_clear(&ask->answer);
	buf_put_span(&ask->answer, payload);
	buf_wipe(&worker->in);
	finish(ask, 0);
	if (worker->generation == pool->generation)
		list_push_front(&pool->idle, &worker->node);
	else
		worker_close(worker);
	serve_waiting(pool);
}

void worker_failed(struct worker *worker, int code, const char *what)
{
	struct worker_pool *pool = worker->pool;
	struct worker_ask *ask = worker->ask;

	list_remove(ask ? &pool->busy : &pool->idle, &worker->node);
	spawner_kill_worker(pool->conf.spawner, worker->number);
	worker_close(worker);
	if (ask)
		finish(ask, code == -ETIMEDOUT ? code : -EPIPE);
	tell_trouble(pool, code, what);
	serve_waiting(pool);
}

/* The pool */

static void arrive(struct work *work)
{
	struct worker_ask *ask = work_entry(work, struct worker_ask, work);
	struct worker_pool *pool = ask->pool;

	ask->due_ms = loop_now_ms(pool->loop) + pool->conf.deadline_ms;
	list_push_back(&pool->waiting, &ask->node);
	serve_waiting(pool);
	/* The newest goes: those before it have waited longer. */
	if (pool->waiting.count > pool->conf.waiting) {
		list_remove(&pool->waiting, &ask->node);
		finish(ask, -EAGAIN);
	}
}

void worker_ask(struct worker_pool *pool, struct worker_ask *ask)
{
	ask->pool = pool;
	ask->work.run = arrive;
	loop_post(pool->loop, &ask->work);
}

struct worker_pool *worker_pool_new(struct loop *loop, const struct worker_pool_conf *conf)
{
	struct worker_pool *pool = mem_new(struct worker_pool);

	require(conf->most > 0);
	pool->loop = loop;
	pool->conf = *conf;
	buf_put_span(&pool->hello, conf->hello);
	pool->conf.hello = buf_span(&pool->hello);
	pool->patience.fire = on_patience;
	list_init(&pool->idle);
	list_init(&pool->busy);
	list_init(&pool->waiting);
	return pool;
}

static void close_idle(struct worker_pool *pool)
{
	struct list_node *n;

	while ((n = list_pop_front(&pool->idle)))
		worker_close(list_entry(n, struct worker, node));
}

void worker_pool_renew(struct worker_pool *pool, struct span hello)
{
	buf_clear(&pool->hello);
	buf_put_span(&pool->hello, hello);
	pool->conf.hello = buf_span(&pool->hello);
	pool->generation++;
	close_idle(pool);
}

void worker_pool_free(struct worker_pool **pool_at)
{
	struct worker_pool *pool = *pool_at;
	struct list_node *n;

	*pool_at = NULL;
	if (pool == NULL)
		return;
	timer_clear(pool->loop, &pool->patience);
	close_idle(pool);
	while ((n = list_pop_front(&pool->busy))) {
		struct worker *worker = list_entry(n, struct worker, node);

		spawner_kill_worker(pool->conf.spawner, worker->number);
		finish(worker->ask, -ECANCELED);
		worker_close(worker);
	}
	while ((n = list_pop_front(&pool->waiting)))
		finish(list_entry(n, struct worker_ask, node), -ECANCELED);
	buf_wipe(&pool->hello);
	free(pool);
}
