/* auth/password.h (private): hashes of passwords as crypt(5) writes them.
 *
 * Errors   a hash that is no whole one, or of a method too weak to keep, is refused by name
 */
#pragma once

#include "base/fault.h"
#include "base/span.h"

#include <crypt.h>

/* crypt(3) takes no more. */
#define PASSWORD_OCTETS_MAX (CRYPT_MAX_PASSPHRASE_SIZE - 1)

/* NULL when `hash` is usable; otherwise what is wrong with it. */
const char *password_hash_flaw(struct span hash);
/* A fresh yescrypt hash. -EINVAL: empty, too long, or with a NUL. */
int password_hash(struct span password, char out[CRYPT_OUTPUT_SIZE], struct fault *fault);
/* 1: it fits; 0: it does not (nor does any other for `hash` NULL, an unknown user: the same work is
 * done). -EIO: crypt(3) could not tell, for want of memory or because the hash is damaged. */
int password_check(const char *hash, struct span password);
