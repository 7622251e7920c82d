/* auth/scram.h (private): the server side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS.
 *
 * Shape    scram_first() -> scram_challenge() -> scram_final() -> scram_fits() for each password that
 *          the account may have -> scram_signature(). Pure: salt and nonce come in
 * Owns     copies of what was said; wiped by scram_fini()
 * Errors   SCRAM_MALFORMED: not the grammar, or an extension that we would have to know;
 *          SCRAM_REFUSED: channel binding or nonce are not what they must be. Both with a reason for
 *          the log, and both alike for every name
 * Names    UTF-8 as it comes. SASLprep (RFC 4013) is not applied: it changes nothing in ASCII, clients
 *          have applied it before, and what it would make equal is here two names, as in the users file
 * Source   RFC 5802, 7677; 5929 and 9266 for the bindings
 */
#pragma once

#include "auth/users.h"
#include "base/buf.h"

enum { SCRAM_NONCE_OCTETS = 24, SCRAM_CLIENT_NONCE_MAX = 512 };

enum scram_result { SCRAM_GOOD, SCRAM_MALFORMED, SCRAM_REFUSED };

struct scram_binding {
	bool is_plus;	  /* the mechanism is a -PLUS */
	bool was_offered; /* a -PLUS was offered: a client that can must have chosen it */
	struct span name, data;
};

struct scram {
	struct buf name, authzid; /* who logs in; as whom to act, empty: the same */
	struct buf bound;	  /* what c= is to hold */
	struct buf nonce;	  /* the client's, then ours */
	struct buf message;	  /* the AuthMessage, as far as it stands */
	unsigned char proof[AUTH_SCRAM_OCTETS];
};

/* A zeroed struct scram is a fresh one. */
void scram_fini(struct scram *s);
enum scram_result scram_first(struct scram *s, struct span message,
			      const struct scram_binding *binding, const char **why);
/* Appends the server-first-message. nonce: printable ASCII without a comma. */
void scram_challenge(struct scram *s, struct span salt, unsigned iterations, struct span nonce,
		     struct buf *out);
enum scram_result scram_final(struct scram *s, struct span message, const char **why);
/* Whether the proof was made with the password of that verifier. In constant time. */
bool scram_fits(const struct scram *s, const struct auth_scram *verifier);
/* Appends the server-final-message, by which the server proves that it knows the verifier. */
void scram_signature(const struct scram *s, const struct auth_scram *verifier, struct buf *out);
