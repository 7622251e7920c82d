/* auth/mech.h: the mechanisms we know: how many responses each takes and what it asks.
 *
 * Shape    a table; the allow-list of a configuration is a subset of it. ANONYMOUS and NTLM, which
 *          stock Cyrus offers, are not in it.
 * Source   RFC 4616 (PLAIN); draft-murchison-sasl-login, with the exact prompts old clients know
 */
#pragma once

#include "base/span.h"

struct auth_mech {
	const char *name;
	/* The challenges, in order: an initial response answers the first one unasked. */
	const char *challenges[4];
	unsigned challenge_count;
};

/* NULL: not known. Case is ignored. */
const struct auth_mech *auth_mech_find(struct span name);
/* "PLAIN LOGIN" and the like, for messages about the configuration. */
extern const char auth_mech_names[];
