#include "mail/dsn.h"

#include "mail/date.h"
#include "encoded.h"
#include "notice.h"
#include "original.h"
#include "part.h"
#include "status.h"
#include "text.h"

#include <stdio.h>

#define NAME_MOST 255
#define COMPANY_MOST 200
#define ADDRESS_MOST 320
#define BOUNDARY_SIZE 71 /* RFC 2046 5.1.1: at most 70 */

/* MAIL needs SMTPUTF8 for the address alone, so whoever takes the notice takes UTF-8. */
static bool goes_by_utf8(const struct mail_dsn *dsn)
{
	return !span_is_ascii(dsn->sender);
}

/* It came as RFC 6531 mail. */
static bool is_global(const struct mail_dsn *dsn)
{
	if (goes_by_utf8(dsn) || dsn->is_utf8)
		return true;
	for (size_t i = 0; i < dsn->recipient_count; i++)
		if (!span_is_ascii(dsn->recipients[i].address))
			return true;
	return false;
}

bool mail_dsn_is_8bit(const struct mail_dsn *dsn)
{
	return goes_by_utf8(dsn) || (dsn->is_full && dsn->is_full_8bit);
}

bool mail_dsn_is_utf8(const struct mail_dsn *dsn)
{
	return goes_by_utf8(dsn);
}

unsigned mail_dsn_form(const struct mail_dsn *dsn)
{
	unsigned form = mail_dsn_is_8bit(dsn) ? SMTP_FORM_8BIT : 0;

	/* In its To field. */
	if (goes_by_utf8(dsn))
		form |= SMTP_FORM_8BIT_HEADER;
	if (dsn->is_full && dsn->is_full_long)
		form |= SMTP_FORM_LONG_LINES;
	return form;
}

/* RFC 2046 5.1.1: it must not appear in any part. "=_" cannot in quoted-printable, and nobody who wrote
 * any of the rest knew the random octets. */
static void choose_boundary(const struct mail_dsn *dsn, char out[BOUNDARY_SIZE])
{
	snprintf(out, BOUNDARY_SIZE, "=_%016llx%016llx_%.30s", (unsigned long long)dsn->random[0],
		 (unsigned long long)dsn->random[1], dsn->notice_id);
}

/* The header */

static void put_text(struct mail_fold *f, struct span text)
{
	struct buf clean = { 0 };

	mail_text_clean(text, ADDRESS_MOST, &clean);
	mail_encoded_put(f, MAIL_ENCODED_TEXT, buf_span(&clean));
	buf_fini(&clean);
}

static void put_date(const struct mail_dsn *dsn, struct buf *out)
{
	char date[MAIL_DATE_MAX];

	mail_date_format(dsn->now_ms, date);
	buf_printf(out, "Date: %s\r\n", date);
}

/* "<local@domain>" as one word; local may be empty. */
static void put_angle(struct mail_fold *f, const char *local, const char *domain)
{
	struct buf word = { 0 };

	buf_put_char(&word, '<');
	buf_printf(&word, "%.60s@", local);
	mail_text_exact(span_text(domain), NAME_MOST, true, &word);
	buf_put_char(&word, '>');
	mail_fold_word(f, buf_span(&word));
	buf_fini(&word);
}

static void put_from(const struct mail_dsn *dsn, struct buf *out)
{
	struct mail_fold f;
	struct buf name = { 0 };

	mail_text_clean(span_text(dsn->company), COMPANY_MOST, &name);
	buf_put_text(&name, name.len ? " mail delivery" : "Mail delivery");
	mail_fold_start(&f, out, "From:");
	mail_encoded_put(&f, MAIL_ENCODED_PHRASE, buf_span(&name));
	put_angle(&f, "MAILER-DAEMON", dsn->reporting_mta);
	mail_fold_end(&f);
	buf_fini(&name);
}

static void put_to(const struct mail_dsn *dsn, struct buf *out)
{
	struct mail_fold f;
	struct buf address = { 0 };

	buf_put_char(&address, '<');
	mail_text_exact(dsn->sender, ADDRESS_MOST, false, &address);
	buf_put_char(&address, '>');
	mail_fold_start(&f, out, "To:");
	mail_fold_word(&f, buf_span(&address));
	mail_fold_end(&f);
	buf_fini(&address);
}

static const char *title(const struct mail_dsn *dsn)
{
	switch (mail_notice_kind(dsn)) {
	case MAIL_DSN_DELAYED:
		return "Delayed, still being tried: your message to";
	case MAIL_DSN_RELAYED:
		return "Passed on: your message to";
	case MAIL_DSN_FAILED:
		break;
	}
	return "Not delivered: your message to";
}

static void put_subject(const struct mail_dsn *dsn, struct buf *out)
{
	struct mail_fold f;
	char count[40];

	mail_fold_start(&f, out, "Subject:");
	f.is_text = true;
	mail_fold_words(&f, span_text(title(dsn)));
	if (dsn->recipient_count == 1) {
		put_text(&f, dsn->recipients[0].address);
	} else {
		snprintf(count, sizeof(count), "%zu recipients", dsn->recipient_count);
		mail_fold_words(&f, span_text(count));
	}
	mail_fold_end(&f);
}

static void put_ids(const struct mail_dsn *dsn, struct buf *out)
{
	static const char *const names[] = { "In-Reply-To:", "References:" };
	struct span original = mail_original_id(dsn->header);
	struct mail_fold f;

	mail_fold_start(&f, out, "Message-ID:");
	put_angle(&f, dsn->notice_id, dsn->reporting_mta);
	mail_fold_end(&f);
	for (size_t i = 0; original.len && i < sizeof(names) / sizeof(*names); i++) {
		mail_fold_start(&f, out, names[i]);
		mail_fold_word(&f, original);
		mail_fold_end(&f);
	}
}

/* RFC 3834 3.1.7: "auto-replied" for what answers a message, as each notice does. RFC 2045 6.4: the whole
 * is 8bit when a part is. */
static void put_header(const struct mail_dsn *dsn, const char *boundary, struct buf *out)
{
	put_date(dsn, out);
	put_from(dsn, out);
	put_to(dsn, out);
	put_subject(dsn, out);
	put_ids(dsn, out);
	buf_put_text(out, "Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n");
	if (mail_dsn_is_8bit(dsn))
		buf_put_text(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_printf(out,
		   "Content-Type: multipart/report; report-type=delivery-status;\r\n"
		   "\tboundary=\"%s\"\r\n",
		   boundary);
}

/* The parts */

/* The line end in front belongs to the boundary (RFC 2046 5.1.1), so each part keeps its own. */
static void put_boundary(const char *boundary, const char *tail, struct buf *out)
{
	buf_printf(out, "\r\n--%s%s\r\n", boundary, tail);
}

static void put_status(const struct mail_dsn *dsn, struct buf *out)
{
	struct buf status = { 0 };

	mail_status_put(dsn, goes_by_utf8(dsn), &status);
	mail_part_put_plain(span_is_ascii(buf_span(&status)) ? "message/delivery-status"
							     : "message/global-delivery-status",
			    buf_span(&status), out);
	buf_fini(&status);
}

/* RFC 6522 4: a header section that is "broken or extended" may be quoted-printable as text. */
static void put_original_header(const struct mail_dsn *dsn, struct buf *out)
{
	struct span header = mail_original_header(dsn->header);

	if (goes_by_utf8(dsn) && !span_is_ascii(header) && mail_part_is_utf8(header))
		mail_part_put_plain("message/global-headers", header, out);
	else
		mail_part_put("text/rfc822-headers", NULL, header, out);
}

/* RFC 2046 5.2.1: message/rfc822 is never encoded, it is 7bit or 8bit as it stands. */
static void put_original_start(const struct mail_dsn *dsn, struct buf *out)
{
	buf_printf(out, "Content-Type: %s\r\n",
		   is_global(dsn) ? "message/global" : "message/rfc822");
	if (dsn->is_full_8bit)
		buf_put_text(out, "Content-Transfer-Encoding: 8bit\r\n");
	buf_put_text(out, "\r\n");
}

void mail_dsn_begin(const struct mail_dsn *dsn, struct buf *out)
{
	struct buf text = { 0 };
	char boundary[BOUNDARY_SIZE];

	choose_boundary(dsn, boundary);
	mail_notice_text(dsn, &text);
	put_header(dsn, boundary, out);
	put_boundary(boundary, "", out);
	mail_part_put("text/plain", "utf-8", buf_span(&text), out);
	put_boundary(boundary, "", out);
	put_status(dsn, out);
	put_boundary(boundary, "", out);
	if (dsn->is_full)
		put_original_start(dsn, out);
	else
		put_original_header(dsn, out);
	buf_fini(&text);
}

void mail_dsn_end(const struct mail_dsn *dsn, struct buf *out)
{
	char boundary[BOUNDARY_SIZE];

	choose_boundary(dsn, boundary);
	put_boundary(boundary, "--", out);
}
