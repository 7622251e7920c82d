/* relay/login.c: between the engine's events and the client side of SASL that main gave us. */
#include "conn.h"

#include "base/mem.h"

#include <stdlib.h>

/* The first that this TLS session has. Each version has its own that every implementation of
 * SCRAM-PLUS knows: RFC 5802 6.1 for TLS 1.2, where "tls-unique" is not refused, RFC 9266 for 1.3. */
static const char *take_binding(struct conn *conn, struct buf *out)
{
	static const char *const names[] = { "tls-unique", "tls-exporter", "tls-server-end-point" };

	if (conn->route->to.tls == SMTP_CLIENT_TLS_NONE)
		return NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (stream_tls_binding(conn->stream, span_text(names[i]), out) == 0)
			return names[i];
	return NULL;
}

static void start(struct conn *conn, struct span offered)
{
	const struct relay_login_ops *ops = &conn->relay->conf.login;
	struct buf binding = { 0 };
	char *mechanisms = mem_text_n(offered.at, offered.len);
	struct relay_login_start from = { .smarthost = &conn->route->to,
					  .offered = mechanisms,
					  .binding = take_binding(conn, &binding) };

	from.binding_data = buf_span(&binding);
	conn->login = ops->start(ops->user, &from, conn);
	buf_wipe(&binding);
	free(mechanisms);
}

void conn_login(struct conn *conn, struct span offered)
{
	const struct relay_login_ops *ops = &conn->relay->conf.login;

	if (ops->start == NULL) {
		smtp_client_no_login(conn->engine, "no client side of SASL is set up");
		return;
	}
	conn->login_due = true;
	start(conn, offered);
	if (conn->login == NULL)
		smtp_client_no_login(conn->engine, "the login could not be started");
}

void conn_login_challenge(struct conn *conn, struct span octets)
{
	conn->login_due = true;
	if (conn->login)
		conn->relay->conf.login.challenge(conn->login, octets);
	else
		smtp_client_cancel_login(conn->engine);
}

bool conn_login_is_complete(const struct conn *conn)
{
	return conn->login == NULL || conn->relay->conf.login.is_complete(conn->login);
}

void conn_login_end(struct conn *conn)
{
	if (conn->login)
		conn->relay->conf.login.end(&conn->login);
	conn->login = NULL;
	conn->login_begun = conn->login_due = false;
}

static void give_up(struct conn *conn, const struct fault *fault)
{
	free(conn->login_fault);
	conn->login_fault = mem_text(fault->text);
	if (conn->login_begun)
		smtp_client_cancel_login(conn->engine);
	else
		smtp_client_no_login(conn->engine, "no offered mechanism can be used");
}

void relay_login_reply(void *attempt, const char *mechanism, const struct span *response,
		       const struct fault *fault)
{
	struct conn *conn = attempt;

	if (conn->state != CONN_SETTING_UP || conn->login == NULL || !conn->login_due)
		return;
	conn->login_due = false;
	if (fault) {
		give_up(conn, fault);
	} else if (!conn->login_begun) {
		conn->login_begun = true;
		smtp_client_login(conn->engine, mechanism, response);
	} else {
		smtp_client_respond(conn->engine, response ? *response : span_of(NULL, 0));
	}
	conn_turn(conn);
}
