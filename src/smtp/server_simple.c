#include "server_private.h"

bool server_run_rset(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply done = SMTP_REPLY(250, 2, 0, 0, "Ready for a new message");

	(void)arg;
	if (server_end_transaction(srv, ev))
		return true;
	server_reset(srv, LEVEL_TRANSACTION);
	server_say(srv, verb->name, &done);
	return false;
}

bool server_run_noop(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply done = SMTP_REPLY(250, 2, 0, 0, "Here");

	(void)arg;
	(void)ev;
	server_say(srv, verb->name, &done);
	return false;
}

bool server_run_quit(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply bye = SMTP_REPLY(221, 2, 0, 0, "Good bye");

	(void)arg;
	(void)ev;
	server_say(srv, verb->name, &bye);
	server_close(srv, SMTP_EVENT_QUIT, bye.code, bye.text);
	return false;
}

/* RFC 5321 3.5.3: 252 for what we neither confirm nor deny. RFC 6531 3.7.4.2 has SMTPUTF8 behind the
 * address allow UTF-8 in the reply; as no address is ever in ours, it is taken and makes no odds. */
bool server_run_vrfy(struct smtp_server *srv, const struct verb *verb, struct span arg,
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

bool server_run_help(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	struct buf text = { 0 };
	struct smtp_reply help = { 214, { 2, 0, 0 }, { NULL, 0 } };

	(void)arg;
	(void)ev;
	buf_put_text(&text, "Commands:");
	server_put_verbs(&text);
	help.text = buf_span(&text);
	server_say(srv, verb->name, &help);
	buf_fini(&text);
	return false;
}

bool server_run_none(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply none =
		SMTP_REPLY(502, 5, 5, 1, "Command not available here; HELP lists the commands");

	(void)arg;
	(void)ev;
	server_refuse(srv, verb->name, &none);
	return false;
}

bool server_run_http(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	(void)verb;
	(void)arg;
	(void)ev;
	server_close(srv, SMTP_EVENT_CLOSE, 0, span_text("HTTP on an SMTP port"));
	return false;
}
