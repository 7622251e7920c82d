/* io/lane.h: threads for work that may wait: look-ups, file reads, SASL client steps.
 *
 * Shape    lane_put(job) -> job->run() on one of the lane's threads -> job->done() on the loop
 * Thread   put from any loop; lanes never wait for each other, so a black-holed resolver delays no
 *          file read
 * Owns     its threads; a job stays the caller's and lives until done() has run
 */
#pragma once

#include "io/loop.h"

struct lane;

struct lane_job {
	struct work link;		       /* private */
	struct loop *home;		       /* where done() runs */
	void (*run)(struct lane_job *job);     /* on a thread of the lane */
	void (*done)(struct lane_job *job);    /* on `home` */
};

struct lane *lane_new(const char *thread_name, unsigned threads);
/* Runs what was put, then ends; the homes must still run. */
void lane_free(struct lane **lane);
void lane_put(struct lane *lane, struct lane_job *job);
