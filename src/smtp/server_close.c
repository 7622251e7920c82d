#include "server_private.h"

#include "base/require.h"

enum { TEXT_OCTETS = 512 };

void server_close(struct smtp_server *srv, enum smtp_event_type type, int code, struct span text)
{
	if (srv->mode == MODE_CLOSED)
		return;
	srv->mode = MODE_CLOSED;
	srv->in = span_first(srv->in, 0);
	srv->is_close_due = true;
	srv->close_type = type;
	srv->close_code = code;
	buf_put_span(&srv->close_text, span_first(text, TEXT_OCTETS));
	server_reset(srv, LEVEL_TRANSACTION);
}

void server_close_early(struct smtp_server *srv)
{
	static const struct smtp_reply early =
		SMTP_REPLY(503, 5, 5, 1, "Wait for the reply to DATA before the message");

	server_say(srv, "DATA", &early);
	server_close(srv, SMTP_EVENT_CLOSE, early.code, early.text);
}

void server_close_injected(struct smtp_server *srv)
{
	server_close(srv, SMTP_EVENT_CLOSE, 0, span_text("octets behind STARTTLS before TLS"));
}

void smtp_server_shut(struct smtp_server *srv, const struct smtp_reply *reply)
{
	bool is_plain_due = srv->mode != MODE_TLS;

	require(reply->code >= 400);
	if (srv->mode == MODE_CLOSED && server_is_answered(srv))
		return;
	server_drop_slots(srv);
	server_close(srv, SMTP_EVENT_CLOSE, reply->code, reply->text);
	/* Between STARTTLS and the handshake the client reads TLS records, not replies. */
	if (is_plain_due)
		server_say(srv, "-", reply);
}
