#include "test.h"

#include "base/require.h"
#include "io/lane.h"

#include <semaphore.h>
#include <stdatomic.h>

enum { JOBS = 500 };

struct job {
	struct lane_job job;
	bool has_run, is_done;
	unsigned *left; /* the loop stops with the last */
};

static sem_t gate;

static void run(struct lane_job *job)
{
	struct job *j = list_entry(job, struct job, job);

	require(!loop_is_here(job->home));
	j->has_run = true;
}

static void wait_at_gate(struct lane_job *job)
{
	sem_wait(&gate);
	run(job);
}

static void done(struct lane_job *job)
{
	struct job *j = list_entry(job, struct job, job);

	require(loop_is_here(job->home) && j->has_run);
	j->is_done = true;
	if (--*j->left == 0)
		loop_stop(job->home);
}

static struct job job_of(struct loop *loop, void (*what)(struct lane_job *), unsigned *left)
{
	return (struct job){ .job = { .home = loop, .run = what, .done = done }, .left = left };
}

static void blocked_lane_delays_no_other(void **state)
{
	struct loop *loop = loop_new("test");
	struct lane *lookups = lane_new("lookups", 1), *files = lane_new("files", 1);
	unsigned stuck_left = 1, file_left = 1;
	struct job stuck = job_of(loop, wait_at_gate, &stuck_left);
	struct job file = job_of(loop, run, &file_left);

	(void)state;
	lane_put(lookups, &stuck.job);
	lane_put(files, &file.job);
	loop_run(loop);
	assert_true(file.is_done);
	assert_false(stuck.is_done);
	sem_post(&gate);
	loop_run(loop);
	assert_true(stuck.is_done);
	lane_free(&lookups);
	lane_free(&files);
	loop_free(&loop);
}

static void second_thread_serves_while_one_is_blocked(void **state)
{
	struct loop *loop = loop_new("test");
	struct lane *lane = lane_new("lane", 2);
	unsigned stuck_left = 1, left = JOBS;
	struct job stuck = job_of(loop, wait_at_gate, &stuck_left);
	static struct job jobs[JOBS];

	(void)state;
	lane_put(lane, &stuck.job);
	for (unsigned i = 0; i < JOBS; i++) {
		jobs[i] = job_of(loop, run, &left);
		lane_put(lane, &jobs[i].job);
	}
	loop_run(loop);
	assert_int_equal(left, 0);
	sem_post(&gate);
	loop_run(loop);
	assert_true(stuck.is_done);
	lane_free(&lane);
	loop_free(&loop);
}

static void freeing_runs_what_was_put(void **state)
{
	struct loop *loop = loop_new("test");
	struct lane *lane = lane_new("lane", 3);
	unsigned left = JOBS;
	static struct job jobs[JOBS];

	(void)state;
	loop_start(loop);
	for (unsigned i = 0; i < JOBS; i++) {
		jobs[i] = job_of(loop, run, &left);
		lane_put(lane, &jobs[i].job);
	}
	lane_free(&lane);
	assert_null(lane);
	/* The last done() stops the loop. */
	loop_join(loop);
	for (unsigned i = 0; i < JOBS; i++)
		assert_true(jobs[i].is_done);
	loop_free(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocked_lane_delays_no_other),
		cmocka_unit_test(second_thread_serves_while_one_is_blocked),
		cmocka_unit_test(freeing_runs_what_was_put),
	};

	sem_init(&gate, 0, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
