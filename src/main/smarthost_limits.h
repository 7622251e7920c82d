/* main/smarthost_limits.h: how many connections to each smarthost are open, and its messages a
 * minute, over all loops and reloads.
 *
 * Shape    one struct relay_limit for each smarthost name that ever was configured
 * Thread   the main one; the limits themselves have locks
 * Owns     the limits until smarthost_limits_free(), after every relay is gone
 */
#pragma once

#include "relay/relay.h"

struct smarthost_limits;

struct smarthost_limits *smarthost_limits_new(void);
void smarthost_limits_free(struct smarthost_limits **limits);
struct relay_limit *smarthost_limits_get(struct smarthost_limits *limits, const char *smarthost);
