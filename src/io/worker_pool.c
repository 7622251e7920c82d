#include "io/worker.h"

#include "base/mem.h"
#include "base/require.h"
#include "worker_inside.h"

#include <errno.h>
#include <stdlib.h>

/* Asks */

static struct worker_ask *first_waiting(const struct worker_pool *pool)
{
	struct list_node *n = list_first(&pool->waiting);

	return n ? list_entry(n, struct worker_ask, node) : NULL;
}

static void wait_for_first(struct worker_pool *pool)
{
	const struct worker_ask *ask = first_waiting(pool);

	if (ask)
		timer_set(pool->loop, &pool->patience, worker_ask_left_ms(pool, ask));
	else
		timer_clear(pool->loop, &pool->patience);
}

static void on_patience(struct timer *timer)
{
	struct worker_pool *pool = timer_entry(timer, struct worker_pool, patience);

	worker_end_overdue(pool);
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
	timer_set(worker->pool->loop, &worker->deadline, worker_ask_left_ms(worker->pool, ask));
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

	worker_end_overdue(pool);
	while ((ask = first_waiting(pool))) {
		worker = free_worker(pool, &is_lack);
		if (worker == NULL && !is_lack)
			break;
		list_remove(&pool->waiting, &ask->node);
		if (worker)
			assign(worker, ask);
		else
			worker_ask_finish(ask, -ECHILD);
	}
	wait_for_first(pool);
}

/* It is free: for the next that waits, or to be replaced when it knows old settings only. */
static void go_on(struct worker *worker)
{
	struct worker_pool *pool = worker->pool;
	struct worker_ask *next;

	list_remove(&pool->busy, &worker->node);
	if (worker->generation != pool->generation) {
		worker_line_end(worker, -ESTALE);
		worker_close(worker);
	} else if ((next = worker_next_ask(worker))) {
		assign(worker, next);
	} else {
		list_push_front(&pool->idle, &worker->node);
	}
	serve_waiting(pool);
}

void worker_answered(struct worker *worker, struct span payload)
{
	struct worker_ask *ask = worker->ask;

	worker->ask = NULL;
	timer_clear(worker->pool->loop, &worker->deadline);
	buf_clear(&ask->answer);
	buf_put_span(&ask->answer, payload);
	buf_wipe(&worker->in);
	ask->worker = worker->number;
	worker_ask_finish(ask, 0);
	go_on(worker);
}

void worker_failed(struct worker *worker, int code, const char *what)
{
	struct worker_pool *pool = worker->pool;
	struct worker_ask *ask = worker->ask;

	list_remove(ask ? &pool->busy : &pool->idle, &worker->node);
	spawner_kill_worker(pool->conf.spawner, worker->number);
	if (ask)
		worker_ask_finish(ask, code == -ETIMEDOUT ? code : -EPIPE);
	worker_line_end(worker, -ESTALE);
	worker_close(worker);
	tell_trouble(pool, code, what);
	serve_waiting(pool);
}

/* The pool */

/* While one is idle nobody waits for any, so that nobody is overtaken. */
static void ask_certain(struct worker_pool *pool, struct worker_ask *ask)
{
	struct worker *worker = worker_find(pool, ask->worker);

	if (worker == NULL) {
		worker_ask_finish(ask, -ESTALE);
	} else if (worker->ask) {
		worker_line_join(worker, ask);
	} else {
		list_remove(&pool->idle, &worker->node);
		assign(worker, ask);
	}
}

static void ask_any(struct worker_pool *pool, struct worker_ask *ask)
{
	list_push_back(&pool->waiting, &ask->node);
	serve_waiting(pool);
	/* The newest goes: those before it have waited longer. If any waits, it does; else it may be gone. */
	if (!list_is_empty(&pool->waiting) &&
	    pool->waiting.count + pool->lined > pool->conf.waiting) {
		list_remove(&pool->waiting, &ask->node);
		worker_ask_finish(ask, -EAGAIN);
	}
}

static void arrive(struct work *work)
{
	struct worker_ask *ask = work_entry(work, struct worker_ask, work);
	struct worker_pool *pool = ask->pool;

	ask->due_ms = loop_now_ms(pool->loop) + pool->conf.deadline_ms;
	if (ask->is_withdrawn)
		worker_ask_finish(ask, -ECANCELED);
	else if (ask->worker)
		ask_certain(pool, ask);
	else
		ask_any(pool, ask);
}

void worker_ask(struct worker_pool *pool, struct worker_ask *ask)
{
	ask->pool = pool;
	ask->is_withdrawn = false;
	ask->work.run = arrive;
	atomic_fetch_add(&pool->asks, 1);
	loop_post(pool->loop, &ask->work);
}

/* What is in no line either has not arrived, and ends when it does, or is a worker's, or has ended: then
 * the pool may be gone. */
void worker_ask_withdraw(struct worker_ask *ask)
{
	ask->is_withdrawn = true;
	if (!list_holds(&ask->node))
		return;
	if (ask->worker) {
		worker_line_leave(ask);
	} else {
		list_remove(&ask->pool->waiting, &ask->node);
		wait_for_first(ask->pool);
	}
	worker_ask_finish(ask, -ECANCELED);
}

static unsigned crowd_of(const struct worker_pool *pool)
{
	return pool->conf.most + pool->conf.waiting - pool->conf.waiting / 4;
}

bool worker_pool_is_crowded(const struct worker_pool *pool)
{
	return atomic_load(&pool->asks) >= crowd_of(pool) ||
	       worker_waited_ms(pool) >= (pool->conf.deadline_ms + 1) / 2;
}

bool worker_pool_is_filling(const struct worker_pool *pool)
{
	return atomic_load(&pool->asks) >= (crowd_of(pool) + 1) / 2 ||
	       worker_waited_ms(pool) >= (pool->conf.deadline_ms + 3) / 4;
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
		worker_ask_finish(worker->ask, -ECANCELED);
		worker_line_end(worker, -ECANCELED);
		worker_close(worker);
	}
	while ((n = list_pop_front(&pool->waiting)))
		worker_ask_finish(list_entry(n, struct worker_ask, node), -ECANCELED);
	buf_wipe(&pool->hello);
	free(pool);
}
