/* queue/pause.h: how long a message waits for its next attempt. */
#pragma once

#include <stdint.h>

/* The pause after that many attempts (1: the first has failed) by the schedule, whose last entry
 * repeats, moved by up to a quarter either way as `random` says, so that what failed together does
 * not come back together. An empty schedule is one of a second. */
int64_t queue_pause(const int64_t *schedule_ms, unsigned count, unsigned attempts, uint64_t random);
