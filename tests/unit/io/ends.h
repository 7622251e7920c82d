/* TLS sessions under test, with each other or with a client of GnuTLS's own, without sockets. */
#pragma once

#include "test.h"

#include "base/buf.h"
#include "io/tls.h"

#include <gnutls/gnutls.h>

/* Two ends: what one pushes the other may pull, `step` octets at a time. */
struct end {
	struct buf in;
	struct end *peer;
	bool has_peer_ended;
	size_t step; /* 0: any number */
	unsigned pulls;
};

long end_pull(void *end, void *at, size_t n);
void end_push(void *end, const void *at, size_t n);
bool end_is_dry(void *end);

struct pair {
	struct end server_end, client_end;
	struct tls *server, *client;
	enum tls_result server_result, client_result;
	struct fault server_fault, client_fault;
};

void pair_open(struct pair *p, struct tls_identity *identity, struct tls_trust *trust,
	       const char *host);
void pair_shake(struct pair *p);
void pair_close(struct pair *p);

/* A client of GnuTLS's own, for what ours does not do. */
struct raw {
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	struct end end, server_end;
	struct tls *server;
	enum tls_result server_result;
	struct fault fault;
	int rc;
};

void raw_open(struct raw *r, const struct tls_server_conf *conf, const char *priority,
	      const char *alpn);
/* With flags of GnuTLS's for the client: which shares it sends. */
void raw_open_flags(struct raw *r, const struct tls_server_conf *conf, const char *priority,
		    const char *alpn, unsigned flags);
void raw_shake(struct raw *r);
void raw_close(struct raw *r);
/* The server's session stays, for tls_free(). */
void raw_close_client(struct raw *r);
/* Session data to resume with (gnutls_free() it), after one reply of the server was read. */
gnutls_datum_t raw_ticket(struct raw *r);
