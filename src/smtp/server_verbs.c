#include "server_private.h"

#include "base/require.h"

static bool run_ehlo(struct smtp_server *, const struct verb *, struct span, struct smtp_event *);
static bool run_helo(struct smtp_server *, const struct verb *, struct span, struct smtp_event *);
static bool run_starttls(struct smtp_server *, const struct verb *, struct span,
			 struct smtp_event *);
static bool run_rset(struct smtp_server *, const struct verb *, struct span, struct smtp_event *);
static bool run_noop(struct smtp_server *, const struct verb *, struct span, struct smtp_event *);
static bool run_quit(struct smtp_server *, const struct verb *, struct span, struct smtp_event *);
static bool run_vrfy(struct smtp_server *, const struct verb *, struct span, struct smtp_event *);
static bool run_help(struct smtp_server *, const struct verb *, struct span, struct smtp_event *);
static bool run_none(struct smtp_server *, const struct verb *, struct span, struct smtp_event *);
static bool run_http(struct smtp_server *, const struct verb *, struct span, struct smtp_event *);
static void offer_ehlo(const struct smtp_server *srv, struct buf *lines);
static void offer_starttls(const struct smtp_server *srv, struct buf *lines);

#define ANYTIME (VERB_BEFORE_TLS | VERB_BEFORE_HELLO | VERB_BEFORE_LOGIN)
#define STRANGER (VERB_BEFORE_HELLO | VERB_BEFORE_LOGIN)
#define UNKNOWN (ANYTIME | VERB_HIDDEN)

static const struct verb verbs[] = {
	{ "EHLO", run_ehlo, ANYTIME, offer_ehlo },
	{ "HELO", run_helo, ANYTIME, NULL },
	{ "STARTTLS", run_starttls, ANYTIME | VERB_LAST | VERB_NO_ARG | VERB_NOT_IN_MAIL,
	  offer_starttls },
	{ "AUTH", server_run_auth, VERB_BEFORE_LOGIN | VERB_NOT_IN_MAIL, server_offer_auth },
	{ "MAIL", server_run_mail, VERB_NOT_IN_MAIL, server_offer_mail },
	{ "RCPT", server_run_rcpt, VERB_NEEDS_MAIL | VERB_OVERLAPS, NULL },
	{ "DATA", server_run_data, VERB_NEEDS_MAIL | VERB_LAST | VERB_NO_ARG, NULL },
	{ "RSET", run_rset, ANYTIME | VERB_NO_ARG, NULL },
	{ "NOOP", run_noop, ANYTIME, NULL },
	{ "QUIT", run_quit, ANYTIME | VERB_NO_ARG, NULL },
	{ "VRFY", run_vrfy, STRANGER, NULL },
	{ "HELP", run_help, STRANGER, NULL },

	/* Known to other servers, or from other times. */
	{ "ATRN", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "BDAT", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "DEBUG", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "ETRN", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "EXPN", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "SAML", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "SEND", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "SOML", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "TURN", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "WIZ", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "XCLIENT", run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "XFORWARD", run_none, STRANGER | VERB_HIDDEN, NULL },

	/* A browser that was tricked into speaking to us. */
	{ "CONNECT", run_http, UNKNOWN, NULL },
	{ "DELETE", run_http, UNKNOWN, NULL },
	{ "GET", run_http, UNKNOWN, NULL },
	{ "HEAD", run_http, UNKNOWN, NULL },
	{ "OPTIONS", run_http, UNKNOWN, NULL },
	{ "PATCH", run_http, UNKNOWN, NULL },
	{ "POST", run_http, UNKNOWN, NULL },
	{ "PRI", run_http, UNKNOWN, NULL },
	{ "PUT", run_http, UNKNOWN, NULL },
	{ "TRACE", run_http, UNKNOWN, NULL },
};

#define each_verb(v)                                                                               \
	for (const struct verb *v = verbs; v < verbs + sizeof(verbs) / sizeof(verbs[0]); v++)

/* The verb at the front of the line; *arg is what follows it, without the spaces around. */
static const struct verb *find_verb(struct span line, struct span *arg)
{
	size_t n = span_find(line, ' ');

	*arg = span_from(line, n);
	while (arg->len && arg->at[0] == ' ')
		*arg = span_from(*arg, 1);
	while (arg->len && arg->at[arg->len - 1] == ' ')
		arg->len--;
	each_verb(v)
	{
		if (span_ieq_text(span_first(line, n), v->name))
			return v;
	}
	return NULL;
}

bool server_may_overlap(struct span line)
{
	struct span arg;
	const struct verb *verb = find_verb(line, &arg);

	return verb && verb->flags & VERB_OVERLAPS;
}

static bool refuse_plaintext(struct smtp_server *srv, const struct verb *verb)
{
	static const struct smtp_reply tls_first = SMTP_REPLY(
		530, 5, 7, 0,
		"Turn on encryption first: STARTTLS on this port, or SSL/TLS on port 465");
	static const struct smtp_reply tls_for_auth =
		SMTP_REPLY(538, 5, 7, 11,
			   "No login without encryption: use STARTTLS on this port, or SSL/TLS on "
			   "port 465");

	if (verb->flags & VERB_BEFORE_TLS || server_is_safe(srv))
		return false;
	server_refuse(srv, verb->name, verb->run == server_run_auth ? &tls_for_auth : &tls_first);
	return true;
}

static bool refuse_order(struct smtp_server *srv, const struct verb *verb)
{
	static const struct smtp_reply hello_first = SMTP_REPLY(503, 5, 5, 1, "Send EHLO first");
	static const struct smtp_reply mail_first =
		SMTP_REPLY(503, 5, 5, 1, "Send MAIL FROM first");
	static const struct smtp_reply in_mail =
		SMTP_REPLY(503, 5, 5, 1, "Not within a message; finish it, or send RSET");
	const struct smtp_reply *why = NULL;

	if (!(verb->flags & VERB_BEFORE_HELLO) && !srv->hello.is_said)
		why = &hello_first;
	else if (!(verb->flags & VERB_BEFORE_LOGIN) && !srv->tls.is_authenticated) {
		server_refuse_stranger(srv, verb->name);
		return true;
	} else if (verb->flags & VERB_NEEDS_MAIL && !srv->transaction.is_open)
		why = &mail_first;
	else if (verb->flags & VERB_NOT_IN_MAIL && srv->transaction.is_open)
		why = &in_mail;
	if (why)
		server_refuse(srv, verb->name, why);
	return why != NULL;
}

bool server_dispatch(struct smtp_server *srv, struct span line, struct smtp_event *ev)
{
	static const struct smtp_reply unknown =
		SMTP_REPLY(500, 5, 5, 2, "Command not recognised; HELP lists the commands");
	static const struct smtp_reply no_arg =
		SMTP_REPLY(501, 5, 5, 4, "This command takes no argument; send it alone");
	struct span arg;
	const struct verb *verb = find_verb(line, &arg);

	if (!verb) {
		server_refuse(srv, "-", &unknown);
		return false;
	}
	if (verb->flags & VERB_LAST && srv->in.len) {
		if (verb->run == run_starttls)
			server_close_injected(srv);
		else
			server_close_early(srv);
		return false;
	}
	if (refuse_plaintext(srv, verb) || refuse_order(srv, verb))
		return false;
	if (verb->flags & VERB_NO_ARG && arg.len) {
		server_refuse(srv, verb->name, &no_arg);
		return false;
	}
	return verb->run(srv, verb, arg, ev);
}

/* Tells of the transaction's end before the command that ends it is carried out. */
static bool end_transaction(struct smtp_server *srv, struct smtp_event *ev)
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
	if (end_transaction(srv, ev))
		return true;
	server_reset(srv, LEVEL_HELLO);
	srv->hello.is_said = true;
	ev->type = SMTP_EVENT_EHLO;
	ev->text = name;
	ev->is_esmtp = verb->run == run_ehlo;
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

static bool run_ehlo(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	struct buf lines = { 0 }, out = { 0 };

	if (!greet_client(srv, verb, arg, ev))
		return false;
	if (ev->type != SMTP_EVENT_EHLO)
		return true;
	buf_printf(&lines, "%s\n", srv->conf.hostname);
	each_verb(v)
	{
		if (v->offer)
			v->offer(srv, &lines);
	}
	put_multiline(buf_span(&lines), &out);
	server_say_octets(srv, verb->name, 250, buf_span(&out));
	buf_fini(&lines);
	buf_fini(&out);
	return true;
}

static bool run_helo(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	const struct smtp_reply hello = { 250, { 0 }, span_text(srv->conf.hostname) };

	if (!greet_client(srv, verb, arg, ev))
		return false;
	if (ev->type == SMTP_EVENT_EHLO)
		server_say(srv, verb->name, &hello);
	return true;
}

static void offer_ehlo(const struct smtp_server *srv, struct buf *lines)
{
	(void)srv;
	buf_put_text(lines, "PIPELINING\nENHANCEDSTATUSCODES\n");
}

static void offer_starttls(const struct smtp_server *srv, struct buf *lines)
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

static bool run_starttls(struct smtp_server *srv, const struct verb *verb, struct span arg,
			 struct smtp_event *ev)
{
	static const struct smtp_reply active =
		SMTP_REPLY(503, 5, 5, 1, "TLS is in use already; go on with EHLO");
	static const struct smtp_reply too_late =
		SMTP_REPLY(503, 5, 5, 1, "STARTTLS must come before the login; connect again");
	static const struct smtp_reply not_here =
		SMTP_REPLY(502, 5, 5, 1, "STARTTLS is not offered here; use SSL/TLS on port 465");
	const struct smtp_reply *why = NULL;

	(void)arg;
	if (srv->connection.is_tls)
		why = &active;
	else if (srv->tls.is_authenticated)
		why = &too_late;
	else if (!srv->conf.starttls_offered)
		why = &not_here;
	if (why) {
		server_refuse(srv, verb->name, why);
		return false;
	}
	srv->mode = MODE_TLS;
	server_ask(srv, verb->name, SMTP_EVENT_STARTTLS, settle_starttls, ev);
	return true;
}

static bool run_rset(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply done = SMTP_REPLY(250, 2, 0, 0, "Ready for a new message");

	(void)arg;
	if (end_transaction(srv, ev))
		return true;
	server_say(srv, verb->name, &done);
	return false;
}

static bool run_noop(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply done = SMTP_REPLY(250, 2, 0, 0, "Here");

	(void)arg;
	(void)ev;
	server_say(srv, verb->name, &done);
	return false;
}

static bool run_quit(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply bye = SMTP_REPLY(221, 2, 0, 0, "Good bye");

	(void)arg;
	(void)ev;
	server_say(srv, verb->name, &bye);
	server_close(srv, SMTP_EVENT_QUIT, bye.code, bye.text);
	return false;
}

/* RFC 5321 3.5.3: 252 for what we neither confirm nor deny. */
static bool run_vrfy(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply cannot_say =
		SMTP_REPLY(252, 2, 0, 0, "Cannot verify addresses, but will try to deliver");
	static const struct smtp_reply no_arg =
		SMTP_REPLY(501, 5, 5, 4, "Give an address behind VRFY");

	(void)ev;
	if (arg.len)
		server_say(srv, verb->name, &cannot_say);
	else
		server_refuse(srv, verb->name, &no_arg);
	return false;
}

static bool run_help(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	struct buf text = { 0 };
	struct smtp_reply help = { 214, { 2, 0, 0 }, { NULL, 0 } };

	(void)arg;
	(void)ev;
	buf_put_text(&text, "Commands:");
	each_verb(v)
	{
		if (!(v->flags & VERB_HIDDEN))
			buf_printf(&text, " %s", v->name);
	}
	help.text = buf_span(&text);
	server_say(srv, verb->name, &help);
	buf_fini(&text);
	return false;
}

static bool run_none(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply none =
		SMTP_REPLY(502, 5, 5, 1, "Command not available here; HELP lists the commands");

	(void)arg;
	(void)ev;
	server_refuse(srv, verb->name, &none);
	return false;
}

static bool run_http(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	(void)verb;
	(void)arg;
	(void)ev;
	server_close(srv, SMTP_EVENT_CLOSE, 0, span_text("HTTP on an SMTP port"));
	return false;
}
