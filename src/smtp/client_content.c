#include "smtp/client.h"

#include "client_private.h"

void smtp_client_body(struct smtp_client *cl, struct span content)
{
	if (cl->state == CLIENT_CHUNKS || cl->state == CLIENT_CHUNK)
		client_chunks_put(cl, content);
	else if (client_may(cl, CLIENT_BODY))
		smtp_body_encode(&cl->body, content, &cl->out);
}

/* Of content that goes by BDAT, before the caller looks whether more is wanted. */
enum { HELD_AT_ONCE = 16 * 1024 };

struct span smtp_client_pass(struct smtp_client *cl, struct span *content)
{
	struct span run = span_first(*content, 0);

	if (cl->state == CLIENT_BODY) {
		run = smtp_body_pass(&cl->body, content, &cl->out);
		cl->sent += run.len;
	} else {
		smtp_client_body(cl, span_first(*content, HELD_AT_ONCE));
		*content = span_from(*content, HELD_AT_ONCE);
	}
	return run;
}

bool smtp_client_wants_body(const struct smtp_client *cl)
{
	return cl->state == CLIENT_BODY || cl->state == CLIENT_CHUNKS;
}

void smtp_client_body_end(struct smtp_client *cl)
{
	if (cl->state == CLIENT_CHUNKS || cl->state == CLIENT_CHUNK) {
		client_chunks_end(cl);
		return;
	}
	if (!client_may(cl, CLIENT_BODY))
		return;
	smtp_body_encode_end(&cl->body, &cl->out);
	client_await(cl, CLIENT_DOT);
}

void client_on_dot(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (client_is_out_of_step(cl, reply))
		return;
	client_push_reply(cl, SMTP_CLIENT_RESULT, reply);
	cl->envelope.has_result = true;
	if (reply->code == 421)
		client_lose(cl, reply, NULL);
	else
		client_become_ready(cl);
}

/* RFC 2920 3.1: "the client must be prepared to send an empty message" when DATA is answered 354
 * although no recipient was accepted. */
void client_send_void(struct smtp_client *cl)
{
	cl->envelope.needs_reset = true;
	client_command(cl, CLIENT_VOID, ".\r\n");
}

void client_on_void(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (client_is_out_of_step(cl, reply))
		return;
	if (reply->code == 421)
		client_lose(cl, reply, NULL);
	else
		client_end_transaction(cl);
}

/* The peer has no transaction under way when the next message begins. */
void client_end_transaction(struct smtp_client *cl)
{
	if (cl->envelope.needs_reset)
		client_command(cl, CLIENT_RSET, "RSET\r\n");
	else
		client_become_ready(cl);
}

void client_on_rset(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (reply->code == 250)
		client_become_ready(cl);
	else
		client_lose(cl, reply, NULL);
}
