/* auth/mech.h: the mechanisms we know: how many responses each takes and what it asks.
 *
 * Shape    a table; the allow-list of a configuration is a subset of it. ANONYMOUS, NTLM and
 *          DIGEST-MD5, which stock Cyrus offers, are not in it.
 * Source   RFC 4616 (PLAIN); draft-murchison-sasl-login, with the exact prompts old clients know; RFC
 *          5802, 7677, 9266 (SCRAM-SHA-256, -PLUS), 4422 (EXTERNAL), 4752 (GSSAPI), 2195 (CRAM-MD5)
 */
#pragma once

#include "auth/frame.h"

enum auth_mech_kind {
	AUTH_MECH_WHOLE,	/* the challenges stand below */
	AUTH_MECH_CONVERSATION, /* the worker makes them */
};

struct auth_mech {
	const char *name;
	enum auth_mech_kind kind;
	bool is_server_first; /* the worker speaks first: an initial response is malformed */
	bool needs_binding;   /* -PLUS: only where TLS gives one */
	bool needs_certificate;
	bool needs_password; /* of no use for an account that has none here: all but GSSAPI, EXTERNAL */
	/* The challenges, in order: an initial response answers the first one unasked. */
	const char *challenges[4];
	unsigned challenge_count;
};

/* NULL: not known. Case is ignored. */
const struct auth_mech *auth_mech_find(struct span name);
/* Why `name` cannot be offered with that back end, as a text that names the fix; NULL: it can. */
const char *auth_mech_flaw(struct span name, enum auth_backend backend);
/* The channel binding that the first response of a -PLUS names ("p=tls-exporter,,..."); empty: none. */
struct span auth_mech_binding(struct span response);
/* "PLAIN LOGIN" and the like, for messages about the configuration. */
extern const char auth_mech_names[];
