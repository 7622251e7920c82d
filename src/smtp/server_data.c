#include "server_private.h"

#include "base/require.h"

const struct smtp_reply server_nobody =
	SMTP_REPLY(554, 5, 5, 1, "No recipient was accepted; give one with RCPT TO first");
const struct smtp_reply server_too_big =
	SMTP_REPLY(552, 5, 3, 4, "The message is too big; send less or smaller attachments");

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

static const struct smtp_reply *judge_data(const struct server_transaction *t)
{
	/* RFC 3030 2: "DATA and BDAT commands cannot be used in the same transaction." */
	static const struct smtp_reply chunked =
		SMTP_REPLY(503, 5, 5, 1,
			   "The message comes by BDAT; go on with BDAT, or send RSET");
	/* RFC 3030 3: "BINARYMIME cannot be used with the DATA command." */
	static const struct smtp_reply binary =
		SMTP_REPLY(503, 5, 5, 1, "A BINARYMIME message must be sent by BDAT, not by DATA");

	if (t->is_chunked)
		return &chunked;
	if (t->body == SMTP_BODY_BINARYMIME)
		return &binary;
	return t->accepted ? NULL : &server_nobody;
}

bool server_run_data(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev)
{
	const struct smtp_reply *why = judge_data(&srv->transaction);

	(void)arg;
	if (why) {
		server_refuse(srv, verb->name, why);
		return false;
	}
	srv->mode = MODE_DATA;
	server_ask(srv, verb->name, SMTP_EVENT_BODY_BEGIN, settle_begin, ev);
	return true;
}

bool server_has_room(struct smtp_server *srv)
{
	struct server_transaction *t = &srv->transaction;

	t->is_too_big |= srv->conf.message_octets && t->decoder.octets > srv->conf.message_octets;
	return !t->is_too_big;
}

bool server_is_content_bad(const struct smtp_server *srv)
{
	return srv->transaction.is_too_big || smtp_body_is_bad(&srv->transaction.decoder);
}

void server_end_content(struct smtp_server *srv, const char *verb, struct smtp_event *ev)
{
	static const struct smtp_reply malformed =
		SMTP_REPLY(550, 5, 6, 0,
			   "The message holds a NUL, or a CR or LF alone; lines must end in CRLF");
	bool is_too_big = srv->transaction.is_too_big;

	if (!server_is_content_bad(srv)) {
		ev->has_long_lines = srv->transaction.decoder.has_long_lines;
		ev->is_dotless = srv->transaction.decoder.is_dotless;
		server_ask(srv, verb, SMTP_EVENT_BODY_END, settle_end, ev);
		return;
	}
	server_reset(srv, LEVEL_TRANSACTION);
	server_refuse(srv, verb, is_too_big ? &server_too_big : &malformed);
	ev->type = SMTP_EVENT_BODY_BAD;
}

bool server_take_body(struct smtp_server *srv, struct smtp_event *ev)
{
	for (;;) {
		switch (smtp_body_decode(&srv->transaction.decoder, &srv->in, &ev->data)) {
		case SMTP_BODY_MORE:
			return false;
		case SMTP_BODY_END:
			srv->mode = MODE_COMMAND;
			server_end_content(srv, "DATA", ev);
			return true;
		case SMTP_BODY_CHUNK:
			if (!server_has_room(srv))
				break;
			ev->type = SMTP_EVENT_BODY_CHUNK;
			return true;
		}
	}
}
