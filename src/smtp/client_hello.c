#include "smtp/client.h"

#include "client_private.h"

static void put_hello(struct smtp_client *cl, const char *verb, enum client_state state)
{
	cl->offers = (struct smtp_client_offers){ 0 };
	buf_printf(&cl->out, "%s %s\r\n", verb, cl->ehlo_name);
	client_await(cl, state);
}

void client_on_greeting(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (reply->code == 220)
		put_hello(cl, "EHLO", CLIENT_EHLO);
	else
		client_refuse(cl, reply, NULL);
}

void client_on_ehlo(struct smtp_client *cl, const struct smtp_reply *reply)
{
	bool may_do_without = cl->tls == SMTP_CLIENT_TLS_NONE && !cl->wants_login;

	if (reply->code == 250) {
		client_offers_parse(buf_span(&cl->parser.text), &cl->offers);
		if (cl->distrusts_chunking)
			cl->offers.chunking = cl->offers.binarymime = false;
		client_after_hello(cl);
	} else if (reply->code >= 500 && may_do_without) {
		put_hello(cl, "HELO", CLIENT_HELO);
	} else {
		client_refuse(cl, reply, NULL);
	}
}

void client_on_helo(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (reply->code == 250)
		client_after_hello(cl);
	else
		client_refuse(cl, reply, NULL);
}

void client_after_hello(struct smtp_client *cl)
{
	if (cl->tls == SMTP_CLIENT_TLS_STARTTLS && !cl->is_tls) {
		if (cl->offers.starttls)
			client_command(cl, CLIENT_STARTTLS, "STARTTLS\r\n");
		else
			client_refuse(cl, NULL, "the smarthost does not offer STARTTLS");
	} else if (cl->wants_login) {
		client_begin_login(cl);
	} else {
		client_become_ready(cl);
	}
}

/* RFC 3207 says nothing of it, but whoever can put octets into the plain text would speak within
 * the TLS session otherwise (CVE-2021-38371). */
void client_lose_injected(struct smtp_client *cl)
{
	client_lose(cl, NULL, "starting TLS: plain text came behind the reply to STARTTLS");
}

void client_on_starttls(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (reply->code != 220) {
		client_refuse(cl, reply, NULL);
	} else if (cl->in.len) {
		client_lose_injected(cl);
	} else {
		cl->state = CLIENT_TLS;
		client_push(cl, SMTP_CLIENT_START_TLS);
	}
}

void smtp_client_tls_started(struct smtp_client *cl)
{
	if (!client_may(cl, CLIENT_TLS))
		return;
	/* What waits here came before the handshake. */
	if (cl->in.len) {
		client_lose_injected(cl);
		return;
	}
	cl->is_tls = true;
	put_hello(cl, "EHLO", CLIENT_EHLO);
}
