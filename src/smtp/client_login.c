#include "smtp/client.h"

#include "base/base64.h"
#include "base/require.h"
#include "client_private.h"

#define COMMAND_MOST 512 /* RFC 5321 4.5.3.1.4, with CRLF */

void client_begin_login(struct smtp_client *cl)
{
	if (!cl->offers.auth) {
		client_refuse(cl, NULL, "the smarthost offers no login");
		return;
	}
	cl->state = CLIENT_CHOICE;
	client_push(cl, SMTP_CLIENT_LOGIN)->text = span_text(cl->offers.mechanisms);
}

static void put_response(struct smtp_client *cl, struct span response)
{
	cl->is_out_secret = true;
	base64_encode(response, &cl->out);
}

/* RFC 4954 4.: an initial response that would make the command too long is not sent with it, but in
 * answer to an empty challenge; an empty one is "=". */
static bool put_initial(struct smtp_client *cl, const char *mechanism, struct span initial)
{
	size_t octets = strlen("AUTH  \r\n") + strlen(mechanism) + (initial.len + 2) / 3 * 4;

	if (octets > COMMAND_MOST)
		return false;
	buf_put_char(&cl->out, ' ');
	if (initial.len)
		put_response(cl, initial);
	else
		buf_put_char(&cl->out, '=');
	return true;
}

void smtp_client_login(struct smtp_client *cl, const char *mechanism, const struct span *initial)
{
	if (!client_may(cl, CLIENT_CHOICE))
		return;
	buf_printf(&cl->out, "AUTH %s", mechanism);
	if (initial && !put_initial(cl, mechanism, *initial))
		secret_set(&cl->initial, *initial);
	client_command(cl, CLIENT_AUTH, "\r\n");
}

void smtp_client_no_login(struct smtp_client *cl, const char *why)
{
	if (client_may(cl, CLIENT_CHOICE))
		client_refuse(cl, NULL, why);
}

void smtp_client_respond(struct smtp_client *cl, struct span response)
{
	if (!client_may(cl, CLIENT_CHALLENGE))
		return;
	put_response(cl, response);
	client_command(cl, CLIENT_AUTH, "\r\n");
}

void smtp_client_cancel_login(struct smtp_client *cl)
{
	if (client_may(cl, CLIENT_CHALLENGE))
		client_command(cl, CLIENT_CANCEL, "*\r\n");
}

static void on_challenge(struct smtp_client *cl)
{
	buf_clear(&cl->challenge);
	if (base64_decode(span_trim(buf_span(&cl->parser.text)), &cl->challenge)) {
		client_lose(cl, NULL, "reading a login challenge that is not base64");
		return;
	}
	cl->state = CLIENT_CHALLENGE;
	if (cl->initial.octets.len && cl->challenge.len == 0)
		smtp_client_respond(cl, secret_span(&cl->initial));
	else
		client_push(cl, SMTP_CLIENT_CHALLENGE)->data = buf_span(&cl->challenge);
	secret_fini(&cl->initial);
}

void client_on_auth(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (reply->code == 334) {
		on_challenge(cl);
	} else if (reply->code == 235) {
		secret_fini(&cl->initial);
		client_become_ready(cl);
	} else {
		client_refuse(cl, reply, NULL);
	}
}

void client_on_cancel(struct smtp_client *cl, const struct smtp_reply *reply)
{
	client_refuse(cl, reply, "the login could not go on");
}
