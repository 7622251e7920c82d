#include "server_private.h"

#include "base/require.h"

bool server_end_transaction(struct smtp_server *srv, struct smtp_event *ev)
{
	if (!srv->transaction.is_open)
		return false;
	server_reset(srv, LEVEL_TRANSACTION);
	srv->is_line_kept = true;
	ev->type = SMTP_EVENT_RESET;
	return true;
}

/* Whatever real clients send is taken (bare names, private addresses, any literal), but nothing
 * that could break a line of ours. */
static bool is_client_name(struct span name)
{
	enum { NAME_MOST = 255 };

	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] < ' ' || name.at[i] == 127)
			return false;
	return name.len && name.len <= NAME_MOST;
}

static bool greet_client(struct smtp_server *srv, const struct verb *verb, struct span name,
			 struct smtp_event *ev)
{
	static const struct smtp_reply bad_name =
		SMTP_REPLY(501, 5, 5, 4, "Give the name of your computer, of at most 255 octets");

	if (!is_client_name(name)) {
		server_refuse(srv, verb->name, &bad_name);
		return false;
	}
	if (server_end_transaction(srv, ev))
		return true;
	server_reset(srv, LEVEL_HELLO);
	srv->hello.is_said = true;
	ev->type = SMTP_EVENT_EHLO;
	ev->text = name;
	ev->is_esmtp = verb->run == server_run_ehlo;
	return true;
}

/* Each of `lines` with its code: "250-" on all but the last, "250 ". */
static void put_multiline(struct span lines, struct buf *out)
{
	while (lines.len) {
		size_t n = span_find(lines, '\n');
		bool is_last = n + 1 >= lines.len;

		buf_put_text(out, is_last ? "250 " : "250-");
		buf_put_span(out, span_first(lines, n));
		buf_put(out, "\r\n", 2);
		lines = span_from(lines, n + 1);
	}
}

bool server_run_ehlo(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	struct buf lines = { 0 }, out = { 0 };

	if (!greet_client(srv, verb, arg, ev))
		return false;
	if (ev->type != SMTP_EVENT_EHLO)
		return true;
	buf_put_text(&lines, srv->conf.hostname);
	buf_put_char(&lines, '\n');
	server_put_offers(srv, &lines);
	put_multiline(buf_span(&lines), &out);
	server_say_octets(srv, verb->name, 250, buf_span(&out));
	buf_fini(&lines);
	buf_fini(&out);
	return true;
}

bool server_run_helo(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	const struct smtp_reply hello = { 250, { 0 }, span_text(srv->conf.hostname) };

	if (!greet_client(srv, verb, arg, ev))
		return false;
	if (ev->type == SMTP_EVENT_EHLO)
		server_say(srv, verb->name, &hello);
	return true;
}

void server_offer_ehlo(const struct smtp_server *srv, struct buf *lines)
{
	(void)srv;
	buf_put_text(lines, "PIPELINING\nENHANCEDSTATUSCODES\n");
}

void server_offer_starttls(const struct smtp_server *srv, struct buf *lines)
{
	if (srv->conf.starttls_offered && !srv->connection.is_tls)
		buf_put_text(lines, "STARTTLS\n");
}

static void settle_starttls(struct smtp_server *srv, const struct smtp_reply *reply)
{
	require(reply->code == 220 || reply->code >= 400);
	if (reply->code != 220)
		srv->mode = MODE_COMMAND;
}

bool server_run_starttls(struct smtp_server *srv, const struct verb *verb, struct span arg,
			 struct smtp_event *ev)
{
	static const struct smtp_reply active =
		SMTP_REPLY(503, 5, 5, 1, "TLS is in use already; go on with EHLO");
	static const struct smtp_reply too_late =
		SMTP_REPLY(503, 5, 5, 1, "STARTTLS must come before the login; connect again");
	static const struct smtp_reply not_here =
		SMTP_REPLY(502, 5, 5, 1, "STARTTLS is not offered here");
	const struct smtp_reply *why = NULL;

	(void)arg;
	if (srv->connection.is_tls)
		why = &active;
	else if (srv->tls.is_authenticated)
		why = &too_late;
	else if (!srv->conf.starttls_offered)
		why = server_name_tls_port(srv, &not_here, "; use");
	if (why) {
		server_refuse(srv, verb->name, why);
		return false;
	}
	srv->mode = MODE_TLS;
	server_ask(srv, verb->name, SMTP_EVENT_STARTTLS, settle_starttls, ev);
	return true;
}
