/* src/ctl/groups.h: messages counted by a name.
 *
 * Owns     its groups; at most GROUPS_MOST of them, what comes after is counted as others
 * Thread   one at a time
 */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"

#include <jansson.h>

struct ctl_group {
	struct list_node node;
	char *name;
	uint64_t messages, octets;
	int64_t oldest_ms;
	uint64_t last_qid; /* a message counts once in a group */
};

struct ctl_groups {
	struct map by_name;
	struct list all;
	struct ctl_group others;
};

struct ctl_groups *ctl_groups_new(uint64_t seed);
void ctl_groups_free(void *groups);
void ctl_groups_count(struct ctl_groups *groups, struct span name, uint64_t qid, uint64_t octets,
		      int64_t arrived_ms);
/* Adds another loop's. */
void ctl_groups_join(struct ctl_groups *sum, const struct ctl_groups *part);
/* [{name messages octets oldest age_s}], most messages first; the name null: all others. A name "a\nb" is
 * stand a, and name b. */
json_t *ctl_groups_view(const struct ctl_groups *groups, int64_t now_ms);

/* What a message is here for, without what differs from one to the next: numbers, ids, addresses. */
void ctl_reason_put(const char *words, struct buf *out);
