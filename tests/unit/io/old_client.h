/* A client of 2006: a hello in the format of SSLv2, then TLS 1.0 with RSA key exchange, as OpenSSL 0.9.7
 * behind Eudora 7.1 and Schannel of Windows XP speak it. No library of today does.
 */
#pragma once

#include "test.h"

#include "base/buf.h"
#include "ends.h"

#include <gnutls/crypto.h>

struct old_client {
	struct end end, server_end;
	struct tls *server;
	enum tls_result server_result;
	struct fault fault;
	struct buf messages; /* of the handshake, as both sides hash them */
	struct buf incoming; /* messages that came, not yet read */
	unsigned char client_random[32], server_random[32], master[48];
	unsigned char mac_keys[2][20]; /* ours, the server's */
	gnutls_cipher_hd_t ciphers[2];
	unsigned block;
	uint64_t sent, received;
	unsigned version, suite, session_id_octets;
	struct buf certificate;
	bool has_server_key; /* a ServerKeyExchange came */
	int alert;	     /* fatal, from the server; 0: none */
};

void old_client_open(struct old_client *c, const struct tls_server_conf *conf);
/* suites: three octets each, SSLv2's own among them. */
void old_client_hello(struct old_client *c, unsigned version, struct span suites);
/* What the server says to it, up to its ServerHelloDone. */
bool old_client_answer(struct old_client *c);
/* The rest, for TLS_RSA_WITH_AES_128_CBC_SHA and ..._3DES_EDE_CBC_SHA. */
bool old_client_finish(struct old_client *c);
void old_client_write(struct old_client *c, struct span plain);
/* One record of application data. */
bool old_client_read(struct old_client *c, struct buf *out);
void old_client_close(struct old_client *c);
