#include "mail/dsn.h"

#include "mail/date.h"
#include "fold.h"
#include "notice.h"
#include "part.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_OCTETS 255
#define ADDRESS_MAX 320

struct parts {
	struct buf text, status, header;
};

static void add_ascii(struct mail_fold *f, struct span text, size_t most)
{
	struct buf clean = { 0 };

	mail_text_ascii(text, most, &clean);
	mail_fold_words(f, buf_span(&clean));
	buf_fini(&clean);
}

static void put_field(struct buf *out, const char *name, struct span value, size_t most)
{
	struct mail_fold f;

	mail_fold_start(&f, out, name);
	add_ascii(&f, value, most);
	mail_fold_end(&f);
}

static void put_date_field(struct buf *out, const char *name, int64_t unix_ms)
{
	char date[MAIL_DATE_MAX];

	mail_date_format(unix_ms, date);
	put_field(out, name, span_text(date), sizeof(date));
}

/* RFC 6533 3.: utf-8-addr-xtext, so that a UTF-8 address passes a 7bit path whole. */
static void put_utf8_address(struct span address, struct buf *out)
{
	while (address.len) {
		size_t n = mail_text_char(address);
		uint32_t code = n ? address.at[0] & (n == 1 ? 0x7FU : 0x7FU >> n) : '?';

		for (size_t i = 1; i < n; i++)
			code = code << 6 | (address.at[i] & 0x3F);
		if (code > ' ' && code < 127 && code != '\\' && code != '+' && code != '=')
			buf_put_char(out, (char)code);
		else
			buf_printf(out, "\\x{%X}", code);
		address = span_from(address, n ? n : 1);
	}
}

static void put_final_recipient(struct span address, struct buf *out)
{
	struct mail_fold f;
	struct buf encoded = { 0 };

	mail_fold_start(&f, out, "Final-Recipient:");
	if (span_is_ascii(address)) {
		mail_fold_word(&f, span_text("rfc822;"));
		add_ascii(&f, address, ADDRESS_MAX);
	} else {
		mail_fold_word(&f, span_text("utf-8;"));
		put_utf8_address(span_first(address, ADDRESS_MAX), &encoded);
		mail_fold_word(&f, buf_span(&encoded));
	}
	mail_fold_end(&f);
	buf_fini(&encoded);
}

static void put_diagnostic(const struct mail_dsn_recipient *r, struct buf *out)
{
	struct buf words = { 0 };

	if (r->reply.code) {
		buf_put_text(&words, "smtp; ");
		mail_notice_reply(&r->reply, true, &words);
	} else if (r->reason && r->reason[0]) {
		buf_put_text(&words, "x-postern; ");
		mail_text_ascii(span_text(r->reason), 800, &words);
	} else {
		return;
	}
	put_field(out, "Diagnostic-Code:", buf_span(&words), words.len);
	buf_fini(&words);
}

static void put_recipient_status(const struct mail_dsn_recipient *r, struct buf *out)
{
	struct buf remote = { 0 };

	buf_put_text(out, "\r\n");
	put_final_recipient(r->address, out);
	buf_put_text(out, "Action: failed\r\n");
	buf_printf(out, "Status: %u.%u.%u\r\n", r->status.class ? r->status.class : 5U,
		   r->status.subject, r->status.detail);
	if (r->smarthost) {
		buf_printf(&remote, "dns; %s", r->smarthost);
		put_field(out, "Remote-MTA:", buf_span(&remote), NAME_MAX_OCTETS);
	}
	put_diagnostic(r, out);
	buf_fini(&remote);
}

static void format_status(const struct mail_dsn *dsn, struct buf *out)
{
	struct buf mta = { 0 };

	buf_printf(&mta, "dns; %s", dsn->reporting_mta);
	put_field(out, "Reporting-MTA:", buf_span(&mta), NAME_MAX_OCTETS);
	put_field(out, "X-Postern-Id:", span_text(dsn->id), NAME_MAX_OCTETS);
	put_date_field(out, "Arrival-Date:", dsn->arrived_ms);
	for (size_t i = 0; i < dsn->recipient_count; i++)
		put_recipient_status(&dsn->recipients[i], out);
	buf_fini(&mta);
}

/* As far as it goes, but no half line, and not the blank line at its end. */
static void format_header(struct span header, struct buf *out)
{
	while (header.len && header.at[header.len - 1] != '\n')
		header.len--;
	while (header.len >= 4 && memcmp(header.at + header.len - 4, "\r\n\r\n", 4) == 0)
		header.len -= 2;
	buf_put_span(out, header);
}

static bool contains(const struct buf *b, const char *text)
{
	return b->len && memmem(b->at + b->from, b->len, text, strlen(text));
}

/* RFC 2046 5.1.1: the boundary must not appear in any part. */
static void choose_boundary(const struct mail_dsn *dsn, const struct parts *p, struct buf *out)
{
	char boundary[70];
	unsigned n = 0;

	do {
		snprintf(boundary, sizeof(boundary), "=_%u_%.50s", n++, dsn->notice_id);
	} while (contains(&p->text, boundary) || contains(&p->status, boundary) ||
		 contains(&p->header, boundary));
	buf_put_text(out, boundary);
}

static void put_subject(const struct mail_dsn *dsn, struct buf *out)
{
	struct mail_fold f;
	char count[40];

	mail_fold_start(&f, out, "Subject:");
	mail_fold_words(&f, span_text("Not delivered: your message to"));
	if (dsn->recipient_count == 1) {
		add_ascii(&f, dsn->recipients[0].address, ADDRESS_MAX);
	} else {
		snprintf(count, sizeof(count), "%zu recipients", dsn->recipient_count);
		mail_fold_words(&f, span_text(count));
	}
	mail_fold_end(&f);
}

static void put_to(const struct mail_dsn *dsn, struct buf *out)
{
	struct buf address = { 0 };

	/* A UTF-8 address cannot stand in a header of ASCII; the envelope has it. */
	if (span_is_ascii(dsn->sender))
		buf_put_span(&address, dsn->sender);
	else
		buf_put_text(&address, "undisclosed-recipients:;");
	put_field(out, "To:", buf_span(&address), ADDRESS_MAX);
	buf_fini(&address);
}

static void put_header(const struct mail_dsn *dsn, const char *boundary, struct buf *out)
{
	struct mail_fold f;
	char host[NAME_MAX_OCTETS + 1];

	snprintf(host, sizeof(host), "%s", dsn->reporting_mta);
	put_date_field(out, "Date:", dsn->now_ms);
	mail_fold_start(&f, out, "From:");
	mail_fold_words(&f, span_text("\"Mail delivery at"));
	buf_printf(out, " %s\"\r\n\t<postmaster@%s>\r\n", host, host);
	put_to(dsn, out);
	put_subject(dsn, out);
	buf_printf(out, "Message-ID: <%.200s@%s>\r\n", dsn->notice_id, host);
	buf_put_text(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	buf_printf(out,
		   "Content-Type: multipart/report; report-type=delivery-status;\r\n"
		   "\tboundary=\"%s\"\r\n",
		   boundary);
}

/* The line end in front belongs to the boundary (RFC 2046 5.1.1), so each part keeps its own. */
static void put_boundary(const char *boundary, const char *tail, struct buf *out)
{
	buf_printf(out, "\r\n--%s%s\r\n", boundary, tail);
}

void mail_dsn_format(const struct mail_dsn *dsn, struct buf *out)
{
	struct parts p = { 0 };
	struct buf chosen = { 0 };
	char *boundary;

	mail_notice_text(dsn, &p.text);
	format_status(dsn, &p.status);
	format_header(dsn->header, &p.header);
	choose_boundary(dsn, &p, &chosen);
	boundary = buf_take_text(&chosen);
	put_header(dsn, boundary, out);
	put_boundary(boundary, "", out);
	mail_part_put("text/plain", "utf-8", buf_span(&p.text), out);
	put_boundary(boundary, "", out);
	mail_part_put("message/delivery-status", NULL, buf_span(&p.status), out);
	put_boundary(boundary, "", out);
	mail_part_put("text/rfc822-headers", NULL, buf_span(&p.header), out);
	put_boundary(boundary, "--", out);
	free(boundary);
	buf_fini(&p.text);
	buf_fini(&p.status);
	buf_fini(&p.header);
}
