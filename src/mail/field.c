#include "field.h"

#include "loose.h"
#include "params.h"
#include "tokens.h"

enum { NAME_MOST = 200 };

static const char *const address_fields[] = {
	"From",
	"Sender",
	"Reply-To",
	"To",
	"Cc",
	"Bcc",
	"Resent-From",
	"Resent-Sender",
	"Resent-Reply-To",
	"Resent-To",
	"Resent-Cc",
	"Resent-Bcc",
	"Disposition-Notification-To",
	"Return-Receipt-To",
	"Errors-To",
	"Mail-Followup-To",
	"Mail-Reply-To",
	NULL,
};

static const char *const token_fields[] = {
	"Received",
	"Return-Path",
	"Date",
	"Resent-Date",
	"Message-ID",
	"Resent-Message-ID",
	"In-Reply-To",
	"References",
	"MIME-Version",
	"Content-Transfer-Encoding",
	"Content-ID",
	"Content-Language",
	"Auto-Submitted",
	"Authentication-Results",
	"DKIM-Signature",
	"Delivered-To",
	"Envelope-To",
	"X-Original-To",
	"List-Id",
	"List-Help",
	"List-Unsubscribe",
	"List-Unsubscribe-Post",
	"List-Subscribe",
	"List-Post",
	"List-Owner",
	"List-Archive",
	NULL,
};

static const char *const parameter_fields[] = { "Content-Type", "Content-Disposition", NULL };

static bool is_among(struct span name, const char *const *names)
{
	for (; *names; names++)
		if (span_ieq_text(name, *names))
			return true;
	return false;
}

enum mail_field_class mail_field_class(struct span name)
{
	name = span_trim(name);
	if (name.len > NAME_MOST)
		return MAIL_FIELD_JUNK;
	if (is_among(name, address_fields))
		return MAIL_FIELD_ADDRESSES;
	if (is_among(name, parameter_fields))
		return MAIL_FIELD_PARAMETERS;
	return is_among(name, token_fields) ? MAIL_FIELD_TOKENS : MAIL_FIELD_TEXT;
}

/* Without the line ends of folding, nor others. */
static void unfold(struct span in, struct buf *out)
{
	while (in.len) {
		size_t n = 0;

		while (n < in.len && in.at[n] != '\r' && in.at[n] != '\n')
			n++;
		buf_put_span(out, span_first(in, n));
		in = span_from(in, n + 1);
	}
}

static void put_text(struct mail_words *w, struct span value)
{
	while (value.len) {
		size_t gap = 0, end;
		struct span word;

		while (gap < value.len && (value.at[gap] == ' ' || value.at[gap] == '\t'))
			gap++;
		for (end = gap; end < value.len && value.at[end] != ' ' && value.at[end] != '\t';)
			end++;
		word = span_first(span_from(value, gap), end - gap);
		if (word.len)
			mail_words_put(w, span_first(value, gap), word, word);
		value = span_from(value, end);
	}
}

static bool put_value(struct mail_words *w, enum mail_field_class kind, struct span value)
{
	switch (kind) {
	case MAIL_FIELD_TOKENS:
		mail_tokens_put(w, value);
		break;
	case MAIL_FIELD_ADDRESSES:
		return mail_addresses_put(w, value);
	case MAIL_FIELD_PARAMETERS:
		mail_params_put(w, value);
		break;
	case MAIL_FIELD_TEXT:
	case MAIL_FIELD_JUNK:
		put_text(w, value);
		break;
	}
	return true;
}

static void put_junk(struct span field, struct buf *out)
{
	struct mail_loose loose = { 0 };

	mail_loose_put(&loose, field, out);
	mail_loose_end(&loose, out);
}

bool mail_field_write(enum mail_field_class kind, enum mail_piece piece, struct span field,
		      bool is_ascii, struct buf *out)
{
	struct mail_words w;
	struct buf value = { 0 };
	struct span name;
	bool is_writable;

	if (kind == MAIL_FIELD_JUNK || piece == MAIL_PIECE_JUNK) {
		put_junk(field, out);
		return true;
	}
	name = piece == MAIL_PIECE_NEXT ? span_of(NULL, 0)
					: span_first(field, span_find(field, ':') + 1);
	unfold(span_from(field, name.len), &value);
	mail_words_start(&w, out, name, is_ascii, kind == MAIL_FIELD_TEXT);
	is_writable = put_value(&w, kind, buf_span(&value));
	mail_words_end(&w);
	buf_fini(&value);
	return is_writable;
}
