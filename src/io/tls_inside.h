/* io/tls_inside.h: what identity, trust and session share. */
#pragma once

#include "io/tls.h"

#include <gnutls/gnutls.h>
#include <stdatomic.h>

/* TLS 1.2 and 1.3, (EC)DHE and AEAD only (GnuTLS's own NORMAL still takes TLS 1.0). AES-128 first,
 * by the server's choice: suites with SHA-384 make a handshake dearer and nothing safer. ChaCha20 last:
 * it spares SHA-384, but an octet costs six times as much, which is dearer from 20 KiB of content on.
 * X25519 first: the exchange over P-256 costs half as much again. */
#define TLS_PRIORITY TLS_PRIORITY_OF("+GROUP-X25519:+GROUP-SECP256R1")
/* For a client whose hello brings a share of P-256 and none of X25519: to ask it for the latter takes a
 * round trip, which costs it more than the dearer exchange costs us. */
#define TLS_PRIORITY_P256 TLS_PRIORITY_OF("+GROUP-SECP256R1:+GROUP-X25519")
#define TLS_PRIORITY_OF(groups)                                                                    \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-CIPHER-ALL:+AES-128-GCM:"       \
	"+AES-256-GCM:+CHACHA20-POLY1305:-MAC-ALL:+AEAD:-GROUP-ALL:" groups                        \
	":+GROUP-SECP384R1:%SERVER_PRECEDENCE"

/* For mail programs of before 2008. Schannel of Windows XP knows no AES, hence 3DES (RC4 is forbidden by
 * RFC 7465); OpenSSL 0.9.7 knows no curves. Without signatures and exchanges of other keys, only pairs
 * with an RSA key are served. A client that names no signatures means SHA-1 (RFC 5246 section
 * 7.4.1.4.1). One group of a finite field, the smallest: the old compute slowly. */
#define TLS_PRIORITY_LEGACY                                                                        \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:+VERS-TLS1.1:+VERS-TLS1.0:-KX-ALL:"            \
	"+ECDHE-RSA:+DHE-RSA:+RSA:-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:"       \
	"+AES-128-CBC:+AES-256-CBC:+3DES-CBC:-MAC-ALL:+AEAD:+SHA256:+SHA1:-SIGN-ALL:"              \
	"+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA384:+SIGN-RSA-SHA384:"   \
	"+SIGN-RSA-PSS-RSAE-SHA512:+SIGN-RSA-SHA512:+SIGN-RSA-SHA1:-GROUP-ALL:+GROUP-X25519:"      \
	"+GROUP-SECP256R1:+GROUP-SECP384R1:+GROUP-FFDHE2048:%SERVER_PRECEDENCE"

struct tls_identity {
	_Atomic unsigned refs;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priorities[2]; /* by enum tls_profile */
	gnutls_priority_t p256_first;	 /* TLS_PRIORITY_P256 */
	gnutls_datum_t ticket_key;
	int64_t expires;
	size_t pair_count;
	bool has_rsa;
};

struct tls_trust {
	_Atomic unsigned refs;
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priority;
	bool is_own_file; /* a CA file of the configuration, not the system's store */
};

enum tls_state { TLS_SHAKING, TLS_OPEN, TLS_DEAD };

/* What the wire said last. */
enum tls_wire_state { TLS_WIRE_GAVE, TLS_WIRE_DRY, TLS_WIRE_ENDED };

struct tls {
	enum tls_state state;
	gnutls_session_t session;
	struct tls_wire wire;
	struct tls_identity *identity;			 /* a server's */
	struct tls_trust *clients;			 /* a server's that asks for certificates */
	struct tls_trust *trust;			 /* a client's, or NULL */
	gnutls_certificate_credentials_t no_credentials; /* of a client that verifies nothing */
	gnutls_priority_t own_priority;			 /* likewise */
	char *host;					 /* GnuTLS keeps a pointer to it */
	char *why; /* the client's certificate is not believed; NULL until one was asked about */
	gnutls_packet_t packet; /* what tls_read() gave; NULL: nothing is lent */
	unsigned chores, retries;
	size_t barren; /* octets pulled since the last plain text */
	enum tls_wire_state wire_state;
	enum tls_profile profile;
	unsigned short offered; /* the client's newest version, as on the wire; 0: not known yet */
	bool has_tickets, owes_ticket; /* TLS 1.3: given after the handshake */
	bool has_hello;		       /* the client's first one came */
	bool has_p256, has_x25519;     /* shares in it */
	char description[96];
};

/* tls_hello.c */
/* Notes what the client offers. */
void tls_hello_watch(struct tls *tls);
/* "TLS 1.0"; NULL: the client has not said it. */
const char *tls_hello_newest(const struct tls *tls);

/* tls_fault.c */
/* What went wrong, in words. */
void tls_explain(struct tls *tls, int rc, struct fault *fault);
