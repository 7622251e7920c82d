/* src/ctl/walk.h: one request's way through the messages of all loops, in portions.
 *
 * Shape    ctl_walk_begin -> ctl_walk_round (a portion on each loop) until it is over -> ctl_walk_end
 * Thread   the functions on the connection's thread; a walker is its loop's while a round is under
 *          way and after ctl_walk_end(), and may be looked at in between
 * Owns     walkers and their states; they go on their loops, behind whatever was posted there before,
 *          so that a portion which comes late finds its walker
 * Errors   -ETIMEDOUT, -ECANCELED: a loop did not answer; the walk is over then
 *
 * A portion visits some 5,000 messages at most, and takes some hundreds: what a loop's sessions wait
 * for it is a few ms. Between two rounds the loop does its own work.
 */
#pragma once

#include "filter.h"
#include "inside.h"

struct ctl_walker;

struct ctl_walk_kind {
	size_t take_most; /* in a portion, give or take one step of the walk */
	/* A message that the filter lets through. */
	void (*take)(struct ctl_walker *walker, const struct queue_view *view);
	/* After a portion: what it found. May be NULL. */
	json_t *(*answer)(struct ctl_walker *walker);
	void (*free)(void *state);
};

struct ctl_walker {
	struct work work; /* its end */
	const struct ctl_walk_kind *kind;
	struct ctl_shard shard;
	struct ctl_filter filter;
	struct queue_walk walk;
	bool is_begun, is_over;
	size_t taken;	/* in this portion */
	int64_t now_ms; /* wall clock, at its begin */
	void *state;
};

struct ctl_walk {
	struct ctl *ctl;
	size_t count;
	struct ctl_walker **walkers; /* one for each loop */
	json_t **answers;	     /* of the last rounds; who takes one leaves NULL */
	bool is_over;		     /* all of them are */
};

/* make_state: for each loop. A fault: the request's filter is not one. */
int ctl_walk_begin(struct ctl_walk *walk, struct ctl *ctl, const struct ctl_walk_kind *kind,
		   const json_t *request, void *(*make_state)(void *user), void *user,
		   struct fault *fault);
/* On the loops that are not over and have no answer left from before. */
int ctl_walk_round(struct ctl_walk *walk, struct fault *fault);
void ctl_walk_end(struct ctl_walk *walk);
