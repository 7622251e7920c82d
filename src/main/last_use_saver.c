#include "last_use_saver.h"

#include "base/mem.h"
#include "io/lane.h"

#include <stdlib.h>

enum { PERIOD_MS = 60 * 1000 };

struct last_use_saver {
	struct loop *loop;
	struct log *log;
	struct last_use *table;
	struct timer timer;
	/* Of its own: a disk that hangs may hold it for long, and nobody else. */
	struct lane *lane;
	struct lane_job job;
	struct fault fault; /* the job's */
	bool has_failed, is_stopped;
};

static void tell(struct last_use_saver *s)
{
	struct logline l;

	if (s->fault.code && !s->has_failed) {
		logline_start(&l, LOG_LEVEL_WARN, "last-use-unsaved");
		logline_text(&l, "reason", s->fault.text);
		log_put(s->log, &l);
	}
	s->has_failed = s->fault.code != 0;
}

static void run_save(struct lane_job *job)
{
	struct last_use_saver *s = list_entry(job, struct last_use_saver, job);

	s->fault = (struct fault){ 0 };
	last_use_save(s->table, &s->fault);
}

static void on_saved(struct lane_job *job)
{
	struct last_use_saver *s = list_entry(job, struct last_use_saver, job);

	if (s->is_stopped)
		return;
	tell(s);
	timer_set(s->loop, &s->timer, PERIOD_MS);
}

static void on_period(struct timer *timer)
{
	struct last_use_saver *s = timer_entry(timer, struct last_use_saver, timer);

	lane_put(s->lane, &s->job);
}

struct last_use_saver *last_use_saver_start(struct loop *loop, struct log *log,
					    struct last_use *table)
{
	struct last_use_saver *s = mem_new(struct last_use_saver);

	s->loop = loop;
	s->log = log;
	s->table = table;
	s->lane = lane_new("last-use", 1);
	s->job = (struct lane_job){ .home = loop, .run = run_save, .done = on_saved };
	s->timer.fire = on_period;
	timer_set(loop, &s->timer, PERIOD_MS);
	return s;
}

void last_use_saver_stop(struct last_use_saver *s)
{
	if (s == NULL)
		return;
	s->is_stopped = true;
	timer_clear(s->loop, &s->timer);
	lane_free(&s->lane);
	s->fault = (struct fault){ 0 };
	last_use_save(s->table, &s->fault);
	tell(s);
}

void last_use_saver_free(struct last_use_saver **saver)
{
	free(*saver);
	*saver = NULL;
}
