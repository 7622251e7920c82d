/* main/limits.h: how many connections to each smarthost are open, and its messages a
 * minute, over all loops and reloads.
 *
 * Shape    one struct relay_limit for each smarthost name that ever was configured
 * Thread   the main one; the limits themselves have locks
 * Owns     the limits until limits_free(), after every relay is gone
 */
#pragma once

#include "relay/relay.h"

struct limits;

struct limits *limits_new(void);
void limits_free(struct limits **limits);
struct relay_limit *limits_get(struct limits *limits, const char *smarthost);
