/* Certificates made in memory, as a test wants them: names of any octets, dates, purposes, issuers. */
#pragma once

#include "test.h"

#include "base/buf.h"
#include "base/span.h"

#include <gnutls/x509.h>

struct issued {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
};

struct issue {
	gnutls_pk_algorithm_t algorithm;  /* 0: ECDSA */
	unsigned bits;			  /* 0: P-256, or 2048 */
	gnutls_digest_algorithm_t digest; /* 0: SHA-256 */
	const struct issued *issuer;	  /* NULL: itself */
	bool is_ca;
	const char *purpose;  /* OID; NULL: any */
	int64_t from_s, to_s; /* from now; both 0: from an hour ago for a day */
	struct span emails[20], upn, dns;
	struct span common_names[3];
};

struct issued issue(const struct issue *conf);
void issued_drop(struct issued *e);
/* Appends the certificate, and the key, to a file (0600). */
void issued_write(const struct issued *e, const char *crt_file, const char *key_file);
