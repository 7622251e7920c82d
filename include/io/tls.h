/* io/tls.h: TLS as a memory codec: octets in, octets out, no sockets.
 *
 * Shape    tls_new -> tls_handshake -> tls_read/tls_write; ciphertext goes through two callbacks
 *          (pull from what came, push to what leaves)
 * Thread   a session on one loop; identities and trust are read-only and shared by all
 * Owns     its GnuTLS session; a reference to its identity
 * Errors   a fault with GnuTLS's words; after any error, alert or end the session is dead and the
 *          connection with it: there is no way back to plain text
 * Profiles modern: floor TLS 1.2, ECDHE and AEAD only. legacy: for mail programs of before 2008, on a
 *          listener of its own: TLS 1.0 and up, a hello in the format of SSLv2, CBC (3DES too), DHE
 *          and RSA key exchange, only pairs with an RSA key. Both: a session id is always given, the
 *          extended master secret and safe renegotiation are used by those who know them, no
 *          compression; renegotiation by the peer ends the connection; ALPN that does not offer
 *          "smtp" is refused
 * Tickets  one a session (TLS 1.3: just before the first octets that are written), with a key of
 *          identity and scope, new at each reload, rotated by GnuTLS; any loop resumes. None under the
 *          legacy profile, where client certificates are asked for, or where the identity has several
 *          pairs: there every session begins with a whole handshake, which proves both sides anew
 */
#pragma once

#include "base/buf.h"
#include "base/fault.h"

struct tls;
/* Certificates and keys of a server. Counted: sessions keep theirs when a reload brings new ones. */
struct tls_identity;
/* What a client accepts as proof of a smarthost. Counted likewise. */
struct tls_trust;

struct tls_pair {
	const char *chain_file; /* PEM, leaf first */
	const char *key_file;	/* PEM, or a "pkcs11:" URI */
};

/* Several pairs: GnuTLS picks by SNI and by what the client can verify (ECDSA, RSA). Each key is
 * checked against its certificate. */
struct tls_identity *tls_identity_load(const struct tls_pair *pairs, size_t count,
				       struct fault *fault);
struct tls_identity *tls_identity_ref(struct tls_identity *identity);
void tls_identity_unref(struct tls_identity **identity);
/* Seconds since the epoch at which the first of its certificates ends. */
int64_t tls_identity_expires(const struct tls_identity *identity);

/* ca_file NULL: the system's trust store. */
struct tls_trust *tls_trust_load(const char *ca_file, struct fault *fault);
struct tls_trust *tls_trust_ref(struct tls_trust *trust);
void tls_trust_unref(struct tls_trust **trust);

struct tls_wire {
	/* Takes up to n octets of what came: >0, 0 at the peer's end, -EAGAIN when there are none. */
	long (*pull)(void *user, void *at, size_t n);
	/* Takes all n octets; the caller looks at how much is due before it writes more. */
	void (*push)(void *user, const void *at, size_t n);
	void *user;
	/* True: pull() would say -EAGAIN now. Spares the call that only hears it. NULL: not known. */
	bool (*is_dry)(void *user);
};

enum tls_profile { TLS_MODERN, TLS_LEGACY };

struct tls_server_conf {
	struct tls_identity *identity;
	enum tls_profile profile;
	/* Asks for a certificate, which tls_peer_names() verifies; a client may have none, and one that
	 * is not believed is as none. No issuers are named to it. NULL: does not ask. */
	struct tls_trust *clients;
	/* The listener's name: a ticket given under another one resumes nothing. NULL: "". */
	const char *scope;
};

/* Whether one of its pairs has an RSA key: else the legacy profile cannot serve. */
bool tls_identity_has_rsa(const struct tls_identity *identity);

struct tls *tls_new_server(const struct tls_server_conf *conf, const struct tls_wire *wire);
/* host: for SNI and verification. trust NULL: nothing is verified (by explicit setting only). */
struct tls *tls_new_client(struct tls_trust *trust, const char *host, const struct tls_wire *wire);
void tls_free(struct tls **tls);

enum tls_result {
	TLS_OK,	   /* done: the handshake, or there are octets */
	TLS_AGAIN, /* more octets must come from the peer first */
	TLS_END,   /* the peer closed: with close_notify or without */
	TLS_ERROR, /* fault says what */
};

enum tls_result tls_handshake(struct tls *tls, struct fault *fault);
/* The octets of one record, where they were deciphered: there until the next call, which wipes them if they
 * are few enough to hold a password. */
enum tls_result tls_read(struct tls *tls, struct span *plain_out, struct fault *fault);
/* Always takes all: at most 16 KiB a call. */
enum tls_result tls_write(struct tls *tls, struct span plain, struct fault *fault);
/* Sends close_notify; no answer is awaited. */
void tls_bye(struct tls *tls);
/* "TLS1.3 ECDHE-SECP256R1 AES-128-GCM" for the log; lives as long as the session. */
const char *tls_describe(struct tls *tls);

/* Channel bindings (RFC 5929, 9266) by their names: "tls-exporter" (TLS 1.3, or extended master secret),
 * "tls-server-end-point" (of the server's certificate, on either side; none where its signature has no
 * hash of its own, as Ed25519), "tls-unique" (up to TLS 1.2, with extended master secret). Appends the
 * octets, at most 64. -ENOTSUP: this session has no such binding. */
int tls_binding(struct tls *tls, struct span name, struct buf *out);

enum { TLS_NAMES_MAX = 16, TLS_NAME_OCTETS_MAX = 255 };

/* Server: the names of the client's certificate, which verifies for a client's use at this moment: e-mail
 * addresses of its alternative names, then its Microsoft UPNs, then its (last) common name; each clean
 * UTF-8, ended by a NUL; appended. False: it sent none, or one that does not verify, or has a name that is
 * none (*why, for the log, until the next call; NULL: none was sent). Lists of revoked certificates are
 * not looked at: take the account away. Costs some signatures' verification at each call. */
bool tls_peer_names(struct tls *tls, struct buf *out, const char **why);
