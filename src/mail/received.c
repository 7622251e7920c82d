#include "mail/received.h"

#include "mail/date.h"
#include "encoded.h"
#include "text.h"

#define NAME_MAX_OCTETS 255
#define COMPANY_MAX 255

/* A name of ours: printable ASCII without spaces, so that no configuration breaks the line. */
static void put_name(struct span in, struct buf *out)
{
	in = span_first(in, NAME_MAX_OCTETS);
	for (size_t i = 0; i < in.len; i++)
		if (in.at[i] > ' ' && in.at[i] < 127)
			buf_put_char(out, (char)in.at[i]);
}

static void add_name(struct mail_fold *f, const char *name)
{
	struct buf word = { 0 };

	put_name(span_text(name), &word);
	if (word.len == 0)
		buf_put_text(&word, "unknown");
	mail_fold_word(f, buf_span(&word));
	buf_fini(&word);
}

/* The company: an RFC 5322 3.2.2 comment, by RFC 2047 5. (2) where it is not ASCII. */
static void add_company(struct mail_fold *f, const char *company)
{
	struct buf text = { 0 };

	mail_text_clean(span_text(company), COMPANY_MAX, &text);
	mail_encoded_put(f, MAIL_ENCODED_COMMENT, buf_span(&text));
	buf_fini(&text);
}

/* The client: RFC 5321 4.4, Extended-Domain. */

/* Brackets only around the whole: "[192.0.2.7]". */
static void put_ehlo(struct span ehlo, struct buf *out)
{
	bool is_literal;

	ehlo = span_first(ehlo, NAME_MAX_OCTETS);
	is_literal = ehlo.len > 2 && ehlo.at[0] == '[' && ehlo.at[ehlo.len - 1] == ']';
	for (size_t i = 0; i < ehlo.len; i++) {
		unsigned char c = ehlo.at[i];

		if (ascii_is_alnum(c) || (c != 0 && strchr(".:_-", c)))
			buf_put_char(out, (char)c);
		else if (is_literal && (i == 0 || i == ehlo.len - 1))
			buf_put_char(out, (char)c);
	}
}

static void put_address_literal(const char *address, struct buf *out)
{
	buf_put_text(out, strchr(address, ':') ? "[IPv6:" : "[");
	put_name(span_text(address), out);
	buf_put_char(out, ']');
}

static void add_client(struct mail_fold *f, const struct mail_received *r)
{
	struct buf word = { 0 };

	put_ehlo(r->ehlo, &word);
	if (word.len == 0 || span_eq(buf_span(&word), span_text("[]"))) {
		buf_clear(&word);
		buf_put_text(&word, "unknown");
	}
	mail_fold_word(f, buf_span(&word));
	buf_clear(&word);
	buf_put_char(&word, '(');
	put_address_literal(r->address, &word);
	buf_put_char(&word, ')');
	mail_fold_word(f, buf_span(&word));
	buf_fini(&word);
}

static void add_from(struct mail_fold *f, const struct mail_received *r)
{
	mail_fold_word(f, span_text("from"));
	if (r->trace == MAIL_TRACE_FULL) {
		add_client(f, r);
	} else {
		add_name(f, r->from_domain);
		add_company(f, r->company);
	}
	mail_fold_break(f);
}

void mail_received_format(const struct mail_received *r, struct buf *out)
{
	struct mail_fold f;
	struct buf id = { 0 };
	char date[MAIL_DATE_MAX];

	mail_fold_start(&f, out, "Received:");
	if (r->trace != MAIL_TRACE_NONE)
		add_from(&f, r);
	mail_fold_word(&f, span_text("by"));
	add_name(&f, r->by);
	mail_fold_word(&f, span_text("with"));
	add_name(&f, r->protocol);
	mail_fold_word(&f, span_text("id"));
	put_name(span_text(r->id), &id);
	buf_put_char(&id, ';');
	mail_fold_word(&f, buf_span(&id));
	buf_fini(&id);
	mail_fold_break(&f);
	mail_date_format(r->unix_ms, date);
	mail_fold_words(&f, span_text(date));
	mail_fold_end(&f);
}
