/* What need not be asked of the peer, because it cannot take it. */
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

static bool is_sayable(struct span address, bool may_utf8)
{
	return may_utf8 || span_is_ascii(address);
}

/* A domain beyond ASCII as A-labels. */
static const struct smtp_reply *convert_address(const struct smtp_client_offers *o,
						struct span address, struct buf *out)
{
	if (smtp_mailbox_to_ascii(address, out) == 0)
		return NULL;
	if (span_is_ascii(local_part(address)))
		return &no_domain;
	return o->smtputf8 ? &needs_utf8 : &ascii_only;
}

const struct smtp_reply *client_spell_address(const struct smtp_client_offers *o, bool may_utf8,
					      struct span address, struct buf *out)
{
	if (!span_is_printable(address)) {
		if (!is_clean(address))
			return &bad_address;
		if (!is_sayable(address, may_utf8))
			return convert_address(o, address, out);
	}
	buf_put_span(out, address);
	return NULL;
}

static const struct smtp_reply *judge_address(const struct smtp_client_offers *o,
					      struct span address)
{
	const struct smtp_reply *why;
	struct buf spelt = { 0 };

	if (span_is_printable(address))
		return NULL;
	if (!is_clean(address))
		return &bad_address;
	if (is_sayable(address, o->smtputf8))
		return NULL;
	why = convert_address(o, address, &spelt);
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
const struct smtp_reply *client_judge_message(const struct smtp_client *cl,
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

const struct smtp_reply *client_judge_content(const struct smtp_client *cl, uint64_t size,
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
