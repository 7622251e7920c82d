#include "status.h"

#include "mail/date.h"
#include "smtp/path.h"
#include "fold.h"
#include "notice.h"
#include "text.h"

#define NAME_MOST 255
#define ADDRESS_MOST 320
#define REASON_MOST 800
#define TYPE_MOST 20

static const char *const action_names[] = {
	[MAIL_DSN_FAILED] = "failed",
	[MAIL_DSN_DELAYED] = "delayed",
	[MAIL_DSN_RELAYED] = "relayed",
};

/* Words, folded. */
static void put_words(struct buf *out, const char *name, struct span value, bool may_be_utf8)
{
	struct mail_fold f;
	struct buf clean = { 0 };

	if (may_be_utf8)
		mail_text_clean(value, value.len, &clean);
	else
		mail_text_ascii(value, value.len, &clean);
	mail_fold_start(&f, out, name);
	f.is_text = true;
	mail_fold_words(&f, buf_span(&clean));
	mail_fold_end(&f);
	buf_fini(&clean);
}

static void put_date(struct buf *out, const char *name, int64_t unix_ms)
{
	char date[MAIL_DATE_MAX];

	mail_date_format(unix_ms, date);
	put_words(out, name, span_text(date), false);
}

/* RFC 5321 4.1.3 for a host that was given by its address. */
static void put_mta(struct buf *out, const char *name, const char *host)
{
	struct span h = span_first(span_text(host), NAME_MOST);
	bool is_ipv6 = span_find(h, ':') < h.len;
	bool is_address = is_ipv6 || strspn(host, "0123456789.") == strlen(host);
	struct buf value = { 0 };

	buf_put_text(&value, "dns; ");
	if (is_address)
		buf_put_text(&value, is_ipv6 ? "[IPv6:" : "[");
	mail_text_exact(h, NAME_MOST, true, &value);
	if (is_address)
		buf_put_char(&value, ']');
	put_words(out, name, buf_span(&value), false);
	buf_fini(&value);
}

/* "rfc822; bob@example.net": what is compared stays in one piece. */
static void put_typed(struct buf *out, const char *name, struct span type, struct span value)
{
	struct mail_fold f;
	struct buf word = { 0 };

	buf_put_span(&word, type);
	buf_put_char(&word, ';');
	mail_fold_start(&f, out, name);
	mail_fold_word(&f, buf_span(&word));
	mail_fold_word(&f, value);
	mail_fold_end(&f);
	buf_fini(&word);
}

/* RFC 6533 3: utf-8-addr-xtext, so that a UTF-8 address passes a 7-bit path whole. is_quoted: the
 * address has such escapes already. */
static void put_utf8_xtext(struct span address, bool is_quoted, struct buf *out)
{
	while (address.len) {
		size_t n = mail_text_char(address);
		uint32_t code = n ? address.at[0] & (n == 1 ? 0x7FU : 0x7FU >> n) : '?';
		bool is_plain = code > ' ' && code < 127 && code != '+' && code != '=';

		for (size_t i = 1; i < n; i++)
			code = code << 6 | (address.at[i] & 0x3F);
		is_plain = is_plain && n <= 1 && (code != '\\' || is_quoted);
		if (is_plain)
			buf_put_char(out, (char)code);
		else
			buf_printf(out, "\\x{%02X}", code);
		address = span_from(address, n ? n : 1);
	}
}

/* utf-8-address itself is for UTF-8 paths only. */
static void put_utf8_address(struct buf *out, const char *name, struct span address, bool is_quoted,
			     bool may_be_utf8)
{
	struct buf value = { 0 };

	address = span_first(address, is_quoted ? SMTP_ORCPT_MOST : ADDRESS_MOST);
	if (may_be_utf8)
		mail_text_exact(address, address.len, false, &value);
	else
		put_utf8_xtext(address, is_quoted, &value);
	put_typed(out, name, span_text("utf-8"), buf_span(&value));
	buf_fini(&value);
}

static void put_final_recipient(struct buf *out, struct span address, bool may_be_utf8)
{
	struct buf value = { 0 };

	if (span_is_ascii(address)) {
		mail_text_exact(address, ADDRESS_MOST, true, &value);
		put_typed(out, "Final-Recipient:", span_text("rfc822"), buf_span(&value));
	} else {
		put_utf8_address(out, "Final-Recipient:", address, false, may_be_utf8);
	}
	buf_fini(&value);
}

static bool is_address_type(struct span type)
{
	for (size_t i = 0; i < type.len; i++)
		if (!ascii_is_alnum(type.at[i]) && type.at[i] != '-')
			return false;
	return type.len > 0 && type.len <= TYPE_MOST;
}

/* RFC 3461 6.3 (a): as the sender gave it, xtext undone; what is malformed is left out. A utf-8
 * address has escapes of its own instead of xtext (RFC 6533 3). */
static void put_original_recipient(struct buf *out, struct span orcpt, bool may_be_utf8)
{
	size_t end = span_find(orcpt, ';');
	struct span type = span_first(orcpt, end);
	struct span given = span_first(span_from(orcpt, end + 1), SMTP_ORCPT_MOST);
	struct buf address = { 0 }, value = { 0 };

	if (!is_address_type(type) || given.len == 0)
		return;
	if (span_ieq_text(type, "utf-8")) {
		put_utf8_address(out, "Original-Recipient:", given, true, may_be_utf8);
	} else if (smtp_xtext_decode(given, &address) == 0 && address.len) {
		mail_text_exact(buf_span(&address), SMTP_ORCPT_MOST, true, &value);
		put_typed(out, "Original-Recipient:", type, buf_span(&value));
	}
	buf_fini(&address);
	buf_fini(&value);
}

/* RFC 3464 2.2.1: "the actual text of the ENVID parameter", xtext undone. Not folded: programs compare
 * it. */
static void put_envid(struct buf *out, struct span envid)
{
	struct buf id = { 0 };

	if (envid.len && smtp_xtext_decode(envid, &id) == 0) {
		buf_put_text(out, "Original-Envelope-Id: ");
		mail_text_exact(buf_span(&id), SMTP_ENVID_MOST, true, out);
		buf_put_text(out, "\r\n");
	}
	buf_fini(&id);
}

static void put_diagnostic(struct buf *out, const struct mail_dsn_recipient *r, bool may_be_utf8)
{
	struct buf words = { 0 };

	if (r->reply.code) {
		buf_put_text(&words, "smtp; ");
		mail_notice_reply(&r->reply, &words);
	} else if (r->reason && r->reason[0]) {
		buf_put_text(&words, "x-postern; ");
		mail_text_clean(span_text(r->reason), REASON_MOST, &words);
	} else {
		return;
	}
	put_words(out, "Diagnostic-Code:", buf_span(&words), may_be_utf8);
	buf_fini(&words);
}

/* RFC 3463 2: the class must not contradict the action. */
static struct smtp_status status_of(const struct mail_dsn_recipient *r)
{
	static const uint8_t classes[] = {
		[MAIL_DSN_FAILED] = 5,
		[MAIL_DSN_DELAYED] = 4,
		[MAIL_DSN_RELAYED] = 2,
	};
	uint8_t class = classes[r->action];

	/* 4.4.7 is what RFC 3463 3.5 has for a message whose time ran out. */
	if (r->status.class == class || (r->action == MAIL_DSN_FAILED && r->status.class == 4))
		return r->status;
	return (struct smtp_status){ class, 0, 0 };
}

static void put_recipient(struct buf *out, const struct mail_dsn *dsn,
			  const struct mail_dsn_recipient *r, bool may_be_utf8)
{
	struct smtp_status status = status_of(r);

	buf_put_text(out, "\r\n");
	put_original_recipient(out, r->orcpt, may_be_utf8);
	put_final_recipient(out, r->address, may_be_utf8);
	buf_printf(out, "Action: %s\r\nStatus: %u.%u.%u\r\n", action_names[r->action], status.class,
		   status.subject, status.detail);
	if (r->smarthost && r->smarthost[0])
		put_mta(out, "Remote-MTA:", r->smarthost);
	put_diagnostic(out, r, may_be_utf8);
	if (dsn->last_ms)
		put_date(out, "Last-Attempt-Date:", dsn->last_ms);
	if (r->action == MAIL_DSN_DELAYED && dsn->expires_ms)
		put_date(out, "Will-Retry-Until:", dsn->expires_ms);
}

void mail_status_put(const struct mail_dsn *dsn, bool may_be_utf8, struct buf *out)
{
	put_envid(out, dsn->envid);
	put_mta(out, "Reporting-MTA:", dsn->reporting_mta);
	put_words(out, "X-Postern-Id:", span_first(span_text(dsn->id), NAME_MOST), false);
	put_date(out, "Arrival-Date:", dsn->arrived_ms);
	for (size_t i = 0; i < dsn->recipient_count; i++)
		put_recipient(out, dsn, &dsn->recipients[i], may_be_utf8);
}
