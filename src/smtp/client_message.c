#include "smtp/client.h"

#include "base/require.h"
#include "client_private.h"

static const struct smtp_reply too_many =
	SMTP_REPLY(452, 4, 5, 3, "More recipients than the smarthost takes with one message");

static bool needs_smtputf8(const struct smtp_client_message *m)
{
	if (m->is_utf8 || !span_is_ascii(m->sender))
		return true;
	for (size_t i = 0; i < m->recipient_count; i++)
		if (!span_is_ascii(m->recipients[i]))
			return true;
	return false;
}

static void put_param(struct buf *out, const char *keyword, struct span value)
{
	buf_put_text(out, keyword);
	buf_put_span(out, value);
}

static void put_mail_dsn(struct buf *out, const struct smtp_client_message *m)
{
	if (m->ret != SMTP_RET_NONE)
		buf_put_text(out, m->ret == SMTP_RET_FULL ? " RET=FULL" : " RET=HDRS");
	if (smtp_envid_is_valid(m->envid))
		put_param(out, " ENVID=", m->envid);
}

static void put_rcpt_dsn(struct buf *out, const struct smtp_rcpt_params *params)
{
	if (params->notify) {
		buf_put_text(out, " NOTIFY=");
		smtp_notify_format(params->notify, out);
	}
	if (smtp_orcpt_is_valid(params->orcpt))
		put_param(out, " ORCPT=", params->orcpt);
}

/* The line of the next command, begun. It is put together in one buf, kept for all of them. */
static struct buf *begin_line(struct smtp_client *cl, const char *command)
{
	buf_clear(&cl->line);
	buf_put_text(&cl->line, command);
	return &cl->line;
}

static void add_line(struct smtp_client *cl, enum client_state state)
{
	buf_put_text(&cl->line, "\r\n");
	client_envelope_add(&cl->envelope, state, buf_span(&cl->line));
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
	struct buf *line = begin_line(cl, "MAIL FROM:<");

	e->says_utf8 = o->smtputf8 && needs_smtputf8(m);
	client_spell_address(o, e->says_utf8, m->sender, line);
	buf_put_char(line, '>');
	if (o->size && m->size) {
		buf_put_text(line, " SIZE=");
		buf_put_number(line, m->size);
	}
	put_body_form(cl, m, line);
	if (e->says_utf8)
		buf_put_text(line, " SMTPUTF8");
	if (m->require_tls)
		buf_put_text(line, " REQUIRETLS");
	if (o->dsn)
		put_mail_dsn(line, m);
	add_line(cl, CLIENT_MAIL);
}

static void add_recipient(struct smtp_client *cl, struct span mailbox,
			  const struct smtp_rcpt_params *params)
{
	static const char command[] = "RCPT TO:<";
	struct client_envelope *e = &cl->envelope;
	struct buf *line = begin_line(cl, command);
	const struct smtp_reply *why =
		client_spell_address(&cl->offers, e->says_utf8, mailbox, line);

	if (!why && !client_limits_take(cl, span_from(buf_span(line), sizeof(command) - 1)))
		why = &too_many;
	if (why) {
		client_envelope_refuse(e, why);
		return;
	}
	buf_put_char(line, '>');
	if (cl->offers.dsn && params)
		put_rcpt_dsn(line, params);
	add_line(cl, CLIENT_RCPT);
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
	cl->envelope.avoids_chunks = m->avoids_chunks;
	cl->body = (struct smtp_body_encoder){ 0 };
	cl->has_sent_chunks = cl->knows_bdat = false;
	why = client_judge_message(cl, m);
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

/* DATA has served for forty years, while CHUNKING is offered by proxies that do not know it and was
 * the source of grave faults in servers. It is asked for where only it can carry the content, and for
 * large messages, where one that is refused is refused after a part of it. For small ones it would
 * spare a round trip only if a whole content could follow the first BDAT, which may not be. */
#define LARGE (1024 * 1024)

static bool goes_by_bdat(const struct smtp_client *cl, uint64_t size, unsigned form)
{
	/* RFC 3030 3.: "BODY=BINARYMIME [...] MUST use the BDAT command". */
	if ((form & SMTP_FORM_BINARY) || cl->envelope.says_binary)
		return true;
	if (!cl->offers.chunking || cl->envelope.avoids_chunks)
		return false;
	return size >= LARGE;
}

static void add_content(struct smtp_client *cl, uint64_t size, unsigned form)
{
	cl->chunks.is_binary = (form & SMTP_FORM_BINARY) != 0;
	cl->chunks.size = size;
	cl->body.is_dotless = (form & SMTP_FORM_DOTLESS) != 0;
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
	why = client_judge_content(cl, size, form);
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
