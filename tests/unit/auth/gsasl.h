/* tests/unit/auth/gsasl.h: the client gsasl (Debian: gsasl) in a process of its own, over pipes.
 *
 * Shape    gsasl_start(arguments) -> gsasl_hear() <-> gsasl_say() -> gsasl_stop()
 * Owns     the process; what was heard until the next call
 */
#pragma once

#include "test.h"

#include "base/buf.h"

#include <sys/types.h>

struct gsasl {
	pid_t pid;
	int to, from;
	struct buf text, octets;
};

/* bindings: for SCRAM, what it asks for: tls-exporter in base64, or "" and then tls-unique. NULL: it asks
 * for none. arguments end with NULL. */
void gsasl_start(struct gsasl *g, const char *const *arguments, const char *const bindings[2]);
/* The next token that it sends, out of base64; false when it ends instead. */
bool gsasl_hear(struct gsasl *g, struct span *out);
void gsasl_say(struct gsasl *g, struct span token);
void gsasl_stop(struct gsasl *g);
