/* src/ctl/ids.h: messages asked for by their ids, on all loops at once.
 *
 * Owns     counted: a loop that answers late still has them
 * Thread   is_found[i] is written by the one loop that has the message, read after all have answered
 */
#pragma once

#include "inside.h"

struct ctl_ids {
	_Atomic unsigned refs;
	size_t count;
	struct ctl_asked {
		uint64_t id;
		bool is_found;
	} at[];
};

/* The request's "qids", each once, in order: 1 to `most`. */
struct ctl_ids *ctl_ids_read(const json_t *request, size_t most, struct fault *fault);
struct ctl_ids *ctl_ids_ref(struct ctl_ids *ids);
void ctl_ids_unref(struct ctl_ids **ids);
/* Those that no loop has. */
json_t *ctl_ids_missing(const struct ctl_ids *ids);
