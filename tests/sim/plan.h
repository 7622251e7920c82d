/* plan.h: one schedule: what befalls whom and when, all of it drawn from a seed.
 *
 * Shape    plan_run(&plan); it fails when world.failures says so
 *
 * At first there are clients, faults, and an administrator. Then comes the calm: everybody behaves, and
 * the queue must come to its end.
 */
#pragma once

#include "disk.h"

#include <stdbool.h>
#include <stdint.h>

struct plan {
	uint64_t seed;
	bool is_verbose;
	/* The disk call of the first life in which it ends, and how; 0: chance decides. */
	unsigned long cut_at;
	enum sim_end cut_end;
	/* Filled: disk calls of the first life. */
	unsigned long calls;
};

/* False: the invariant is broken. */
bool plan_run(struct plan *plan);
/* A moment at which a crash hurts: once in n times one follows soon. */
void plan_tempt(unsigned n);
