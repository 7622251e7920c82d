#include "server_private.h"

#include "base/base64.h"
#include "base/require.h"

enum {
	MECHANISM_MOST = 20, /* RFC 4422 3.1 */
	FAILURE_MOST = 200,
};

static void put_line(struct buf *lines, const char *keyword, const char *rest)
{
	buf_put_text(lines, keyword);
	buf_put_text(lines, rest);
	buf_put_char(lines, '\n');
}

/* "AUTH=" is for clients of before RFC 2554, and a keyword of its own to all others. */
void server_offer_auth(const struct smtp_server *srv, struct buf *lines)
{
	if (!server_is_safe(srv) || srv->tls.is_authenticated || !srv->conf.mechanisms[0])
		return;
	put_line(lines, "AUTH ", srv->conf.mechanisms);
	if (srv->conf.auth_line)
		put_line(lines, "AUTH=", srv->conf.mechanisms);
}

/* Some clients hide the 535 from their users and go on to MAIL; what is said there they show. */
const struct smtp_reply *server_log_in_first(struct smtp_server *srv)
{
	static const struct smtp_reply log_in =
		SMTP_REPLY(530, 5, 7, 0,
			   "Log in to send mail: turn on authentication for the outgoing server "
			   "and enter name and password");
	struct span failure = buf_span(&srv->tls.failure);

	if (failure.len == 0)
		return &log_in;
	return server_compose(srv, 530, log_in.status,
			      "Log in to send mail; the last login failed: %.*s", (int)failure.len,
			      (const char *)failure.at);
}

static void remember_failure(struct smtp_server *srv, struct span words)
{
	buf_clear(&srv->tls.failure);
	buf_put_span(&srv->tls.failure, span_first(words, FAILURE_MOST));
}

void server_refuse_login(struct smtp_server *srv, const struct smtp_reply *reply)
{
	remember_failure(srv, reply->text);
	server_refuse(srv, "AUTH", reply);
}

static bool is_offered(const struct smtp_server *srv, struct span mechanism)
{
	struct span list = span_text(srv->conf.mechanisms);

	while (list.len) {
		size_t n = span_find(list, ' ');

		if (n && span_ieq(span_first(list, n), mechanism))
			return true;
		list = span_from(list, n + 1);
	}
	return false;
}

static void settle_login(struct smtp_server *srv, const struct smtp_reply *reply)
{
	require(reply->code == 235 || reply->code == 334 || reply->code >= 400);
	srv->mode = reply->code == 334 ? MODE_RESPONSE : MODE_COMMAND;
	if (reply->code == 334)
		return;
	buf_clear(&srv->tls.failure);
	srv->tls.is_authenticated = reply->code == 235;
	if (reply->code >= 500)
		srv->connection.login_failures++;
	if (reply->code >= 400)
		remember_failure(srv, reply->text);
}

static bool decode(struct smtp_server *srv, struct span in)
{
	return base64_decode(in, &srv->decoded) == 0;
}

static void refuse_mechanism(struct smtp_server *srv)
{
	static const struct smtp_reply none =
		SMTP_REPLY(504, 5, 5, 4,
			   "No login with a password is offered here; use another port");

	if (srv->conf.mechanisms[0])
		server_refuse_login(
			srv, server_compose(srv, 504, none.status,
					    "This way of logging in is not offered; use one of: %s",
					    srv->conf.mechanisms));
	else
		server_refuse_login(srv, &none);
}

static const struct smtp_reply bad_base64 =
	SMTP_REPLY(501, 5, 5, 2,
		   "The login is not valid base64; check the mail program's settings");

static bool refuse_try(struct smtp_server *srv, const char *verb)
{
	static const struct smtp_reply twice =
		SMTP_REPLY(503, 5, 5, 1, "Logged in already; connect again to change the user");
	static const struct smtp_reply too_many =
		SMTP_REPLY(421, 4, 7, 0,
			   "Too many failed logins; check name and password and "
			   "connect again");

	if (srv->tls.is_authenticated)
		server_refuse(srv, verb, &twice);
	else if (srv->connection.login_failures >= srv->conf.login_failures)
		server_say(srv, verb, &too_many);
	else
		return false;
	return true;
}

/* The mechanism in upper case, into the decoded octets' buf; its length. */
static size_t take_mechanism(struct smtp_server *srv, struct span mechanism)
{
	for (size_t i = 0; i < mechanism.len; i++) {
		unsigned char c = mechanism.at[i];

		buf_put_char(&srv->decoded, (char)(c >= 'a' && c <= 'z' ? c - 32 : c));
	}
	return mechanism.len;
}

/* AUTH mechanism [initial-response] ; initial-response = base64 / "=" */
bool server_run_auth(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply no_mechanism =
		SMTP_REPLY(501, 5, 5, 4, "Name a mechanism behind AUTH");
	size_t n = span_find(arg, ' ');
	struct span mechanism = span_first(arg, n), initial = span_from(arg, n);

	if (refuse_try(srv, verb->name))
		return false;
	while (initial.len && initial.at[0] == ' ')
		initial = span_from(initial, 1);
	if (mechanism.len == 0) {
		server_refuse_login(srv, &no_mechanism);
		return false;
	}
	if (mechanism.len > MECHANISM_MOST || !is_offered(srv, mechanism)) {
		refuse_mechanism(srv);
		return false;
	}
	n = take_mechanism(srv, mechanism);
	if (!span_eq(initial, span_text("=")) && !decode(srv, initial)) {
		server_refuse_login(srv, &bad_base64);
		return false;
	}
	ev->has_data = initial.len > 0;
	ev->text = span_first(buf_span(&srv->decoded), n);
	ev->data = span_from(buf_span(&srv->decoded), n);
	server_ask(srv, verb->name, SMTP_EVENT_AUTH, settle_login, ev);
	return true;
}

bool server_refuse_response(struct smtp_server *srv, const struct smtp_reply *reply,
			    struct smtp_event *ev)
{
	srv->mode = MODE_COMMAND;
	server_refuse_login(srv, reply);
	ev->type = SMTP_EVENT_AUTH_CANCEL;
	return true;
}

/* What the client broke off by itself is no reason to repeat. */
static bool cancel(struct smtp_server *srv, struct smtp_event *ev)
{
	static const struct smtp_reply cancelled =
		SMTP_REPLY(501, 5, 7, 0, "Login cancelled; log in to send mail");

	srv->mode = MODE_COMMAND;
	server_refuse(srv, "AUTH", &cancelled);
	ev->type = SMTP_EVENT_AUTH_CANCEL;
	return true;
}

bool server_take_response(struct smtp_server *srv, struct span line, struct smtp_event *ev)
{
	if (span_eq(line, span_text("*")))
		return cancel(srv, ev);
	if (!decode(srv, line))
		return server_refuse_response(srv, &bad_base64, ev);
	ev->has_data = true;
	ev->data = buf_span(&srv->decoded);
	server_ask(srv, "AUTH", SMTP_EVENT_AUTH_LINE, settle_login, ev);
	return true;
}
