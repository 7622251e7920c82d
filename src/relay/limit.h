/* relay/limit.h: what the loops share of one smarthost: its places, and the times of its messages.
 *
 * Shape    take a place -> ... -> give it back; take a message, whose time counts for a minute
 * Thread   any; one lock, held for a few instructions. What each message asks for is read without it
 * Owns     the ring of times
 * Units    ms of the loops' monotonic clock
 *
 * The last `rate` times are kept exactly, so there is no minute, wherever it begins, that holds more
 * than `rate` of them.
 */
#pragma once

#include "relay/relay.h"

#include <pthread.h>
#include <stdatomic.h>

struct relay_limit {
	/* Changed under the lock only. */
	atomic_uint open, most; /* connections */
	atomic_uint hungry;	/* loops that have jobs but no place: others give one back soon */
	atomic_uint rate;	/* 0: no limit */
	pthread_mutex_t lock;
	unsigned first, count;
	int64_t *times; /* a ring of `rate`; never decreasing from `first` on */
	int64_t window_ms;
};

bool limit_take_place(struct relay_limit *limit);
void limit_give_place(struct relay_limit *limit);
unsigned limit_most(struct relay_limit *limit);
unsigned limit_free_places(struct relay_limit *limit);
unsigned limit_hungry(struct relay_limit *limit);
void limit_add_hungry(struct relay_limit *limit, int n);

unsigned limit_rate(struct relay_limit *limit);
/* A message is begun. False: not now. *at_out is for limit_give_message(). */
bool limit_take_message(struct relay_limit *limit, int64_t now_ms, int64_t *at_out);
/* It was not sent after all. */
void limit_give_message(struct relay_limit *limit, int64_t at_ms);
/* How many may begin now. */
size_t limit_messages(struct relay_limit *limit, int64_t now_ms);
/* Until one may begin; 0: now. */
int64_t limit_wait_ms(struct relay_limit *limit, int64_t now_ms);
/* For tests: what a minute is. */
void limit_scale(struct relay_limit *limit, int64_t window_ms);
