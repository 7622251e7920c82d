#include "io/lane.h"

#include "base/mem.h"
#include "base/require.h"
#include "thread.h"

#include <stdlib.h>

struct lane {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct work *first, **end; /* guarded by lock, as is_ending */
	bool is_ending;
	unsigned count;
	pthread_t threads[];
};

static struct lane_job *take(struct lane *lane)
{
	struct work *w;

	pthread_mutex_lock(&lane->lock);
	while (lane->first == NULL && !lane->is_ending)
		pthread_cond_wait(&lane->more, &lane->lock);
	w = lane->first;
	if (w) {
		lane->first = w->next;
		if (lane->first == NULL)
			lane->end = &lane->first;
	}
	pthread_mutex_unlock(&lane->lock);
	return w ? work_entry(w, struct lane_job, link) : NULL;
}

static void done_at_home(struct work *link)
{
	struct lane_job *job = work_entry(link, struct lane_job, link);

	job->done(job);
}

static void *thread_main(void *arg)
{
	struct lane *lane = arg;
	struct lane_job *job;

	while ((job = take(lane))) {
		job->run(job);
		job->link.run = done_at_home;
		loop_post(job->home, &job->link);
	}
	return NULL;
}

struct lane *lane_new(const char *thread_name, unsigned threads)
{
	struct lane *lane = mem_alloc(sizeof(*lane) + threads * sizeof(lane->threads[0]));

	require(threads > 0);
	lane->end = &lane->first;
	pthread_mutex_init(&lane->lock, NULL);
	pthread_cond_init(&lane->more, NULL);
	for (; lane->count < threads; lane->count++)
		thread_start(&lane->threads[lane->count], thread_name, thread_main, lane);
	return lane;
}

void lane_put(struct lane *lane, struct lane_job *job)
{
	pthread_mutex_lock(&lane->lock);
	require(!lane->is_ending);
	job->link.next = NULL;
	*lane->end = &job->link;
	lane->end = &job->link.next;
	pthread_cond_signal(&lane->more);
	pthread_mutex_unlock(&lane->lock);
}

void lane_free(struct lane **lane_at)
{
	struct lane *lane = *lane_at;

	*lane_at = NULL;
	if (lane == NULL)
		return;
	pthread_mutex_lock(&lane->lock);
	lane->is_ending = true;
	pthread_cond_broadcast(&lane->more);
	pthread_mutex_unlock(&lane->lock);
	while (lane->count)
		require(pthread_join(lane->threads[--lane->count], NULL) == 0);
	pthread_cond_destroy(&lane->more);
	pthread_mutex_destroy(&lane->lock);
	free(lane);
}
