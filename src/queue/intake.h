/* queue/intake.h: a message that comes in without waiting for a smarthost: content, then the commit.
 *
 * Shape    intake_new -> intake_put(content)... -> intake_commit(envelope) -> done -> (in the queue)
 * Thread   the queue's loop
 * Owns     the content until done; after success the queue does
 * Errors   done(status): 0 is "safe"; otherwise a fault, and nothing is stored. intake_drop() at any
 *          time before: nothing is stored
 */
#pragma once

#include "queue/queue.h"

struct intake;

struct intake_conf {
	struct queue *queue;
	/* intake_put() said false before: there is room again. */
	void (*room)(void *user);
	/* Once, after intake_commit(). The intake is gone. */
	void (*done)(void *user, int status, const struct fault *fault);
	void *user;
};

struct intake *intake_new(const struct intake_conf *conf);
uint64_t intake_qid(const struct intake *in);
/* Takes all of it; false: wait for room() before the next call. */
bool intake_put(struct intake *in, struct span content);
/* envelope->qid and ->size are filled here; takes the envelope's strings over. */
void intake_commit(struct intake *in, struct envelope *envelope);
/* Also while a write is under way: done() and room() are not called any more. Not after commit. */
void intake_drop(struct intake **in);
