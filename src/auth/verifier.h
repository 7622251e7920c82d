/* auth/verifier.h (private): what is kept of a password for SCRAM-SHA-256, and of an app password.
 *
 * Shape    from a password, a name and the seed of the users file to octets, and to and from the text
 *          that stands in a line
 * Source   RFC 5802 section 3 (the keys), RFC 7677 (SHA-256), RFC 8018 (PBKDF2)
 */
#pragma once

#include "auth/users.h"
#include "base/buf.h"

enum { VERIFIER_SEED_OCTETS = 32 };

/* The salt of all passwords of that name. */
void verifier_salt(const unsigned char seed[VERIFIER_SEED_OCTETS], struct span name,
		   unsigned char out[AUTH_SCRAM_OCTETS]);
/* Takes AUTH_SCRAM_ITERATIONS of HMAC: some 50 ms. */
void verifier_make(struct span password, const unsigned char salt[AUTH_SCRAM_OCTETS],
		   struct auth_scram *out);
/* Of an app password; what does not count in it (spaces, dashes, case) is taken away here. Always one
 * HMAC. False: no app password looks like that. */
bool verifier_mac(const unsigned char seed[VERIFIER_SEED_OCTETS], struct span password,
		  unsigned char out[AUTH_SCRAM_OCTETS]);

/* As it stands in a line. */
void verifier_format(const struct auth_scram *scram, const unsigned char salt[AUTH_SCRAM_OCTETS],
		     struct buf *out);
/* NULL, or what is wrong with the text. *is_ours_out: with that salt (NULL: none is ours) and our count
 * of iterations; only then is *out filled. */
const char *verifier_parse(struct span text, const unsigned char *salt, bool *is_ours_out,
			   struct auth_scram *out);
/* 32 octets in base64. */
bool verifier_decode(struct span text, unsigned char out[AUTH_SCRAM_OCTETS]);
