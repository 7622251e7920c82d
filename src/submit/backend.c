#include "backend.h"

#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

enum { AGAIN_MS = 2000 };

struct submit_backend {
	atomic_bool is_down;
	atomic_bool is_asked; /* one of the loops sees to it */
	pthread_mutex_t lock; /* for what follows: while it is down, since when and why */
	int64_t since_ms;
	struct fault why;
};

/* Lives until its answer is here, also when the submit is gone before. */
struct probe {
	struct worker_ask ask;
	struct timer again;
	struct submit *submit; /* NULL: gone */
	struct submit_backend *backend;
	bool is_under_way;
};

struct submit_backend *submit_backend_new(void)
{
	struct submit_backend *backend = mem_new(struct submit_backend);

	pthread_mutex_init(&backend->lock, NULL);
	return backend;
}

void submit_backend_free(struct submit_backend **backend)
{
	if (*backend == NULL)
		return;
	pthread_mutex_destroy(&(*backend)->lock);
	free(*backend);
	*backend = NULL;
}

bool submit_backend_is_up(struct submit_backend *backend, int64_t *since_ms, struct fault *why)
{
	bool is_down;

	pthread_mutex_lock(&backend->lock);
	is_down = atomic_load(&backend->is_down);
	if (is_down) {
		*since_ms = backend->since_ms;
		*why = backend->why;
	}
	pthread_mutex_unlock(&backend->lock);
	return !is_down;
}

bool backend_is_down(const struct submit *submit)
{
	return submit->conf.backend && atomic_load(&submit->conf.backend->is_down);
}

/* The time is that of the first bad answer, the reason that of the last one. */
static bool note(struct submit_backend *backend, bool is_down, struct span detail)
{
	bool was_down;

	pthread_mutex_lock(&backend->lock);
	was_down = atomic_exchange(&backend->is_down, is_down);
	if (is_down && !was_down)
		backend->since_ms = wall_now_ms();
	if (is_down)
		fault_set(&backend->why, -EAGAIN, "%.*s", (int)detail.len,
			  detail.len ? (const char *)detail.at : "");
	pthread_mutex_unlock(&backend->lock);
	return was_down != is_down;
}

static void tell(struct submit *submit, bool is_down, struct span detail)
{
	struct logline l;

	if (!note(submit->conf.backend, is_down, detail))
		return;
	logline_start(&l, is_down ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
		      is_down ? "logins-down" : "logins-up");
	if (is_down) {
		logline_span(&l, "reason", detail);
		logline_text(&l, "effect", "new sessions are answered 421");
	}
	log_put(submit->conf.log, &l);
}

static void probe_free(struct submit *submit)
{
	struct probe *p = submit->probe;

	submit->probe = NULL;
	timer_clear(submit->conf.loop, &p->again);
	buf_fini(&p->ask.request);
	buf_fini(&p->ask.answer);
	free(p);
}

static void ask(struct probe *p);

static void on_again(struct timer *timer)
{
	ask(timer_entry(timer, struct probe, again));
}

/* A worker that could not be asked says as much as one that says no. */
static bool is_good(const struct worker_ask *ask, struct span *detail)
{
	struct auth_answer answer;

	*detail = span_text("no login worker answers");
	if (ask->status < 0 || auth_answer_decode(buf_span(&ask->answer), &answer) < 0)
		return false;
	*detail = answer.detail;
	return answer.verdict == AUTH_OK;
}

static void on_answer(struct worker_ask *worker_ask)
{
	struct probe *p = work_entry(worker_ask, struct probe, ask);
	struct submit *submit = p->submit;
	struct span detail;
	bool is_up = is_good(&p->ask, &detail);

	p->is_under_way = false;
	if (submit == NULL) {
		buf_fini(&p->ask.request);
		buf_fini(&p->ask.answer);
		free(p);
		return;
	}
	/* A crowd of logins before it says nothing of the back end. */
	if (p->ask.status != -EAGAIN)
		tell(submit, !is_up, detail);
	buf_clear(&p->ask.answer);
	if (is_up) {
		atomic_store(&p->backend->is_asked, false);
		probe_free(submit);
		return;
	}
	timer_set(submit->conf.loop, &p->again, AGAIN_MS);
}

static void ask(struct probe *p)
{
	const struct auth_request request = { 0 };

	buf_clear(&p->ask.request);
	auth_request_encode(&request, &p->ask.request);
	p->ask.home = p->submit->conf.loop;
	p->ask.done = on_answer;
	p->ask.worker = 0;
	p->is_under_way = true;
	worker_ask(p->submit->conf.logins, &p->ask);
}

void submit_probe(struct submit *submit)
{
	struct submit_backend *backend = submit->conf.backend;

	if (backend == NULL || submit->is_stopping || atomic_exchange(&backend->is_asked, true))
		return;
	submit->probe = mem_new(struct probe);
	submit->probe->submit = submit;
	submit->probe->backend = backend;
	submit->probe->again.fire = on_again;
	ask(submit->probe);
}

/* Too many at once (-EAGAIN) is no fault of the back end's, and neither is a worker that was replaced. */
void backend_heard(struct submit *submit, int status, enum auth_verdict verdict)
{
	if (verdict == AUTH_UNAVAILABLE && status != -EAGAIN && status != -ESTALE)
		submit_probe(submit);
}

void backend_leave(struct submit *submit)
{
	struct probe *p = submit->probe;

	if (p == NULL)
		return;
	atomic_store(&p->backend->is_asked, false);
	if (!p->is_under_way) {
		probe_free(submit);
		return;
	}
	submit->probe = NULL;
	p->submit = NULL;
}
