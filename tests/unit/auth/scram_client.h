/* tests/unit/auth/scram_client.h: the client side of SCRAM-SHA-256, written from RFC 5802 alone.
 *
 * Shape    scram_client_first -> scram_client_final(what the server said) -> scram_client_believes
 * Owns     its buffers; scram_client_fini()
 */
#pragma once

#include "test.h"

#include "base/buf.h"

struct scram_client {
	const char *header;  /* "n,," */
	struct span binding; /* behind the header in c= */
	const char *name, *password, *nonce;
	struct buf out, message;
	unsigned char server_key[32];
};

void scram_client_fini(struct scram_client *c);
struct span scram_client_first(struct scram_client *c);
struct span scram_client_final(struct scram_client *c, struct span challenge);
/* Whether the server's last word is signed by one that knows the password. */
bool scram_client_believes(struct scram_client *c, struct span last);
