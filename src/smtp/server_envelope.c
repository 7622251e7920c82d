#include "server_private.h"

#include "base/require.h"

#include <errno.h>

static const struct smtp_reply bad_param =
	SMTP_REPLY(501, 5, 5, 4, "A parameter is malformed; use only what EHLO offers");
static const struct smtp_reply unknown_param =
	SMTP_REPLY(555, 5, 5, 4, "A parameter is not supported; use only what EHLO offers");

void server_offer_mail(const struct smtp_server *srv, struct buf *lines)
{
	if (srv->conf.message_octets)
		buf_printf(lines, "SIZE %llu\n", (unsigned long long)srv->conf.message_octets);
	else
		buf_put_text(lines, "SIZE\n");
	buf_put_text(lines, "8BITMIME\n");
}

/* What the parameters of MAIL have told so far. */
struct mail_state {
	struct smtp_server *srv;
	struct smtp_mail_params *out;
	const char *verb;
	bool has_size, has_body, has_auth;
};

/* RFC 1870 3: size-value = 1*20DIGIT. A number too large to hold is larger than any limit. */
static const struct smtp_reply *take_size(struct mail_state *m, struct span value)
{
	static const struct smtp_reply too_big =
		SMTP_REPLY(552, 5, 3, 4,
			   "The message is too big; send less or smaller attachments");
	uint64_t most = m->srv->conf.message_octets;
	int rc = span_number(value, &m->out->size);

	if (m->has_size || rc == -EINVAL)
		return &bad_param;
	m->has_size = true;
	return rc == -ERANGE || (most && m->out->size > most) ? &too_big : NULL;
}

static const struct smtp_reply *take_body_type(struct mail_state *m, struct span value)
{
	bool is_8bit = span_ieq_text(value, "8BITMIME");

	if (m->has_body || (!is_8bit && !span_ieq_text(value, "7BIT")))
		return &bad_param;
	m->has_body = true;
	m->out->body = is_8bit ? SMTP_BODY_8BITMIME : SMTP_BODY_7BIT;
	return NULL;
}

static bool is_mailbox(struct span in)
{
	struct smtp_path path;
	struct smtp_reply why;

	return in.len && in.at[0] != '<' && in.at[0] != ' ' &&
	       smtp_path_parse(&in, SMTP_PATH_REVERSE, &path, &why) == 0 && in.len == 0 &&
	       !path.has_source_route;
}

/* RFC 4954 5: the value is "<>" or a mailbox, as xtext. */
static const struct smtp_reply *take_auth(struct mail_state *m, struct span value)
{
	struct buf *decoded = &m->srv->decoded;

	if (m->has_auth || value.len == 0 || smtp_xtext_decode(value, decoded) < 0)
		return &bad_param;
	m->has_auth = true;
	m->out->auth = buf_span(decoded);
	return span_eq(m->out->auth, span_text("<>")) || is_mailbox(m->out->auth) ? NULL
										  : &bad_param;
}

static const struct {
	const char *keyword;
	const struct smtp_reply *(*take)(struct mail_state *m, struct span value);
} mail_params[] = {
	{ "SIZE", take_size },
	{ "BODY", take_body_type },
	{ "AUTH", take_auth },
};

static const struct smtp_reply *take_param(struct mail_state *m, struct span keyword,
					   struct span value)
{
	for (size_t i = 0; i < sizeof(mail_params) / sizeof(mail_params[0]); i++)
		if (span_ieq_text(keyword, mail_params[i].keyword))
			return mail_params[i].take(m, value);
	return &unknown_param;
}

static const struct smtp_reply *take_params(struct mail_state *m, struct span in)
{
	const struct smtp_reply *why = NULL;
	struct span keyword, value;
	int rc = 1;

	while (!why && (rc = smtp_param_next(&in, &keyword, &value)) > 0)
		why = take_param(m, keyword, value);
	return rc < 0 ? &bad_param : why;
}

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
	struct mail_state m = { .srv = srv, .out = &ev->mail };
	const struct smtp_reply *why;

	if (!take_path(srv, verb, "FROM:", SMTP_PATH_REVERSE, &arg, &ev->path))
		return false;
	why = take_params(&m, arg);
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
	struct span keyword, value;
	int rc;

	if (!take_path(srv, verb, "TO:", SMTP_PATH_FORWARD, &arg, &ev->path))
		return false;
	rc = smtp_param_next(&arg, &keyword, &value);
	if (rc) {
		server_refuse(srv, verb->name, rc < 0 ? &bad_param : &unknown_param);
		return false;
	}
	if (refuse_too_many(srv, verb))
		return false;
	srv->transaction.asked++;
	server_ask(srv, verb->name, SMTP_EVENT_RCPT, settle_rcpt, ev);
	return true;
}
