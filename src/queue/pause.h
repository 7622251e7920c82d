/* queue/pause.h: how long a message waits for its next attempt. */
#pragma once

#include <stdint.h>

/* Doubles from first_ms to most_ms with the number of attempts made (1: the first has failed), then
 * moved by up to a quarter either way as `random` says, so that what failed together does not come
 * back together. */
int64_t queue_pause(unsigned attempts, int64_t first_ms, int64_t most_ms, uint64_t random);
