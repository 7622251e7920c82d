#include "io/lane.h"

#include "base/mem.h"
#include "io.h"

#include <stdlib.h>

struct lane {
	unsigned threads;
};

/* A job on its way through a thread. */
struct errand {
	struct event event;
	struct list_node node; /* in `errands` */
	struct lane_job *job;
};

static struct list errands = { .head = { &errands.head, &errands.head } };

struct lane *lane_new(const char *thread_name, unsigned threads)
{
	enum owner before = memory_enter(OWNER_WORLD);
	struct lane *lane = mem_new(struct lane);

	(void)thread_name;
	lane->threads = threads;
	memory_leave(before);
	return lane;
}

void lane_free(struct lane **lane)
{
	free(*lane);
	*lane = NULL;
}

static void done_at_home(struct work *link)
{
	struct lane_job *job = work_entry(link, struct lane_job, link);

	job->done(job);
}

static void run(struct event *event)
{
	struct errand *e = event_entry(event, struct errand, event);
	struct lane_job *job = e->job;
	enum owner before = memory_enter(OWNER_PROCESS);

	list_remove(&errands, &e->node);
	free(e);
	job->run(job);
	job->link.run = done_at_home;
	loop_post(job->home, &job->link);
	memory_leave(before);
}

void lane_put(struct lane *lane, struct lane_job *job)
{
	enum owner before = memory_enter(OWNER_WORLD);
	struct errand *e = mem_new(struct errand);

	(void)lane;
	e->event.fire = run;
	e->job = job;
	list_push_back(&errands, &e->node);
	event_set(&e->event, once_in(4) ? pick_between(0, 40) : pick_between(0, 1));
	memory_leave(before);
}

void io_lanes_crash(void)
{
	struct list_node *node;

	while ((node = list_pop_front(&errands)) != NULL) {
		struct errand *e = list_entry(node, struct errand, node);

		event_clear(&e->event);
		free(e);
	}
}

size_t io_lanes_left(void)
{
	return errands.count;
}
