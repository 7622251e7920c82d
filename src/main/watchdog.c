#include "watchdog.h"

#include "base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <systemd/sd-daemon.h>

struct watchdog {
	struct work token;
	struct timer timer;
	struct loop *main_loop;
	struct loop **loops;
	unsigned count, at;
	int64_t period_ms;
	atomic_bool is_stopped;
};

static void run_token(struct work *work)
{
	struct watchdog *w = work_entry(work, struct watchdog, token);

	if (atomic_load(&w->is_stopped))
		return;
	if (w->at < w->count) {
		loop_post(w->loops[w->at++], &w->token);
		return;
	}
	if (loop_is_here(w->main_loop)) {
		sd_notify(0, "WATCHDOG=1");
		timer_set(w->main_loop, &w->timer, w->period_ms);
		return;
	}
	loop_post(w->main_loop, &w->token);
}

static void on_period(struct timer *timer)
{
	struct watchdog *w = timer_entry(timer, struct watchdog, timer);

	w->at = 0;
	run_token(&w->token);
}

struct watchdog *watchdog_start(struct loop *main_loop, struct loop *const *loops, unsigned count)
{
	uint64_t usec = 0;
	struct watchdog *w;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return NULL;
	w = mem_new(struct watchdog);
	w->main_loop = main_loop;
	w->count = count;
	w->loops = mem_array(count, sizeof(struct loop *));
	for (unsigned i = 0; i < count; i++)
		w->loops[i] = loops[i];
	w->token.run = run_token;
	w->timer.fire = on_period;
	w->period_ms = (int64_t)(usec / 1000 / 3);
	timer_set(main_loop, &w->timer, 0);
	return w;
}

void watchdog_stop(struct watchdog *w)
{
	if (w == NULL)
		return;
	atomic_store(&w->is_stopped, true);
	timer_clear(w->main_loop, &w->timer);
}

void watchdog_free(struct watchdog **watchdog)
{
	struct watchdog *w = *watchdog;

	*watchdog = NULL;
	if (w == NULL)
		return;
	free(w->loops);
	free(w);
}
