#include "ends.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

long end_pull(void *user, void *at, size_t n)
{
	struct end *e = user;

	e->pulls++;
	if (e->in.len == 0)
		return e->has_peer_ended ? 0 : -EAGAIN;
	if (e->step && n > e->step)
		n = e->step;
	if (n > e->in.len)
		n = e->in.len;
	memcpy(at, buf_span(&e->in).at, n);
	buf_drop(&e->in, n);
	return (long)n;
}

void end_push(void *user, const void *at, size_t n)
{
	struct end *e = user;

	buf_put(&e->peer->in, at, n);
}

bool end_is_dry(void *user)
{
	const struct end *e = user;

	return e->in.len == 0 && !e->has_peer_ended;
}

void pair_open(struct pair *p, struct tls_identity *identity, struct tls_trust *trust,
	       const char *host)
{
	struct tls_wire server = { end_pull, end_push, &p->server_end, NULL };
	struct tls_wire client = { end_pull, end_push, &p->client_end, NULL };

	*p = (struct pair){ .server_result = TLS_AGAIN, .client_result = TLS_AGAIN };
	p->server_end.peer = &p->client_end;
	p->client_end.peer = &p->server_end;
	p->server = tls_new_server(&(struct tls_server_conf){ .identity = identity }, &server);
	p->client = tls_new_client(trust, host, &client);
}

void pair_shake(struct pair *p)
{
	for (int i = 0; i < 20; i++) {
		if (p->client_result == TLS_AGAIN)
			p->client_result = tls_handshake(p->client, &p->client_fault);
		if (p->server_result == TLS_AGAIN)
			p->server_result = tls_handshake(p->server, &p->server_fault);
	}
}

void pair_close(struct pair *p)
{
	tls_free(&p->server);
	tls_free(&p->client);
	buf_fini(&p->server_end.in);
	buf_fini(&p->client_end.in);
}

static ssize_t raw_pull(gnutls_transport_ptr_t user, void *at, size_t n)
{
	struct raw *r = user;
	long got = end_pull(&r->end, at, n);

	if (got < 0)
		gnutls_transport_set_errno(r->session, EAGAIN);
	return got < 0 ? -1 : got;
}

static ssize_t raw_push(gnutls_transport_ptr_t user, const void *at, size_t n)
{
	struct raw *r = user;

	end_push(&r->end, at, n);
	return (ssize_t)n;
}

static int raw_timeout(gnutls_transport_ptr_t user, unsigned ms)
{
	struct raw *r = user;

	(void)ms;
	return r->end.in.len > 0;
}

void raw_open(struct raw *r, const struct tls_server_conf *conf, const char *priority,
	      const char *alpn)
{
	raw_open_flags(r, conf, priority, alpn, 0);
}

void raw_open_flags(struct raw *r, const struct tls_server_conf *conf, const char *priority,
		    const char *alpn, unsigned flags)
{
	struct tls_wire wire = { end_pull, end_push, &r->server_end, end_is_dry };
	gnutls_datum_t protocol = { NULL, 0 };

	*r = (struct raw){ .server_result = TLS_AGAIN };
	r->end.peer = &r->server_end;
	r->server_end.peer = &r->end;
	r->server = tls_new_server(conf, &wire);
	gnutls_init(&r->session, flags | GNUTLS_CLIENT | GNUTLS_NONBLOCK);
	gnutls_certificate_allocate_credentials(&r->credentials);
	gnutls_credentials_set(r->session, GNUTLS_CRD_CERTIFICATE, r->credentials);
	assert_int_equal(gnutls_priority_set_direct(r->session, priority, NULL), 0);
	gnutls_transport_set_ptr(r->session, r);
	gnutls_transport_set_pull_function(r->session, raw_pull);
	gnutls_transport_set_pull_timeout_function(r->session, raw_timeout);
	gnutls_transport_set_push_function(r->session, raw_push);
	if (alpn) {
		protocol.data = (unsigned char *)mem_text(alpn);
		protocol.size = (unsigned)strlen(alpn);
		gnutls_alpn_set_protocols(r->session, &protocol, 1, 0);
		free(protocol.data);
	}
}

void raw_shake(struct raw *r)
{
	r->rc = GNUTLS_E_AGAIN;
	for (int i = 0; i < 20; i++) {
		if (r->rc == GNUTLS_E_AGAIN || r->rc == GNUTLS_E_WARNING_ALERT_RECEIVED)
			r->rc = gnutls_handshake(r->session);
		if (r->server_result == TLS_AGAIN)
			r->server_result = tls_handshake(r->server, &r->fault);
	}
}

void raw_close_client(struct raw *r)
{
	gnutls_deinit(r->session);
	gnutls_certificate_free_credentials(r->credentials);
	buf_fini(&r->end.in);
	buf_fini(&r->server_end.in);
}

void raw_close(struct raw *r)
{
	raw_close_client(r);
	tls_free(&r->server);
}

gnutls_datum_t raw_ticket(struct raw *r)
{
	gnutls_datum_t data = { NULL, 0 };
	struct fault fault;
	char got[8];
	ssize_t n;

	/* In TLS 1.3 the ticket is read with what follows the handshake. */
	assert_int_equal(tls_write(r->server, span_text("220"), &fault), TLS_OK);
	while ((n = gnutls_record_recv(r->session, got, sizeof(got))) == GNUTLS_E_AGAIN &&
	       r->end.in.len)
		;
	assert_int_equal(n, 3);
	gnutls_session_get_data2(r->session, &data);
	return data;
}
