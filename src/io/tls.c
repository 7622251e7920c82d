#include "io/tls.h"

#include "base/mem.h"
#include "base/require.h"
#include "tls_inside.h"
#include "wipe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	RECORD_OCTETS = 16 * 1024,
	HELLO_OCTETS = 32 * 1024, /* a client has nothing longer to say in a handshake */
	RETRIES_MOST = 4096,	  /* of one call, on octets that are here already */
	CHORES_MOST = 64,	  /* alerts of no consequence and the like, in one session */
	/* Pulled without any plain text. GnuTLS looks at the length of a message of the handshake
	 * only when it is whole, and keeps up to 16 MiB until then; a chain of certificates has some
	 * KiB. */
	BARREN_MOST = 64 * 1024,
};

/* The wire */

static ssize_t on_pull(gnutls_transport_ptr_t user, void *at, size_t n)
{
	struct tls *tls = user;
	long got;

	if (tls->barren >= BARREN_MOST) {
		gnutls_transport_set_errno(tls->session, EIO);
		return -1;
	}
	got = tls->wire.pull(tls->wire.user, at, n);
	tls->barren += got > 0 ? (size_t)got : 0;
	tls->wire_state = got > 0 ? TLS_WIRE_GAVE : got == 0 ? TLS_WIRE_ENDED : TLS_WIRE_DRY;
	if (got >= 0)
		return got;
	gnutls_transport_set_errno(tls->session, EAGAIN);
	return -1;
}

/* One call for the parts of a record; GnuTLS's buffers are asked no second time. */
static ssize_t on_push(gnutls_transport_ptr_t user, const giovec_t *parts, int count)
{
	struct tls *tls = user;
	ssize_t sum = 0;

	for (int i = 0; i < count; i++) {
		tls->wire.push(tls->wire.user, parts[i].iov_base, parts[i].iov_len);
		sum += (ssize_t)parts[i].iov_len;
	}
	return sum;
}

/* Whatever can be read is here already: GnuTLS need not wait for it. */
static int on_pull_timeout(gnutls_transport_ptr_t user, unsigned ms)
{
	(void)user;
	(void)ms;
	return 1;
}

static void drop_packet(struct tls *tls)
{
	gnutls_datum_t plain;

	if (tls->packet == NULL)
		return;
	gnutls_packet_get(tls->packet, &plain, NULL);
	mem_wipe(plain.data, plain.size < WIPE_OCTETS ? plain.size : WIPE_OCTETS);
	gnutls_packet_deinit(tls->packet);
	tls->packet = NULL;
}

/* Life */

static struct tls *new_session(unsigned flags, const struct tls_wire *wire)
{
	struct tls *tls = mem_new(struct tls);

	require(gnutls_init(&tls->session, flags | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) == 0);
	tls->wire = *wire;
	gnutls_transport_set_ptr(tls->session, tls);
	gnutls_transport_set_pull_function(tls->session, on_pull);
	gnutls_transport_set_pull_timeout_function(tls->session, on_pull_timeout);
	gnutls_transport_set_vec_push_function(tls->session, on_push);
	return tls;
}

/* A key of the scope's own, made from the identity's. Whoever gets no ticket is not resumed either. */
static void enable_tickets(struct tls *tls, const char *scope)
{
	const gnutls_datum_t *master = &tls->identity->ticket_key;
	unsigned char octets[64];
	const gnutls_datum_t key = { octets, sizeof(octets) };

	require(gnutls_hmac_get_len(GNUTLS_MAC_SHA512) == sizeof(octets));
	require(gnutls_hmac_fast(GNUTLS_MAC_SHA512, master->data, master->size, scope,
				 strlen(scope), octets) == 0);
	require(gnutls_session_ticket_enable_server(tls->session, &key) == 0);
	mem_wipe(octets, sizeof(octets));
	tls->has_tickets = true;
}

/* A resumed session sees no certificate: the client's would not be verified again, and of several of ours
 * nobody could say to which one the client binds its login. */
static bool may_resume(const struct tls_server_conf *conf)
{
	return conf->profile == TLS_MODERN && conf->clients == NULL &&
	       conf->identity->pair_count == 1;
}

struct tls *tls_new_server(const struct tls_server_conf *conf, const struct tls_wire *wire)
{
	struct tls_identity *identity = conf->identity;
	static unsigned char smtp[] = "smtp";
	const gnutls_datum_t protocol = { smtp, sizeof(smtp) - 1 };
	/* One ticket, sent with the first reply, instead of the two that GnuTLS sends by itself. */
	struct tls *tls = new_session(GNUTLS_SERVER | GNUTLS_NO_AUTO_SEND_TICKET, wire);

	tls->profile = conf->profile;
	tls->identity = tls_identity_ref(identity);
	tls->clients = conf->clients ? tls_trust_ref(conf->clients) : NULL;
	require(gnutls_priority_set(tls->session, identity->priorities[conf->profile]) == 0);
	require(gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE,
				       identity->credentials) == 0);
	gnutls_certificate_server_set_request(tls->session, conf->clients ? GNUTLS_CERT_REQUEST
									  : GNUTLS_CERT_IGNORE);
	if (may_resume(conf))
		enable_tickets(tls, conf->scope ? conf->scope : "");
	/* Cross-protocol attacks (ALPACA): who names protocols must name ours. */
	gnutls_alpn_set_protocols(tls->session, &protocol, 1, GNUTLS_ALPN_MANDATORY);
	gnutls_handshake_set_max_packet_length(tls->session, HELLO_OCTETS);
	tls_hello_watch(tls);
	return tls;
}

static bool is_address(const char *host)
{
	unsigned char octets[16];

	return inet_pton(AF_INET, host, octets) == 1 || inet_pton(AF_INET6, host, octets) == 1;
}

/* The name without the dot of the root, which no certificate has. */
static char *name_of(const char *host)
{
	size_t n = strlen(host);

	return mem_text_n(host, n > 1 && host[n - 1] == '.' ? n - 1 : n);
}

static void set_trust(struct tls *tls, struct tls_trust *trust)
{
	gnutls_certificate_credentials_t credentials;

	if (trust) {
		tls->trust = tls_trust_ref(trust);
		credentials = trust->credentials;
		gnutls_session_set_verify_cert(tls->session, tls->host, 0);
		require(gnutls_priority_set(tls->session, trust->priority) == 0);
	} else {
		require(gnutls_certificate_allocate_credentials(&tls->no_credentials) == 0);
		credentials = tls->no_credentials;
		require(gnutls_priority_init(&tls->own_priority, TLS_PRIORITY, NULL) == 0);
		require(gnutls_priority_set(tls->session, tls->own_priority) == 0);
	}
	require(gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, credentials) == 0);
}

struct tls *tls_new_client(struct tls_trust *trust, const char *host, const struct tls_wire *wire)
{
	struct tls *tls = new_session(GNUTLS_CLIENT | GNUTLS_NO_TICKETS, wire);

	tls->host = name_of(host);
	set_trust(tls, trust);
	/* RFC 6066 section 3: literal addresses are not permitted in "HostName". */
	if (!is_address(tls->host))
		gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, tls->host, strlen(tls->host));
	return tls;
}

void tls_free(struct tls **tls_at)
{
	struct tls *tls = *tls_at;

	*tls_at = NULL;
	if (tls == NULL)
		return;
	drop_packet(tls);
	gnutls_deinit(tls->session);
	if (tls->no_credentials)
		gnutls_certificate_free_credentials(tls->no_credentials);
	if (tls->own_priority)
		gnutls_priority_deinit(tls->own_priority);
	tls_identity_unref(&tls->identity);
	tls_trust_unref(&tls->trust);
	tls_trust_unref(&tls->clients);
	free(tls->host);
	free(tls->why);
	free(tls);
}

/* What went wrong */

/* Tells the peer, as far as it can be told, and never speaks again. */
static enum tls_result die(struct tls *tls, int rc, struct fault *fault)
{
	tls_explain(tls, rc, fault);
	tls->state = TLS_DEAD;
	if (rc == GNUTLS_E_REHANDSHAKE)
		gnutls_alert_send(tls->session, GNUTLS_AL_FATAL, GNUTLS_A_NO_RENEGOTIATION);
	else if (rc != GNUTLS_E_FATAL_ALERT_RECEIVED)
		gnutls_alert_send_appropriate(tls->session, rc);
	return TLS_ERROR;
}

/* RFC 8446 section 6.1: each party sends a close_notify before it closes its side. */
static enum tls_result end(struct tls *tls)
{
	tls_bye(tls);
	return TLS_END;
}

static enum tls_result dead(struct fault *fault)
{
	fault_set(fault, -EPROTO, "TLS: the session has ended");
	return TLS_ERROR;
}

/* True: rc is of no consequence, call again. GnuTLS says GNUTLS_E_AGAIN also after a ticket or a key
 * update, with more to be read. Calls are counted, so that no peer makes us busy with nothing. */
static bool is_chore(struct tls *tls, int rc)
{
	if (rc == GNUTLS_E_AGAIN && tls->wire_state == TLS_WIRE_GAVE)
		return tls->retries++ < RETRIES_MOST;
	return rc != GNUTLS_E_AGAIN && rc != GNUTLS_E_REHANDSHAKE && !gnutls_error_is_fatal(rc) &&
	       tls->chores++ < CHORES_MOST;
}

/* What a negative rc means to the caller. Within a record GnuTLS takes the wire's end for a pause or for
 * an error of form. */
static enum tls_result result_of(struct tls *tls, int rc, struct fault *fault)
{
	if (tls->wire_state == TLS_WIRE_ENDED || rc == GNUTLS_E_PREMATURE_TERMINATION)
		return end(tls);
	return rc == GNUTLS_E_AGAIN ? TLS_AGAIN : die(tls, rc, fault);
}

/* The session */

static void describe(struct tls *tls)
{
	gnutls_protocol_t version = gnutls_protocol_get_version(tls->session);
	const char *group = gnutls_group_get_name(gnutls_group_get(tls->session));
	const char *kx = version == GNUTLS_TLS1_3 ? "ECDHE"
						  : gnutls_kx_get_name(gnutls_kx_get(tls->session));

	snprintf(tls->description, sizeof(tls->description), "%s %s%s%s %s%s",
		 gnutls_protocol_get_name(version), kx ? kx : "?", group ? "-" : "",
		 group ? group : "", gnutls_cipher_get_name(gnutls_cipher_get(tls->session)),
		 gnutls_session_is_resumed(tls->session) ? " resumed" : "");
}

enum tls_result tls_handshake(struct tls *tls, struct fault *fault)
{
	int rc;

	if (tls->state != TLS_SHAKING)
		return tls->state == TLS_OPEN ? TLS_OK : dead(fault);
	tls->retries = 0;
	do {
		rc = gnutls_handshake(tls->session);
	} while (rc < 0 && is_chore(tls, rc));
	if (rc < 0)
		return result_of(tls, rc, fault);
	tls->state = TLS_OPEN;
	tls->barren = 0;
	describe(tls);
	tls->owes_ticket =
		tls->has_tickets && gnutls_protocol_get_version(tls->session) == GNUTLS_TLS1_3;
	return TLS_OK;
}

/* GnuTLS allocates and fails its way to the same answer. */
static bool is_dry(const struct tls *tls)
{
	return tls->wire.is_dry && tls->wire.is_dry(tls->wire.user) &&
	       gnutls_record_check_pending(tls->session) == 0;
}

enum tls_result tls_read(struct tls *tls, struct span *plain_out, struct fault *fault)
{
	gnutls_datum_t plain;
	ssize_t rc;

	*plain_out = span_of(NULL, 0);
	drop_packet(tls);
	if (tls->state != TLS_OPEN)
		return dead(fault);
	if (is_dry(tls))
		return TLS_AGAIN;
	tls->retries = 0;
	do {
		rc = gnutls_record_recv_packet(tls->session, &tls->packet);
	} while (rc < 0 && is_chore(tls, (int)rc));
	if (rc <= 0)
		return rc ? result_of(tls, (int)rc, fault) : end(tls);
	gnutls_packet_get(tls->packet, &plain, NULL);
	*plain_out = span_of(plain.data, plain.size);
	tls->barren = 0;
	return TLS_OK;
}

/* Just ahead of the first octets: by itself it would be a write, and a wake-up of the client. */
static void give_ticket(struct tls *tls)
{
	tls->owes_ticket = false;
	gnutls_session_ticket_send(tls->session, 1, 0);
}

enum tls_result tls_write(struct tls *tls, struct span plain, struct fault *fault)
{
	require(plain.len <= RECORD_OCTETS);
	if (tls->state != TLS_OPEN)
		return dead(fault);
	if (tls->owes_ticket)
		give_ticket(tls);
	while (plain.len) {
		ssize_t n = gnutls_record_send(tls->session, plain.at, plain.len);

		if (n < 0)
			return die(tls, (int)n, fault);
		plain = span_from(plain, (size_t)n);
	}
	return TLS_OK;
}

void tls_bye(struct tls *tls)
{
	if (tls->state == TLS_OPEN)
		gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	tls->state = TLS_DEAD;
}

const char *tls_describe(struct tls *tls)
{
	return tls->description[0] ? tls->description : NULL;
}
