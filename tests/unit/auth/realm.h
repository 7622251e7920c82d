/* tests/unit/auth/realm.h: a Kerberos realm EXAMPLE.COM of its own, with a KDC on a free port of loopback.
 *
 * Shape    realm_open(directory) sets KRB5_CONFIG for this process and those it starts -> realm_close()
 * Owns     the KDC's process
 */
#pragma once

#include "test.h"

#include <sys/types.h>

struct realm {
	char directory[64];
	pid_t kdc;
};

void realm_open(struct realm *r, const char *directory);
void realm_close(struct realm *r);
/* Makes the principal, with a key in the directory's file `keytab`. */
void realm_add(const struct realm *r, const char *principal, const char *keytab);
/* Ends the KDC, so that nothing can be asked any more. */
void realm_silence(struct realm *r);
