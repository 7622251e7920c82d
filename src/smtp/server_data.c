#include "server_private.h"

#include "base/require.h"

/* Whatever the answer, 354 apart, the transaction is over. */
static void settle_begin(struct smtp_server *srv, const struct smtp_reply *reply)
{
	require(reply->code == 354 || reply->code >= 400);
	srv->mode = reply->code == 354 ? MODE_BODY : MODE_COMMAND;
	if (reply->code != 354)
		server_reset(srv, LEVEL_TRANSACTION);
}

static void settle_end(struct smtp_server *srv, const struct smtp_reply *reply)
{
	require(reply->code / 100 == 2 || reply->code >= 400);
	server_reset(srv, LEVEL_TRANSACTION);
}

bool server_run_data(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	static const struct smtp_reply nobody =
		SMTP_REPLY(554, 5, 5, 1, "No recipient was accepted; give one with RCPT TO first");

	(void)arg;
	if (srv->transaction.accepted == 0) {
		server_refuse(srv, verb->name, &nobody);
		return false;
	}
	srv->mode = MODE_DATA;
	server_ask(srv, verb->name, SMTP_EVENT_BODY_BEGIN, settle_begin, ev);
	return true;
}

static bool is_over(const struct smtp_server *srv)
{
	return srv->conf.message_octets &&
	       srv->transaction.decoder.octets > srv->conf.message_octets;
}

static bool end_body(struct smtp_server *srv, struct smtp_event *ev)
{
	static const struct smtp_reply too_big =
		SMTP_REPLY(552, 5, 3, 4,
			   "The message is too big; send less or smaller attachments");
	static const struct smtp_reply malformed =
		SMTP_REPLY(550, 5, 6, 0,
			   "The message holds a NUL, or a CR or LF alone; lines must end in CRLF");
	const struct smtp_reply *why = NULL;

	srv->mode = MODE_COMMAND;
	if (srv->transaction.is_too_big)
		why = &too_big;
	else if (smtp_body_is_bad(&srv->transaction.decoder))
		why = &malformed;
	if (!why) {
		server_ask(srv, "DATA", SMTP_EVENT_BODY_END, settle_end, ev);
		return true;
	}
	server_reset(srv, LEVEL_TRANSACTION);
	server_refuse(srv, "DATA", why);
	ev->type = SMTP_EVENT_BODY_BAD;
	return true;
}

bool server_take_body(struct smtp_server *srv, struct smtp_event *ev)
{
	struct server_transaction *t = &srv->transaction;

	for (;;) {
		switch (smtp_body_decode(&t->decoder, &srv->in, &ev->data)) {
		case SMTP_BODY_MORE:
			return false;
		case SMTP_BODY_END:
			return end_body(srv, ev);
		case SMTP_BODY_CHUNK:
			t->is_too_big |= is_over(srv);
			if (t->is_too_big)
				break;
			ev->type = SMTP_EVENT_BODY_CHUNK;
			return true;
		}
	}
}
