#include "server_private.h"

#include "base/require.h"
#include "smtp/idna.h"

/* RFC 6531 3.7.4: only who said SMTPUTF8 is told anything beyond ASCII. */
static bool may_say(const struct smtp_server *srv, struct span address)
{
	for (size_t i = 0; i < address.len; i++)
		if (address.at[i] < ' ' || address.at[i] == 127)
			return false;
	return span_is_ascii(address) || (srv->transaction.is_utf8 && span_is_utf8(address));
}

/* What stands between the angle brackets, or up to a space, of a path that may be malformed. */
static struct span bare_address(const struct smtp_server *srv, struct span path)
{
	enum { ADDRESS_MOST = 254 };

	path = span_trim(path);
	if (path.len && path.at[0] == '<')
		path = span_from(path, 1);
	path = span_first(path, span_find(path, '>'));
	path = span_first(path, span_find(path, ' '));
	return path.len <= ADDRESS_MOST && may_say(srv, path) ? path : span_first(path, 0);
}

struct span server_named_address(const struct smtp_server *srv, struct span arg)
{
	size_t n = strlen("TO:");

	return span_istarts(arg, "TO:") ? bare_address(srv, span_from(arg, n)) : span_first(arg, 0);
}

static const struct smtp_reply *judge_route(const struct smtp_path *path, enum smtp_path_kind kind)
{
	static const struct smtp_reply from_route =
		SMTP_REPLY(550, 5, 1, 7, "No source routes; give the plain address");
	static const struct smtp_reply to_route =
		SMTP_REPLY(550, 5, 1, 3, "No source routes; give the plain address");

	if (!path->has_source_route)
		return NULL;
	return kind == SMTP_PATH_REVERSE ? &from_route : &to_route;
}

/* Where no parameter can change it. */
static const struct smtp_reply *judge_unoffered(const struct smtp_server *srv,
						const struct smtp_path *path)
{
	static const struct smtp_reply not_here =
		SMTP_REPLY(550, 5, 6, 7,
			   "Only ASCII letters can be sent in addresses here; use another address");

	return path->is_utf8 && !srv->conf.offers_utf8 ? &not_here : NULL;
}

static const struct smtp_reply *judge_utf8(const struct smtp_path *path, enum smtp_path_kind kind,
					   bool is_utf8_said)
{
	static const struct smtp_reply unsaid = SMTP_REPLY(
		553, 5, 6, 7,
		"An address with other letters than ASCII needs SMTPUTF8, which the mail "
		"program did not ask for; use another address or mail program");
	static const struct smtp_reply no_sender =
		SMTP_REPLY(553, 5, 1, 8,
			   "No such domain can exist; check the part of the address behind the @");
	static const struct smtp_reply no_recipient =
		SMTP_REPLY(553, 5, 1, 2,
			   "No such domain can exist; check the part of the address behind the @");
	struct buf ascii = { 0 };
	bool is_domain;

	if (!path->is_utf8)
		return NULL;
	if (!is_utf8_said)
		return &unsaid;
	is_domain = smtp_domain_to_ascii(path->domain, &ascii) == 0;
	buf_fini(&ascii);
	if (is_domain)
		return NULL;
	return kind == SMTP_PATH_REVERSE ? &no_sender : &no_recipient;
}

/* Takes "FROM:" or "TO:" and the path from the front of *arg. */
static const struct smtp_reply *take_path(struct smtp_server *srv, enum smtp_path_kind kind,
					  struct span *arg, struct smtp_path *path)
{
	static const struct smtp_reply no_from =
		SMTP_REPLY(501, 5, 5, 4, "Write MAIL FROM:<name@example.com>");
	static const struct smtp_reply no_to =
		SMTP_REPLY(501, 5, 5, 4, "Write RCPT TO:<name@example.com>");
	bool is_from = kind == SMTP_PATH_REVERSE;
	const char *prefix = is_from ? "FROM:" : "TO:";
	const struct smtp_reply *why;

	if (!span_istarts(*arg, prefix))
		return is_from ? &no_from : &no_to;
	*arg = span_from(*arg, strlen(prefix));
	if (smtp_path_parse(arg, kind, path, &srv->composed) < 0)
		return &srv->composed;
	why = judge_route(path, kind);
	return why ? why : judge_unoffered(srv, path);
}

static const struct smtp_reply *take_mail(struct smtp_server *srv, struct span arg,
					  struct smtp_event *ev)
{
	const struct smtp_reply *why = take_path(srv, SMTP_PATH_REVERSE, &arg, &ev->path);

	if (!why)
		why = server_take_mail_params(srv, ev, arg);
	return why ? why : judge_utf8(&ev->path, SMTP_PATH_REVERSE, ev->mail.is_utf8);
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
	const struct smtp_reply *why = take_mail(srv, arg, ev);

	if (why) {
		struct span given = span_from(arg, strlen("FROM:"));

		server_refuse_of(srv, verb->name, bare_address(srv, given), why);
		return false;
	}
	server_reset(srv, LEVEL_TRANSACTION);
	srv->transaction.is_open = true;
	srv->transaction.is_utf8 = ev->mail.is_utf8;
	srv->transaction.body = ev->mail.body;
	server_ask(srv, verb->name, SMTP_EVENT_MAIL, settle_mail, ev);
	return true;
}

void server_offer_rcpt(const struct smtp_server *srv, struct buf *lines)
{
	buf_put_text(lines, "LIMITS RCPTMAX=");
	buf_put_number(lines, srv->conf.recipients);
	buf_put_char(lines, '\n');
}

static void settle_rcpt(struct smtp_server *srv, const struct smtp_reply *reply)
{
	require(reply->code / 100 == 2 || reply->code >= 400);
	srv->transaction.asked--;
	if (reply->code < 400)
		srv->transaction.accepted++;
}

static const struct smtp_reply *take_rcpt(struct smtp_server *srv, struct span arg,
					  struct smtp_event *ev)
{
	static const struct smtp_reply too_late =
		SMTP_REPLY(503, 5, 5, 1,
			   "The message has begun; finish it with BDAT LAST, or send RSET");
	const struct smtp_reply *why = take_path(srv, SMTP_PATH_FORWARD, &arg, &ev->path);

	if (!why && srv->transaction.is_chunked)
		why = &too_late;
	if (!why)
		why = server_take_rcpt_params(srv, ev, arg);
	return why ? why : judge_utf8(&ev->path, SMTP_PATH_FORWARD, srv->transaction.is_utf8);
}

static bool are_too_many(const struct smtp_server *srv)
{
	return srv->transaction.accepted + srv->transaction.asked >= srv->conf.recipients;
}

bool server_run_rcpt(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	/* RFC 5321 4.5.3.1.10: 452 makes the client send the rest in another message; it is no
	 * error. */
	static const struct smtp_reply too_many =
		SMTP_REPLY(452, 4, 5, 3,
			   "Too many recipients; send to the rest in another message");
	const struct smtp_reply *why = take_rcpt(srv, arg, ev);
	struct slot *slot;

	if (why) {
		server_refuse_of(srv, verb->name, server_named_address(srv, arg), why);
		return false;
	}
	if (are_too_many(srv)) {
		server_say_of(srv, verb->name, ev->path.mailbox, &too_many);
		return false;
	}
	srv->transaction.asked++;
	slot = server_ask(srv, verb->name, SMTP_EVENT_RCPT, settle_rcpt, ev);
	buf_put_span(&slot->address, ev->path.mailbox);
	return true;
}
