/* relay/login.c: between the engine's events and the client side of SASL that main gave us. */
#include "conn.h"

#include "base/mem.h"

#include <stdlib.h>

void conn_login(struct conn *conn, struct span offered)
{
	const struct relay_login_ops *ops = &conn->relay->conf.login;
	char *mechanisms;

	if (ops->start == NULL) {
		smtp_client_no_login(conn->engine, "no client side of SASL is set up");
		return;
	}
	conn->login_due = true;
	mechanisms = mem_text_n(offered.at, offered.len);
	conn->login = ops->start(ops->user, &conn->route->to, mechanisms, conn);
	free(mechanisms);
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
