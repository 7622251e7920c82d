/* auth/kerberos.h (private): whom we are to a smarthost that wants Kerberos.
 *
 * Shape    kerberos_acquire() -> for one login -> kerberos_release()
 * Thread   that of auth/client.h; asks a KDC where no ticket is at hand, and waits for it
 * Owns     tickets, in memory, for as long as the process lives: the next login needs no KDC while they
 *          are good
 */
#pragma once

#include "base/fault.h"

#include <gssapi/gssapi.h>

/* user: a principal, "relay" or "relay@EXAMPLE.COM", whose key the keytab has. */
int kerberos_acquire(const char *keytab, const char *user, gss_cred_id_t *out, struct fault *fault);
void kerberos_release(gss_cred_id_t *cred);
