/* auth/client.h: the client side of a login, by Cyrus SASL.
 *
 * Shape    auth_client_new(what the smarthost offers) -> start -> step ... -> free
 * Thread   all conversations of a process on one and the same thread (a lane of one): Cyrus may wait
 *          and its thread safety is conditional
 * Owns     copies of what the conf points to; the password is wiped with it
 * Errors   -ENOTSUP: no offered mechanism fits (the fault names both sides' mechanisms); -EPROTO: the
 *          peer's challenge made no sense
 *
 * With a keytab: GSSAPI and nothing else; new asks a KDC for a ticket where none is at hand, and waits
 * for it (-EIO, -EACCES ... when there is none to be had). Tickets stay in memory. Otherwise the best of SCRAM-SHA-512-PLUS, -256-PLUS, -1-PLUS
 * (where there is a binding), SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN and LOGIN that the smarthost
 * offers, in this order; the last two under TLS only.
 */
#pragma once

#include "base/fault.h"
#include "base/buf.h"

struct auth_client;

struct auth_client_conf {
	const char *host; /* the smarthost's name */
	const char *user;
	struct span password;
	const char *offered; /* "PLAIN LOGIN SCRAM-SHA-256" */
	bool is_tls;	     /* without TLS no mechanism that sends the password in clear */
	const char *keytab;  /* Kerberos: whose key for `user` is used; NULL: none */
	const char *binding; /* "tls-exporter"; NULL: this connection has none */
	struct span binding_data;
};

struct auth_client *auth_client_new(const struct auth_client_conf *conf, struct fault *fault);
void auth_client_free(struct auth_client **c);
/* The mechanism chosen and its initial response (has_initial false: none), not yet in base64.
 * *mechanism lives as long as `c`. What is appended is secret: buf_wipe() it. */
int auth_client_start(struct auth_client *c, const char **mechanism, struct buf *initial,
		      bool *has_initial, struct fault *fault);
/* Appends nothing where the response is an empty one. */
int auth_client_step(struct auth_client *c, struct span challenge, struct buf *response,
		     struct fault *fault);
/* Whether our side has come to its end. A 235 before that is from a server that has not shown that it
 * knows the password (SCRAM), and is not to be believed. */
bool auth_client_is_done(const struct auth_client *c);
