/* main/smarthost_limits.h: how many connections to each smarthost are open, its messages a minute, and
 * what it can do, over all loops and reloads.
 *
 * Shape    one struct relay_limit and one struct relay_learned for each smarthost name that ever was
 *          configured
 * Thread   the main one; what it gives out has locks
 * Owns     both until smarthost_limits_free(), after every relay and every session is gone
 */
#pragma once

#include "relay/relay.h"

struct smarthost_limits;

struct smarthost_limits *smarthost_limits_new(void);
void smarthost_limits_free(struct smarthost_limits **limits);
struct relay_limit *smarthost_limits_get(struct smarthost_limits *limits, const char *smarthost);
struct relay_learned *smarthost_limits_learned(struct smarthost_limits *limits,
					       const char *smarthost);
