#include "smtp/client.h"

#include "base/require.h"
#include "client_private.h"

/* Replies that may be due at once: a peer that does not read while it writes must not be brought to
 * a stand-still (RFC 2920 3.1). */
#define WINDOW 100

static const struct smtp_reply no_recipient = SMTP_REPLY(554, 5, 5, 1, "No recipient was accepted");

/* RESULT for what came of MAIL, RCPT and DATA, before any content. */
static void push_early_result(struct smtp_client *cl, const struct smtp_reply *reply)
{
	struct smtp_client_event *ev = client_push(cl, SMTP_CLIENT_RESULT);

	ev->reply = *reply;
	ev->is_before_body = true;
	cl->envelope.has_result = true;
}

static bool is_clean(struct span address)
{
	for (size_t i = 0; i < address.len; i++)
		if (address.at[i] < ' ' || address.at[i] == 127)
			return false;
	return true;
}

static void look_at_address(struct span address, bool *is_bad, bool *is_utf8)
{
	*is_bad = *is_bad || !is_clean(address);
	*is_utf8 = *is_utf8 || !span_is_ascii(address);
}

/* What need not be asked. True: *why says that the peer cannot take it. */
static bool is_impossible(const struct smtp_client_offers *o, const struct smtp_client_message *m,
			  bool *is_utf8, struct smtp_reply *why)
{
	bool is_bad = false;

	look_at_address(m->sender, &is_bad, is_utf8);
	for (size_t i = 0; i < m->recipient_count; i++)
		look_at_address(m->recipients[i], &is_bad, is_utf8);
	if (is_bad)
		*why = SMTP_REPLY(553, 5, 1, 3, "An address holds a control character");
	else if (*is_utf8 && !o->smtputf8)
		*why = SMTP_REPLY(553, 5, 6, 7, "The smarthost takes no addresses beyond ASCII");
	else if (m->has_8bit && !o->eightbitmime)
		*why = SMTP_REPLY(554, 5, 6, 3, "The smarthost takes no 8-bit messages");
	else if (o->size_octets && m->size > o->size_octets)
		*why = SMTP_REPLY(552, 5, 3, 4, "The message is larger than the smarthost takes");
	else
		return false;
	return true;
}

static void put_address(struct buf *out, const char *command, struct span address)
{
	buf_put_text(out, command);
	buf_put_span(out, address);
	buf_put_char(out, '>');
}

static void write_envelope(struct smtp_client *cl, const struct smtp_client_message *m,
			   bool is_utf8)
{
	struct buf *out = &cl->envelope.lines;

	put_address(out, "MAIL FROM:<", m->sender);
	if (cl->offers.size && m->size)
		buf_printf(out, " SIZE=%llu", (unsigned long long)m->size);
	if (cl->offers.eightbitmime && m->has_8bit)
		buf_put_text(out, " BODY=8BITMIME");
	if (is_utf8)
		buf_put_text(out, " SMTPUTF8");
	buf_put_text(out, "\r\n");
	for (size_t i = 0; i < m->recipient_count; i++) {
		put_address(out, "RCPT TO:<", m->recipients[i]);
		buf_put_text(out, "\r\n");
	}
	buf_put_text(out, "DATA\r\n");
	cl->envelope.commands = m->recipient_count + 2;
}

static void reset_envelope(struct smtp_client *cl)
{
	struct client_envelope *e = &cl->envelope;

	buf_fini(&e->lines);
	*e = (struct client_envelope){ .start = cl->sent + cl->out.len };
	cl->body = (struct smtp_body_encoder){ 0 };
}

/* Octets of the line at `at`, with its end. */
static size_t line_octets(const struct client_envelope *e, size_t at)
{
	return span_find(span_from(buf_span(&e->lines), at), '\n') + 1;
}

static size_t data_index(const struct client_envelope *e)
{
	return e->commands - 1;
}

static bool are_all_recipients_answered(const struct client_envelope *e)
{
	return e->answered >= data_index(e);
}

static bool may_send_next(const struct smtp_client *cl)
{
	const struct client_envelope *e = &cl->envelope;

	if (e->has_result || e->sent == e->commands)
		return false;
	return e->sent - e->answered < (cl->offers.pipelining ? WINDOW : 1);
}

static enum client_state state_of(const struct client_envelope *e, size_t command)
{
	if (command == 0)
		return CLIENT_MAIL;
	return command == data_index(e) ? CLIENT_DATA : CLIENT_RCPT;
}

/* Moves the cursor `sent` as far as it may go, and awaits the reply at the cursor `answered`. */
static void send_envelope(struct smtp_client *cl)
{
	struct client_envelope *e = &cl->envelope;

	while (may_send_next(cl)) {
		size_t octets = line_octets(e, e->sent_at);

		buf_put_span(&cl->out,
			     span_first(span_from(buf_span(&e->lines), e->sent_at), octets));
		e->sent_at += octets;
		e->sent++;
	}
	if (e->answered < e->sent) {
		cl->state = state_of(e, e->answered);
		cl->reply_due = e->start + e->answered_at + line_octets(e, e->answered_at);
	}
}

void smtp_client_message(struct smtp_client *cl, const struct smtp_client_message *message)
{
	bool is_utf8 = false;
	struct smtp_reply why;

	if (!client_may(cl, CLIENT_READY))
		return;
	require(message->recipient_count > 0);
	reset_envelope(cl);
	if (is_impossible(&cl->offers, message, &is_utf8, &why)) {
		push_early_result(cl, &why);
		client_become_ready(cl);
		return;
	}
	write_envelope(cl, message, is_utf8);
	send_envelope(cl);
}

/* The peer has no transaction under way when the next message begins. */
static void end_transaction(struct smtp_client *cl)
{
	if (cl->envelope.needs_reset)
		client_command(cl, CLIENT_RSET, "RSET\r\n");
	else
		client_become_ready(cl);
}

/* A reply of the envelope has told what it had to tell: on to the next one. */
static void advance(struct smtp_client *cl, const struct smtp_reply *reply)
{
	struct client_envelope *e = &cl->envelope;

	/* RFC 5321 3.8: 421 may come in place of any reply, and the connection ends. */
	if (reply->code == 421) {
		client_lose(cl, reply, NULL);
		return;
	}
	e->answered_at += line_octets(e, e->answered_at);
	e->answered++;
	if (!e->has_result && are_all_recipients_answered(e) && e->accepted == 0)
		push_early_result(cl, &no_recipient);
	send_envelope(cl);
	if (e->has_result && e->answered == e->sent)
		end_transaction(cl);
}

static bool is_positive(const struct smtp_reply *reply)
{
	return reply->code < 300;
}

/* No reply to MAIL, RCPT, the end of the message or RSET begins with 3: somebody has lost count. */
static bool is_out_of_step(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (reply->code / 100 != 3)
		return false;
	client_lose(cl, reply, NULL);
	return true;
}

void client_on_mail(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (is_out_of_step(cl, reply))
		return;
	if (is_positive(reply))
		cl->envelope.needs_reset = true;
	else
		push_early_result(cl, reply);
	advance(cl, reply);
}

void client_on_rcpt(struct smtp_client *cl, const struct smtp_reply *reply)
{
	struct client_envelope *e = &cl->envelope;

	if (is_out_of_step(cl, reply))
		return;
	if (!e->has_result) {
		client_push_reply(cl, SMTP_CLIENT_RCPT, reply)->index = e->answered - 1;
		e->accepted += is_positive(reply);
	}
	advance(cl, reply);
}

/* RFC 2920 3.1: "the client must be prepared to send an empty message" when DATA is answered 354
 * although no recipient was accepted. */
static void send_void(struct smtp_client *cl)
{
	cl->envelope.needs_reset = true;
	client_command(cl, CLIENT_VOID, ".\r\n");
}

void client_on_data(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (is_positive(reply) || (reply->code / 100 == 3 && reply->code != 354)) {
		client_lose(cl, reply, NULL);
	} else if (reply->code == 354 && cl->envelope.has_result) {
		send_void(cl);
	} else if (reply->code == 354) {
		cl->state = CLIENT_BODY;
		client_push(cl, SMTP_CLIENT_SEND_BODY);
	} else {
		if (!cl->envelope.has_result)
			push_early_result(cl, reply);
		advance(cl, reply);
	}
}

void smtp_client_body(struct smtp_client *cl, struct span content)
{
	if (client_may(cl, CLIENT_BODY))
		smtp_body_encode(&cl->body, content, &cl->out);
}

void smtp_client_body_end(struct smtp_client *cl)
{
	if (!client_may(cl, CLIENT_BODY))
		return;
	smtp_body_encode_end(&cl->body, &cl->out);
	client_await(cl, CLIENT_DOT);
}

void client_on_dot(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (is_out_of_step(cl, reply))
		return;
	client_push_reply(cl, SMTP_CLIENT_RESULT, reply);
	if (reply->code == 421)
		client_lose(cl, reply, NULL);
	else
		client_become_ready(cl);
}

void client_on_void(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (is_out_of_step(cl, reply))
		return;
	if (reply->code == 421)
		client_lose(cl, reply, NULL);
	else
		end_transaction(cl);
}

void client_on_rset(struct smtp_client *cl, const struct smtp_reply *reply)
{
	if (reply->code == 250)
		client_become_ready(cl);
	else
		client_lose(cl, reply, NULL);
}
