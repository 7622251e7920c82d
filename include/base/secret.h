/* base/secret.h: octets that must not outlive their use.
 *
 * Shape    a buf that wipes itself; no function here prints or copies it as text
 */
#pragma once

#include "base/buf.h"

struct secret {
	struct buf octets;
};

static inline void secret_set(struct secret *s, struct span value)
{
	buf_wipe(&s->octets);
	buf_put_span(&s->octets, value);
}

static inline struct span secret_span(const struct secret *s)
{
	return buf_span(&s->octets);
}

static inline void secret_fini(struct secret *s)
{
	buf_wipe(&s->octets);
}
