#include "mail/received.h"

#include "mail/date.h"
#include "encoded.h"
#include "text.h"

#define NAME_MAX_OCTETS 255
#define COMPANY_MAX 255

/* A name of ours: printable ASCII without spaces, so that no configuration breaks the line. */
static void put_name(struct span in, struct buf *out)
{
	unsigned char *at;
	size_t n = 0;

	in = span_first(in, NAME_MAX_OCTETS);
	at = buf_room(out, in.len);
	for (size_t i = 0; i < in.len; i++)
		if (in.at[i] > ' ' && in.at[i] < 127)
			at[n++] = in.at[i];
	buf_grew(out, n);
}

static bool is_name(struct span in)
{
	for (size_t i = 0; i < in.len; i++)
		if (in.at[i] <= ' ' || in.at[i] >= 127)
			return false;
	return in.len > 0 && in.len <= NAME_MAX_OCTETS;
}

static void add_name(struct mail_fold *f, const char *text)
{
	struct span name = span_text(text);

	if (is_name(name)) {
		mail_fold_word(f, name);
		return;
	}
	mail_fold_open(f);
	put_name(name, f->out);
	if (mail_fold_open_octets(f) == 0)
		buf_put_text(f->out, "unknown");
	mail_fold_close(f);
}

/* The company: an RFC 5322 3.2.2 comment, by RFC 2047 5. (2) where it is not ASCII. */
static void add_company(struct mail_fold *f, const char *company)
{
	struct span name = span_text(company);
	struct buf text = { 0 };

	if (!mail_text_is_clean(name, COMPANY_MAX)) {
		mail_text_clean(name, COMPANY_MAX, &text);
		name = buf_span(&text);
	}
	mail_encoded_put(f, MAIL_ENCODED_COMMENT, name);
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
	struct span name;

	mail_fold_open(f);
	put_ehlo(r->ehlo, f->out);
	name = span_from(buf_span(f->out), f->out->len - mail_fold_open_octets(f));
	if (name.len == 0 || span_eq(name, span_text("[]"))) {
		f->out->len -= name.len;
		buf_put_text(f->out, "unknown");
	}
	mail_fold_close(f);
	mail_fold_open(f);
	buf_put_char(f->out, '(');
	put_address_literal(r->address, f->out);
	buf_put_char(f->out, ')');
	mail_fold_close(f);
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
	char date[MAIL_DATE_MAX];

	mail_fold_start(&f, out, "Received:");
	if (r->trace != MAIL_TRACE_NONE)
		add_from(&f, r);
	mail_fold_word(&f, span_text("by"));
	add_name(&f, r->by);
	mail_fold_word(&f, span_text("with"));
	add_name(&f, r->protocol);
	mail_fold_word(&f, span_text("id"));
	mail_fold_open(&f);
	put_name(span_text(r->id), out);
	buf_put_char(out, ';');
	mail_fold_close(&f);
	mail_fold_break(&f);
	mail_date_format(r->unix_ms, date);
	/* As one word: behind the break it fits in its line. */
	mail_fold_word(&f, span_of(date, strlen(date)));
	mail_fold_end(&f);
}
