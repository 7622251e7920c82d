/* mixed.h: one long life with everything in it, and the power gone at each single disk call of it.
 *
 * Shape    mixed_run() lives once; at each call a forked child has the power go there, recovers, perhaps
 *          checks, spoils and repairs, lives on, and looks at what is left
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct mixed_totals {
	unsigned long calls, cuts, commits, repairs, spoilt, failures;
};

/* `only_at`: one cut alone, in this process; 0: all of them. At least `messages` are committed. */
void mixed_run(uint64_t seed, unsigned messages, unsigned long only_at,
	       struct mixed_totals *totals);
