/* src/ctl/filter.h: which messages of the queue are meant.
 *
 * Shape    a request's "filter" object; every condition in it must hold, none at all means every one
 * Owns     its texts
 *
 *   from, to, account, smarthost   patterns: * is any text, ? one octet, the case of ASCII letters
 *                                  does not count. "from": "" or "<>" is the null sender; "to" is
 *                                  held against recipients that still wait
 *   reason                         text that stands in "CODE STATUS WORDS" of the last reply, or in the
 *                                  reason of our own, of a recipient that still waits
 *   older_ms, newer_ms             its age
 *   held                           true: by hand
 *   stand                          why it is still here, a word of QUEUE_STANDS
 */
#pragma once

#include "queue/queue.h"

#include <jansson.h>

struct ctl_filter {
	char *from, *to, *account, *smarthost, *reason; /* NULL: any */
	int64_t older_ms, newer_ms;			/* -1: any */
	bool is_held;
	int stand; /* -1: any */
};

/* `in` NULL: everything. A fault names the key and what it takes. */
int ctl_filter_read(const json_t *in, struct ctl_filter *out, struct fault *fault);
void ctl_filter_fini(struct ctl_filter *filter);
bool ctl_filter_takes(const struct ctl_filter *filter, const struct queue_view *view,
		      int64_t now_ms);
/* In time of the product of both lengths at most, whatever the pattern is. */
bool ctl_glob(const char *pattern, const char *text);
