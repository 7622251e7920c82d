#include "server_private.h"

#include "base/require.h"

/* "<address>: words": some clients look in our words for the recipient at fault. */
static void refuse_path(struct smtp_server *srv, const char *verb, struct span given,
			const struct smtp_reply *reply)
{
	enum { GIVEN_MOST = 256 };
	struct smtp_reply full = *reply;
	struct buf text = { 0 };
	bool is_bare = given.len == 0 || given.at[0] != '<';

	if (given.len && given.len <= GIVEN_MOST && span_is_ascii(given)) {
		buf_put_text(&text, is_bare ? "<" : "");
		buf_put_span(&text, given);
		buf_put_text(&text, is_bare ? ">: " : ": ");
	}
	buf_put_span(&text, reply->text);
	full.text = buf_span(&text);
	server_refuse(srv, verb, &full);
	buf_fini(&text);
}

static const struct smtp_reply *judge_path(const struct smtp_path *path, enum smtp_path_kind kind)
{
	static const struct smtp_reply from_route =
		SMTP_REPLY(550, 5, 1, 7, "No source routes; give the plain address");
	static const struct smtp_reply to_route =
		SMTP_REPLY(550, 5, 1, 3, "No source routes; give the plain address");
	static const struct smtp_reply not_ascii =
		SMTP_REPLY(553, 5, 6, 7, "Only ASCII letters in addresses; use another address");

	if (path->has_source_route)
		return kind == SMTP_PATH_REVERSE ? &from_route : &to_route;
	return path->is_utf8 ? &not_ascii : NULL;
}

/* Takes "FROM:" or "TO:" and the path from the front of *arg. */
static bool take_path(struct smtp_server *srv, const struct verb *verb, const char *prefix,
		      enum smtp_path_kind kind, struct span *arg, struct smtp_path *path)
{
	static const struct smtp_reply no_from =
		SMTP_REPLY(501, 5, 5, 4, "Write MAIL FROM:<name@example.com>");
	static const struct smtp_reply no_to =
		SMTP_REPLY(501, 5, 5, 4, "Write RCPT TO:<name@example.com>");
	const struct smtp_reply *why;
	struct smtp_reply syntax;
	struct span given;

	if (!span_istarts(*arg, prefix)) {
		server_refuse(srv, verb->name, kind == SMTP_PATH_REVERSE ? &no_from : &no_to);
		return false;
	}
	given = *arg = span_from(*arg, strlen(prefix));
	why = smtp_path_parse(arg, kind, path, &syntax) < 0 ? &syntax : judge_path(path, kind);
	if (why)
		refuse_path(srv, verb->name, span_trim(path->mailbox.len ? path->mailbox : given),
			    why);
	return !why;
}

static void settle_mail(struct smtp_server *srv, const struct smtp_reply *reply)
{
	require(reply->code / 100 == 2 || reply->code >= 400);
	if (reply->code >= 400)
		server_reset(srv, LEVEL_TRANSACTION);
}

bool server_run_mail(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	const struct smtp_reply *why;

	if (!take_path(srv, verb, "FROM:", SMTP_PATH_REVERSE, &arg, &ev->path))
		return false;
	why = server_take_mail_params(srv, ev, arg);
	if (why) {
		server_refuse(srv, verb->name, why);
		return false;
	}
	srv->transaction.is_open = true;
	server_ask(srv, verb->name, SMTP_EVENT_MAIL, settle_mail, ev);
	return true;
}

static void settle_rcpt(struct smtp_server *srv, const struct smtp_reply *reply)
{
	require(reply->code / 100 == 2 || reply->code >= 400);
	srv->transaction.asked--;
	if (reply->code < 400)
		srv->transaction.accepted++;
}

/* RFC 5321 4.5.3.1.10: 452 makes the client send the rest in another message; it is no error. */
static bool refuse_too_many(struct smtp_server *srv, const struct verb *verb)
{
	static const struct smtp_reply too_many =
		SMTP_REPLY(452, 4, 5, 3,
			   "Too many recipients; send to the rest in another message");
	const struct server_transaction *t = &srv->transaction;

	if (t->accepted + t->asked < srv->conf.recipients)
		return false;
	server_say(srv, verb->name, &too_many);
	return true;
}

bool server_run_rcpt(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	const struct smtp_reply *why;

	if (!take_path(srv, verb, "TO:", SMTP_PATH_FORWARD, &arg, &ev->path))
		return false;
	why = server_take_rcpt_params(srv, ev, arg);
	if (why) {
		server_refuse(srv, verb->name, why);
		return false;
	}
	if (refuse_too_many(srv, verb))
		return false;
	srv->transaction.asked++;
	server_ask(srv, verb->name, SMTP_EVENT_RCPT, settle_rcpt, ev);
	return true;
}
