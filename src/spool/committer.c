#include "committer.h"

#include "batch.h"
#include "head.h"
#include "reclaim.h"
#include "space.h"

#include <signal.h>
#include <string.h>
#include <time.h>

enum { TICK_MS = 1000 };

static void move_all(struct list *from, struct list *to)
{
	list_init(to);
	if (list_is_empty(from))
		return;
	to->head = from->head;
	to->head.next->prev = &to->head;
	to->head.prev->next = &to->head;
	to->count = from->count;
	list_init(from);
}

/* What waits, when one of it is urgent or the lazy ones have waited long enough. */
static bool take_due(struct spool *s, bool all, struct list *out)
{
	struct waiting *w = &s->waiting;
	bool is_due;

	list_init(out);
	pthread_mutex_lock(&w->lock);
	if (w->lazy_since_ms < 0 && !list_is_empty(&w->writes))
		w->lazy_since_ms = s->now_ms;
	is_due = !list_is_empty(&w->writes) &&
		 (all || w->urgent || s->now_ms - w->lazy_since_ms >= s->conf.lazy_ms);
	if (is_due) {
		move_all(&w->writes, out);
		w->urgent = w->to_sync = 0;
		w->lazy_since_ms = -1;
	}
	pthread_mutex_unlock(&w->lock);
	return is_due;
}

static void write_owed(struct spool *s)
{
	struct list none;

	list_init(&none);
	if (s->owed.count)
		batch_run(s, &none);
}

/* Once a second: room, a new attempt at a broken segment, and settle records that nothing came to
 * sync. */
static void tick(struct spool *s)
{
	struct fault fault;

	s->next_tick_ms = s->now_ms + TICK_MS;
	space_look(s);
	reclaim_for_room(s);
	if (s->head.fd < 0)
		head_ready(s, &fault);
	write_owed(s);
	if (s->unsynced.count)
		head_sync(s, &fault);
}

bool committer_step(struct spool *s, int64_t now_ms)
{
	struct list writes;

	s->now_ms = now_ms;
	if (take_due(s, false, &writes)) {
		batch_run(s, &writes);
		s->awake_until_ms = now_ms + s->conf.lazy_ms;
	}
	if (now_ms >= s->next_tick_ms)
		tick(s);
	return reclaim_step(s);
}

void committer_finish(struct spool *s)
{
	struct list writes;
	struct fault fault;

	while (take_due(s, true, &writes))
		batch_run(s, &writes);
	write_owed(s);
	head_sync(s, &fault);
}

static int64_t clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t clock_ms(void)
{
	return clock_us() / 1000;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* After a batch it sleeps no longer than lazy_ms: under load no lazy write needs to wake it. */
static int64_t wake_time(const struct spool *s)
{
	int64_t until = s->next_tick_ms;

	if (s->waiting.lazy_since_ms >= 0)
		return earlier(until, s->waiting.lazy_since_ms + s->conf.lazy_ms);
	return s->awake_until_ms > s->now_ms ? earlier(until, s->awake_until_ms) : until;
}

static bool has_unseen_lazy(const struct waiting *w)
{
	return w->lazy_since_ms < 0 && !list_is_empty(&w->writes);
}

/* Until the time is over, or as many wait as are wanted, or the end has come. */
static void wait_for_company(struct waiting *w, int64_t us)
{
	int64_t at = clock_us() + us;
	struct timespec until = { at / 1000000, at % 1000000 * 1000 };

	w->is_gathering = true;
	while (!w->is_stopping && w->to_sync < GATHER_GOAL &&
	       pthread_cond_timedwait(&w->wake, &w->lock, &until) == 0)
		;
	w->is_gathering = false;
}

/* Under the lock. */
static void gather(struct spool *s)
{
	struct waiting *w = &s->waiting;
	int64_t slice_us = s->conf.gather_us / GATHER_SLICES;
	bool pays = true;

	if (gather_begins(&s->gather, clock_us(), w->to_sync, s->conf.gather_us)) {
		for (int i = 0; pays && i < GATHER_SLICES && w->to_sync < GATHER_GOAL; i++) {
			size_t before = w->to_sync;

			wait_for_company(w, slice_us);
			pays = !w->is_stopping &&
			       gather_pays(&s->gather, slice_us, before, w->to_sync);
		}
		gather_ended(&s->gather, pays);
	}
	gather_taken(&s->gather, clock_us(), w->to_sync);
}

/* False: the end has come. */
static bool sleep_until_due(struct spool *s)
{
	struct waiting *w = &s->waiting;
	int64_t until;
	bool go_on;

	pthread_mutex_lock(&w->lock);
	until = wake_time(s);
	w->is_sleeping_long = until - s->now_ms > s->conf.lazy_ms;
	while (!w->is_stopping && !w->urgent && !(w->is_sleeping_long && has_unseen_lazy(w))) {
		struct timespec at = { until / 1000, until % 1000 * 1000000 };

		if (clock_ms() >= until)
			break;
		pthread_cond_timedwait(&w->wake, &w->lock, &at);
	}
	w->is_sleeping_long = false;
	gather(s);
	go_on = !w->is_stopping;
	pthread_mutex_unlock(&w->lock);
	return go_on;
}

static void *run(void *arg)
{
	struct spool *s = arg;

	do {
		while (committer_step(s, clock_ms()))
			;
	} while (sleep_until_due(s));
	return NULL;
}

/* Signals belong to the main loop. */
int committer_start(struct spool *s, struct fault *fault)
{
	sigset_t all, before;
	int status;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	status = pthread_create(&s->thread, NULL, run, s);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (status)
		return fault_set(fault, -status, "starting the spool's thread: %s",
				 strerror(status));
	s->has_thread = true;
	pthread_setname_np(s->thread, "spool");
	return 0;
}

void committer_stop(struct spool *s)
{
	if (!s->has_thread)
		return;
	pthread_mutex_lock(&s->waiting.lock);
	s->waiting.is_stopping = true;
	pthread_cond_signal(&s->waiting.wake);
	pthread_mutex_unlock(&s->waiting.lock);
	pthread_join(s->thread, NULL);
	s->has_thread = false;
}
