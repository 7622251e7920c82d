#include "server_private.h"

#include "base/base64.h"
#include "base/require.h"

enum {
	MECHANISM_MOST = 20, /* RFC 4422 3.1 */
	FAILURE_MOST = 200,
};

void server_offer_auth(const struct smtp_server *srv, struct buf *lines)
{
	if (server_is_safe(srv) && !srv->tls.is_authenticated && srv->conf.mechanisms[0])
		buf_printf(lines, "AUTH %s\n", srv->conf.mechanisms);
}

/* Some clients hide the 535 from their users and go on to MAIL; what is said there they show. */
void server_refuse_stranger(struct smtp_server *srv, const char *verb)
{
	struct smtp_reply log_in = { 530, { 5, 7, 0 }, { NULL, 0 } };
	struct buf text = { 0 };

	if (srv->tls.failure.len) {
		buf_put_text(&text, "Log in first; the last login failed: ");
		buf_put_span(&text, buf_span(&srv->tls.failure));
	} else {
		buf_put_text(&text, "Log in first: turn on authentication for outgoing mail and "
				    "enter name and password");
	}
	log_in.text = buf_span(&text);
	server_refuse(srv, verb, &log_in);
	buf_fini(&text);
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
		buf_put_span(&srv->tls.failure, span_first(reply->text, FAILURE_MOST));
}

static bool decode(struct smtp_server *srv, struct span in)
{
	return base64_decode(in, &srv->decoded) == 0;
}

static void refuse_mechanism(struct smtp_server *srv, const char *verb)
{
	struct smtp_reply other = { 504, { 5, 5, 4 }, { NULL, 0 } };
	struct buf text = { 0 };

	buf_printf(&text, "This way of logging in is not offered; use one of: %s",
		   srv->conf.mechanisms);
	other.text = buf_span(&text);
	server_refuse(srv, verb, &other);
	buf_fini(&text);
}

static const struct smtp_reply bad_base64 =
	SMTP_REPLY(501, 5, 5, 2,
		   "The login is not valid base64; check the mail program's settings");

static bool refuse_login(struct smtp_server *srv, const char *verb)
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

	if (refuse_login(srv, verb->name))
		return false;
	while (initial.len && initial.at[0] == ' ')
		initial = span_from(initial, 1);
	if (mechanism.len == 0) {
		server_refuse(srv, verb->name, &no_mechanism);
		return false;
	}
	if (mechanism.len > MECHANISM_MOST || !is_offered(srv, mechanism)) {
		refuse_mechanism(srv, verb->name);
		return false;
	}
	n = take_mechanism(srv, mechanism);
	if (!span_eq(initial, span_text("=")) && !decode(srv, initial)) {
		server_refuse(srv, verb->name, &bad_base64);
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
	server_refuse(srv, "AUTH", reply);
	ev->type = SMTP_EVENT_AUTH_CANCEL;
	return true;
}

bool server_take_response(struct smtp_server *srv, struct span line, struct smtp_event *ev)
{
	static const struct smtp_reply cancelled =
		SMTP_REPLY(501, 5, 7, 0, "Login cancelled; log in to send mail");

	if (span_eq(line, span_text("*")))
		return server_refuse_response(srv, &cancelled, ev);
	if (!decode(srv, line))
		return server_refuse_response(srv, &bad_base64, ev);
	ev->has_data = true;
	ev->data = buf_span(&srv->decoded);
	server_ask(srv, "AUTH", SMTP_EVENT_AUTH_LINE, settle_login, ev);
	return true;
}
