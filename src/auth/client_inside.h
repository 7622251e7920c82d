/* auth/client_inside.h (private): the client side of a login, for client*.c. */
#pragma once

#include "auth/client.h"

#include "kerberos.h"

#include <sasl/sasl.h>

struct auth_client {
	char *host, *user, *offered;
	bool is_tls, is_done, is_kerberos;
	sasl_secret_t *secret;
	sasl_conn_t *conn;
	sasl_callback_t callbacks[6];
	gss_cred_id_t ticket;
	/* The binding points into `bound`; name NULL: there is none. */
	char *binding_name;
	struct buf bound;
	sasl_channel_binding_t binding;
	char words[256]; /* what Cyrus said last */
};

/* client_cyrus.c */

/* Starts Cyrus, once in a process; what it said. */
int client_cyrus_start(void);
/* A connection that asks for c's name and password. */
int client_cyrus_connect(struct auth_client *c);
