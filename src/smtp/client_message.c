#include "smtp/client.h"

#include "base/require.h"
#include "client_private.h"
#include "smtp/idna.h"

static const struct smtp_reply bad_address =
	SMTP_REPLY(553, 5, 1, 3, "An address holds a control character");
static const struct smtp_reply no_domain =
	SMTP_REPLY(553, 5, 1, 3, "The domain of an address is none that may exist");
static const struct smtp_reply ascii_only =
	SMTP_REPLY(553, 5, 6, 7, "The smarthost takes no addresses beyond ASCII");
static const struct smtp_reply needs_utf8 =
	SMTP_REPLY(450, 4, 6, 7, "An address beyond ASCII came too late to be told in MAIL");
static const struct smtp_reply no_8bit =
	SMTP_REPLY(554, 5, 6, 3, "The smarthost takes no 8-bit messages");
static const struct smtp_reply needs_8bit =
	SMTP_REPLY(450, 4, 6, 3, "8-bit content came too late to be told in MAIL");
static const struct smtp_reply no_binary =
	SMTP_REPLY(554, 5, 6, 3, "The smarthost takes no binary messages");
static const struct smtp_reply needs_binary =
	SMTP_REPLY(450, 4, 6, 3, "Binary content came too late to be told in MAIL");
static const struct smtp_reply ascii_header =
	SMTP_REPLY(553, 5, 6, 7, "The smarthost takes no header fields beyond ASCII");
static const struct smtp_reply no_require_tls =
	SMTP_REPLY(550, 5, 7, 30, "The smarthost does not support REQUIRETLS");
static const struct smtp_reply too_many =
	SMTP_REPLY(452, 4, 5, 3, "More recipients than the smarthost takes with one message");
static const struct smtp_reply too_large =
	SMTP_REPLY(552, 5, 3, 4, "The message is larger than the smarthost takes");

static struct span local_part(struct span address)
{
	size_t at = address.len;

	while (at > 0 && address.at[at - 1] != '@')
		at--;
	return span_first(address, at);
}

static bool is_clean(struct span address)
{
	for (size_t i = 0; i < address.len; i++)
		if (address.at[i] < ' ' || address.at[i] == 127)
			return false;
	return true;
}

/* How the address is said: as it stands, or with a domain in A-labels. NULL: *out is that. */
static const struct smtp_reply *spell_address(const struct smtp_client_offers *o, bool may_utf8,
					      struct span address, struct buf *out)
{
	if (!is_clean(address))
		return &bad_address;
	if (may_utf8 || span_is_ascii(address)) {
		buf_put_span(out, address);
		return NULL;
	}
	if (smtp_mailbox_to_ascii(address, out) == 0)
		return NULL;
	if (span_is_ascii(local_part(address)))
		return &no_domain;
	return o->smtputf8 ? &needs_utf8 : &ascii_only;
}

static const struct smtp_reply *judge_address(const struct smtp_client_offers *o,
					      struct span address)
{
	struct buf spelt = { 0 };
	const struct smtp_reply *why = spell_address(o, o->smtputf8, address, &spelt);

	buf_fini(&spelt);
	return why;
}

/* An address with a control is worse than one beyond ASCII. */
static const struct smtp_reply *judge_addresses(const struct smtp_client_offers *o,
						const struct smtp_client_message *m)
{
	const struct smtp_reply *why = judge_address(o, m->sender);

	for (size_t i = 0; i < m->recipient_count && why != &bad_address; i++) {
		const struct smtp_reply *other = judge_address(o, m->recipients[i]);

		why = other ? other : why;
	}
	return why;
}

static const struct smtp_reply *judge_size(const struct smtp_client_offers *o, uint64_t size)
{
	return o->size_octets && size > o->size_octets ? &too_large : NULL;
}

/* RFC 3030 3.: BINARYMIME is nothing without CHUNKING. */
static bool takes_binary(const struct smtp_client_offers *o)
{
	return o->binarymime && o->chunking;
}

static const struct smtp_reply *judge_form(const struct smtp_client_offers *o, unsigned form,
					   bool is_utf8)
{
	bool is_binary = form & SMTP_FORM_BINARY;

	if (is_binary && !takes_binary(o))
		return &no_binary;
	if ((form & SMTP_FORM_8BIT) && !is_binary && !o->eightbitmime)
		return &no_8bit;
	return (form & SMTP_FORM_8BIT_HEADER) && is_utf8 && !o->smtputf8 ? &ascii_header : NULL;
}

/* What need not be asked, because the peer cannot take it. */
static const struct smtp_reply *judge_message(const struct smtp_client *cl,
					      const struct smtp_client_message *m)
{
	const struct smtp_client_offers *o = &cl->offers;
	const struct smtp_reply *why = judge_addresses(o, m);

	/* RFC 8689 4.2.1: the option is sent within TLS only. */
	if (!why && m->require_tls && !(o->require_tls && cl->is_tls))
		why = &no_require_tls;
	if (!why)
		why = judge_form(o, m->form, m->is_utf8);
	return why ? why : judge_size(o, m->size);
}

static bool needs_smtputf8(const struct smtp_client_message *m)
{
	if (m->is_utf8 || !span_is_ascii(m->sender))
		return true;
	for (size_t i = 0; i < m->recipient_count; i++)
		if (!span_is_ascii(m->recipients[i]))
			return true;
	return false;
}

static void put_address(struct buf *out, const char *command, struct span address)
{
	buf_put_text(out, command);
	buf_put_span(out, address);
	buf_put_char(out, '>');
}

static void put_param(struct buf *out, const char *keyword, struct span value)
{
	buf_printf(out, " %s=", keyword);
	buf_put_span(out, value);
}

static void put_mail_dsn(struct buf *out, const struct smtp_client_message *m)
{
	if (m->ret != SMTP_RET_NONE)
		buf_put_text(out, m->ret == SMTP_RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (smtp_envid_is_valid(m->envid))
		put_param(out, "ENVID", m->envid);
}

static void put_rcpt_dsn(struct buf *out, const struct smtp_rcpt_params *params)
{
	if (params->notify) {
		buf_put_text(out, " NOTIFY=");
		smtp_notify_format(params->notify, out);
	}
	if (smtp_orcpt_is_valid(params->orcpt))
		put_param(out, "ORCPT", params->orcpt);
}

static void add_line(struct smtp_client *cl, enum client_state state, struct buf *line)
{
	buf_put_text(line, "\r\n");
	client_envelope_add(&cl->envelope, state, buf_span(line));
	buf_fini(line);
}

static void put_body_form(struct smtp_client *cl, const struct smtp_client_message *m,
			  struct buf *line)
{
	struct client_envelope *e = &cl->envelope;

	e->says_binary = (m->form & SMTP_FORM_BINARY) != 0;
	e->says_8bit = cl->offers.eightbitmime && ((m->form & SMTP_FORM_8BIT) || m->may_be_8bit);
	if (e->says_binary)
		buf_put_text(line, " BODY=BINARYMIME");
	else if (e->says_8bit)
		buf_put_text(line, " BODY=8BITMIME");
}

static void add_mail(struct smtp_client *cl, const struct smtp_client_message *m)
{
	const struct smtp_client_offers *o = &cl->offers;
	struct client_envelope *e = &cl->envelope;
	struct buf line = { 0 }, sender = { 0 };

	e->says_utf8 = o->smtputf8 && needs_smtputf8(m);
	spell_address(o, e->says_utf8, m->sender, &sender);
	put_address(&line, "MAIL FROM:<", buf_span(&sender));
	buf_fini(&sender);
	if (o->size && m->size)
		buf_printf(&line, " SIZE=%llu", (unsigned long long)m->size);
	put_body_form(cl, m, &line);
	if (e->says_utf8)
		buf_put_text(&line, " SMTPUTF8");
	if (m->require_tls)
		buf_put_text(&line, " REQUIRETLS");
	if (o->dsn)
		put_mail_dsn(&line, m);
	add_line(cl, CLIENT_MAIL, &line);
}

static void add_rcpt(struct smtp_client *cl, struct span mailbox,
		     const struct smtp_rcpt_params *params)
{
	struct buf line = { 0 };

	put_address(&line, "RCPT TO:<", mailbox);
	if (cl->offers.dsn && params)
		put_rcpt_dsn(&line, params);
	add_line(cl, CLIENT_RCPT, &line);
}

static void add_recipient(struct smtp_client *cl, struct span mailbox,
			  const struct smtp_rcpt_params *params)
{
	struct client_envelope *e = &cl->envelope;
	struct buf spelt = { 0 };
	const struct smtp_reply *why = spell_address(&cl->offers, e->says_utf8, mailbox, &spelt);

	if (!why && !client_limits_take(cl, buf_span(&spelt)))
		why = &too_many;
	if (why)
		client_envelope_refuse(e, why);
	else
		add_rcpt(cl, buf_span(&spelt), params);
	buf_fini(&spelt);
}

void smtp_client_mail(struct smtp_client *cl, const struct smtp_client_message *message)
{
	const struct smtp_client_message *m = message;
	const struct smtp_reply *why;

	if (!client_may(cl, CLIENT_READY))
		return;
	client_envelope_fini(&cl->envelope);
	client_envelope_init(&cl->envelope);
	cl->envelope.is_begun = true;
	cl->envelope.is_utf8 = m->is_utf8;
	cl->body = (struct smtp_body_encoder){ 0 };
	why = judge_message(cl, m);
	if (why) {
		client_push_early_result(cl, why, true);
		client_become_ready(cl);
		return;
	}
	add_mail(cl, m);
	for (size_t i = 0; i < m->recipient_count; i++)
		add_recipient(cl, m->recipients[i], m->params ? &m->params[i] : NULL);
	client_go_on(cl);
}

/* Whether the transaction can still be changed. The user may not have heard yet that it has its
 * result, or that the connection is lost. */
static bool is_open(const struct smtp_client *cl)
{
	const struct client_envelope *e = &cl->envelope;

	if (client_is_over(cl))
		return false;
	require(e->is_begun);
	if (e->has_result)
		return false;
	require(!e->is_whole);
	return true;
}

void smtp_client_recipient(struct smtp_client *cl, struct span mailbox,
			   const struct smtp_rcpt_params *params)
{
	if (!is_open(cl))
		return;
	add_recipient(cl, mailbox, params);
	client_go_on(cl);
}

static const struct smtp_reply *judge_content(const struct smtp_client *cl, uint64_t size,
					      unsigned form)
{
	const struct client_envelope *e = &cl->envelope;
	const struct smtp_reply *why = judge_form(&cl->offers, form, e->is_utf8);

	if (why)
		return why;
	if ((form & SMTP_FORM_BINARY) && !e->says_binary)
		return &needs_binary;
	if ((form & SMTP_FORM_8BIT) && !e->says_8bit && !e->says_binary)
		return &needs_8bit;
	return judge_size(&cl->offers, size);
}

/* DATA has served for forty years, while CHUNKING is offered by proxies that do not know it and was
 * the source of grave faults in servers. It is asked for where only it can carry the content, and
 * where it pays: a large message that is refused is refused after a part of it. */
#define LARGE (1024 * 1024)

static bool goes_by_bdat(const struct smtp_client *cl, uint64_t size, unsigned form)
{
	if (form & SMTP_FORM_BINARY)
		return true;
	return cl->offers.chunking && size >= LARGE;
}

static void add_content(struct smtp_client *cl, uint64_t size, unsigned form)
{
	cl->chunks.is_binary = (form & SMTP_FORM_BINARY) != 0;
	if (goes_by_bdat(cl, size, form))
		client_envelope_add(&cl->envelope, CLIENT_CHUNKS, span_of(NULL, 0));
	else
		client_envelope_add(&cl->envelope, CLIENT_DATA, span_text("DATA\r\n"));
}

void smtp_client_content(struct smtp_client *cl, uint64_t size, unsigned form)
{
	const struct smtp_reply *why;

	if (!is_open(cl))
		return;
	cl->envelope.is_whole = true;
	why = judge_content(cl, size, form);
	if (why)
		client_push_early_result(cl, why, true);
	else
		add_content(cl, size, form);
	client_go_on(cl);
}

void smtp_client_reset(struct smtp_client *cl)
{
	if (!cl->envelope.is_whole)
		client_drop_verdicts(cl);
	if (!is_open(cl))
		return;
	cl->envelope.has_result = true;
	client_go_on(cl);
}

void smtp_client_message(struct smtp_client *cl, const struct smtp_client_message *message)
{
	require(message->recipient_count > 0);
	if (!client_may(cl, CLIENT_READY))
		return;
	smtp_client_mail(cl, message);
	if (cl->state != CLIENT_READY)
		smtp_client_content(cl, message->size, message->form);
}
