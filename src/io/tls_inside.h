/* io/tls_inside.h: what identity, trust and session share. */
#pragma once

#include "io/tls.h"

#include <gnutls/gnutls.h>
#include <stdatomic.h>

/* TLS 1.2 and 1.3, (EC)DHE and AEAD only (GnuTLS's own NORMAL still takes TLS 1.0). AES-128 first,
 * by the server's choice: suites with SHA-384 make a handshake dearer and nothing safer. */
#define TLS_PRIORITY                                                                               \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-CIPHER-ALL:+AES-128-GCM:"       \
	"+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-X25519:"                 \
	"+GROUP-SECP256R1:+GROUP-SECP384R1:%SERVER_PRECEDENCE"

struct tls_identity {
	_Atomic unsigned refs;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priority;
	gnutls_datum_t ticket_key;
	int64_t expires;
};

struct tls_trust {
	_Atomic unsigned refs;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priority;
	bool is_own_file; /* a CA file of the configuration, not the system's store */
};
