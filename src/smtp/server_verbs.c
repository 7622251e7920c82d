#include "server_private.h"

#define ANYTIME (VERB_BEFORE_TLS | VERB_BEFORE_HELLO | VERB_BEFORE_LOGIN)
#define STRANGER (VERB_BEFORE_HELLO | VERB_BEFORE_LOGIN)
#define UNKNOWN (ANYTIME | VERB_HIDDEN)

static const struct verb verbs[] = {
	{ "EHLO", server_run_ehlo, ANYTIME, server_offer_ehlo },
	{ "HELO", server_run_helo, ANYTIME, NULL },
	{ "STARTTLS", server_run_starttls, ANYTIME | VERB_LAST | VERB_NO_ARG | VERB_NOT_IN_MAIL,
	  server_offer_starttls },
	{ "AUTH", server_run_auth, VERB_BEFORE_LOGIN | VERB_NOT_IN_MAIL, server_offer_auth },
	{ "MAIL", server_run_mail, VERB_NOT_IN_MAIL, server_offer_mail },
	{ "RCPT", server_run_rcpt, VERB_NEEDS_MAIL | VERB_OVERLAPS, server_offer_rcpt },
	{ "DATA", server_run_data, VERB_NEEDS_MAIL | VERB_LAST | VERB_NO_ARG, NULL },
	{ "BDAT", server_run_bdat, VERB_NEEDS_MAIL | VERB_ASKS, server_offer_bdat },
	{ "RSET", server_run_rset, ANYTIME | VERB_NO_ARG, NULL },
	{ "NOOP", server_run_noop, ANYTIME, NULL },
	{ "QUIT", server_run_quit, ANYTIME | VERB_NO_ARG, NULL },
	{ "VRFY", server_run_vrfy, STRANGER, NULL },
	{ "HELP", server_run_help, STRANGER, NULL },

	/* Known to other servers, or from other times. */
	{ "ATRN", server_run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "DEBUG", server_run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "ETRN", server_run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "EXPN", server_run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "SAML", server_run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "SEND", server_run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "SOML", server_run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "TURN", server_run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "WIZ", server_run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "XCLIENT", server_run_none, STRANGER | VERB_HIDDEN, NULL },
	{ "XFORWARD", server_run_none, STRANGER | VERB_HIDDEN, NULL },

	/* A browser that was tricked into speaking to us. */
	{ "CONNECT", server_run_http, UNKNOWN, NULL },
	{ "DELETE", server_run_http, UNKNOWN, NULL },
	{ "GET", server_run_http, UNKNOWN, NULL },
	{ "HEAD", server_run_http, UNKNOWN, NULL },
	{ "OPTIONS", server_run_http, UNKNOWN, NULL },
	{ "PATCH", server_run_http, UNKNOWN, NULL },
	{ "POST", server_run_http, UNKNOWN, NULL },
	{ "PRI", server_run_http, UNKNOWN, NULL },
	{ "PUT", server_run_http, UNKNOWN, NULL },
	{ "TRACE", server_run_http, UNKNOWN, NULL },
};

#define each_verb(v)                                                                               \
	for (const struct verb *v = verbs; v < verbs + sizeof(verbs) / sizeof(verbs[0]); v++)

/* The verb at the front of the line; *arg is what follows it, without the spaces around. */
static const struct verb *find_verb(struct span line, struct span *arg)
{
	size_t n = span_find(line, ' ');
	unsigned char first = n ? ascii_lower(line.at[0]) : 0;

	*arg = span_from(line, n);
	while (arg->len && arg->at[0] == ' ')
		*arg = span_from(*arg, 1);
	while (arg->len && arg->at[arg->len - 1] == ' ')
		arg->len--;
	each_verb(v)
	{
		if (ascii_lower((unsigned char)v->name[0]) == first &&
		    span_ieq_text(span_first(line, n), v->name))
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

static const struct smtp_reply *judge_plaintext(struct smtp_server *srv, const struct verb *verb)
{
	static const struct smtp_reply tls_first =
		SMTP_REPLY(530, 5, 7, 0,
			   "Turn on TLS and log in with your name and password: use STARTTLS on "
			   "this port");
	static const struct smtp_reply tls_for_auth =
		SMTP_REPLY(538, 5, 7, 11, "No login without encryption: use STARTTLS on this port");

	if (verb->flags & VERB_BEFORE_TLS || server_is_safe(srv))
		return NULL;
	return server_name_tls_port(srv, verb->run == server_run_auth ? &tls_for_auth : &tls_first,
				    ", or");
}

static const struct smtp_reply *judge_transaction(const struct server_transaction *t,
						  const struct verb *verb)
{
	static const struct smtp_reply mail_first =
		SMTP_REPLY(503, 5, 5, 1, "Send MAIL FROM first");
	static const struct smtp_reply in_mail =
		SMTP_REPLY(503, 5, 5, 1, "Not within a message; finish it, or send RSET");

	if (verb->flags & VERB_NEEDS_MAIL && !t->is_open)
		return &mail_first;
	return verb->flags & VERB_NOT_IN_MAIL && t->is_open ? &in_mail : NULL;
}

const struct smtp_reply *server_why_not(struct smtp_server *srv, const struct verb *verb)
{
	static const struct smtp_reply hello_first = SMTP_REPLY(503, 5, 5, 1, "Send EHLO first");
	const struct smtp_reply *why = judge_plaintext(srv, verb);

	if (why)
		return why;
	if (!(verb->flags & VERB_BEFORE_HELLO) && !srv->hello.is_said)
		return &hello_first;
	if (!(verb->flags & VERB_BEFORE_LOGIN) && !srv->tls.is_authenticated)
		return server_log_in_first(srv);
	return judge_transaction(&srv->transaction, verb);
}

static void refuse_verb(struct smtp_server *srv, const struct verb *verb, struct span arg,
			const struct smtp_reply *why)
{
	bool has_address = verb->run == server_run_rcpt;

	server_refuse_of(srv, verb->name,
			 has_address ? server_named_address(srv, arg) : span_first(arg, 0), why);
}

/* True: the session ended for what stands behind the verb. */
static bool mind_last(struct smtp_server *srv, const struct verb *verb)
{
	if (!(verb->flags & VERB_LAST) || srv->in.len == 0)
		return false;
	if (verb->run == server_run_starttls)
		server_close_injected(srv);
	else
		server_close_early(srv);
	return true;
}

bool server_dispatch(struct smtp_server *srv, struct span line, struct smtp_event *ev)
{
	static const struct smtp_reply unknown =
		SMTP_REPLY(500, 5, 5, 2, "Command not recognised; HELP lists the commands");
	static const struct smtp_reply no_arg =
		SMTP_REPLY(501, 5, 5, 4, "This command takes no argument; send it alone");
	struct span arg;
	const struct verb *verb = find_verb(line, &arg);
	const struct smtp_reply *why = NULL;

	if (!verb) {
		server_refuse(srv, "-", &unknown);
		return false;
	}
	if (mind_last(srv, verb))
		return false;
	if (!(verb->flags & VERB_ASKS))
		why = server_why_not(srv, verb);
	if (!why && verb->flags & VERB_NO_ARG && arg.len)
		why = &no_arg;
	if (!why)
		return verb->run(srv, verb, arg, ev);
	refuse_verb(srv, verb, arg, why);
	return false;
}

void server_put_offers(const struct smtp_server *srv, struct buf *lines)
{
	each_verb(v)
	{
		if (v->offer)
			v->offer(srv, lines);
	}
}

void server_put_verbs(struct buf *names)
{
	each_verb(v)
	{
		if (!(v->flags & VERB_HIDDEN))
			buf_printf(names, " %s", v->name);
	}
}
