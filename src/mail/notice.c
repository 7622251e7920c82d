#include "notice.h"

#include "mail/date.h"
#include "advice.h"
#include "text.h"

#define COLUMNS 72
#define WORD_MOST 900
#define REPLY_MOST 1000
#define ADDRESS_MOST 320
#define REASON_MOST 500
#define INDENT "    "

#define MINUTE_MS (60 * INT64_C(1000))
#define HOUR_MS (60 * MINUTE_MS)
#define DAY_MS (24 * HOUR_MS)

enum mail_dsn_action mail_notice_kind(const struct mail_dsn *dsn)
{
	enum mail_dsn_action gravest = MAIL_DSN_RELAYED;

	for (size_t i = 0; i < dsn->recipient_count; i++)
		if (dsn->recipients[i].action < gravest)
			gravest = dsn->recipients[i].action;
	return gravest;
}

static void put_code(const struct smtp_reply *reply, struct buf *out)
{
	buf_printf(out, "%d ", reply->code);
	if (reply->status.class)
		buf_printf(out, "%u.%u.%u ", reply->status.class, reply->status.subject,
			   reply->status.detail);
}

static void drop_last_space(struct buf *out)
{
	while (out->len && out->at[out->from + out->len - 1] == ' ')
		out->len--;
}

void mail_notice_reply(const struct smtp_reply *reply, struct buf *out)
{
	if (reply->code == 0)
		return;
	put_code(reply, out);
	mail_text_clean(reply->text, REPLY_MOST, out);
	drop_last_space(out);
}

/* Words of a paragraph, broken into lines. The paragraph is one line of clean text; it is emptied. */
static void put_lines(struct buf *paragraph, const char *indent, struct buf *out)
{
	struct span text = span_trim(buf_span(paragraph));
	size_t column = 0;

	while (text.len) {
		size_t end = span_find(text, ' ');
		struct span word = mail_text_first(span_first(text, end), WORD_MOST);

		if (column && column + 1 + word.len > COLUMNS) {
			buf_put_text(out, "\r\n");
			column = 0;
		}
		buf_put_text(out, column ? " " : indent);
		buf_put_span(out, word);
		column += word.len + (column ? 1 : strlen(indent));
		text = span_from(text, word.len < end ? word.len : end + 1);
	}
	buf_put_text(out, "\r\n");
	buf_clear(paragraph);
}

static void put_paragraph(struct buf *paragraph, struct buf *out)
{
	put_lines(paragraph, "", out);
	buf_put_text(out, "\r\n");
}

static void say(struct buf *p, const char *sentence)
{
	if (p->len)
		buf_put_char(p, ' ');
	buf_put_text(p, sentence);
}

/* Words of others, of one line. */
static void say_clean(struct buf *p, struct span words, size_t most)
{
	if (p->len)
		buf_put_char(p, ' ');
	mail_text_clean(words, most, p);
}

static void end_sentence(struct buf *p)
{
	if (p->len && !strchr(".!?", p->at[p->from + p->len - 1]))
		buf_put_char(p, '.');
}

static void say_host(struct buf *p, const struct mail_dsn_recipient *r)
{
	if (r->smarthost && r->smarthost[0])
		say_clean(p, span_text(r->smarthost), ADDRESS_MOST);
	else
		say(p, "The mail server");
}

static void say_date(struct buf *p, int64_t unix_ms)
{
	char date[MAIL_DATE_MAX];

	mail_date_format(unix_ms, date);
	say(p, date);
	say(p, "(UTC)");
}

/* Why, and what to do */

/* As against: its time ran out, or somebody gave it up. Recipients of one notice may differ. */
static bool was_refused(const struct mail_dsn *dsn, const struct mail_dsn_recipient *r)
{
	if (r->reply.code)
		return r->reply.code >= 500;
	return r->status.class == 5 && !dsn->is_by_hand && !dsn->is_expired;
}

static void say_reason(struct buf *p, const struct mail_dsn_recipient *r)
{
	if (r->reason && r->reason[0]) {
		say(p, "The reason:");
		say_clean(p, span_text(r->reason), REASON_MOST);
		end_sentence(p);
	} else if (r->reply.code == 0) {
		say(p, "No mail server could be reached.");
	} else {
		say_host(p, r);
		say(p, "puts it off again and again.");
	}
}

static void say_failed(struct buf *p, const struct mail_dsn *dsn,
		       const struct mail_dsn_recipient *r)
{
	if (was_refused(dsn, r)) {
		struct mail_advice advice = mail_advice_for(&r->reply, r->status);

		say(p, advice.why);
		if (r->reply.code == 0 && r->reason && r->reason[0])
			say_reason(p, r);
		say(p, advice.what_to_do);
	} else if (dsn->is_by_hand) {
		say(p, "It was given up by an administrator of this mail server. If you do not "
		       "know why, please ask the people who run your mail.");
	} else {
		say_reason(p, r);
		say(p, "Please send the message again later, or show this notice to the people who "
		       "run your mail.");
	}
}

static void say_why(struct buf *p, const struct mail_dsn *dsn, const struct mail_dsn_recipient *r)
{
	switch (r->action) {
	case MAIL_DSN_FAILED:
		say_failed(p, dsn, r);
		break;
	case MAIL_DSN_DELAYED:
		if (r->reply.code) {
			say_host(p, r);
			say(p, "has put it off for now.");
		} else {
			say_reason(p, r);
		}
		break;
	case MAIL_DSN_RELAYED:
		say_host(p, r);
		say(p, "has accepted it. It does not confirm deliveries itself, so this is the "
		       "last confirmation that you get.");
		break;
	}
}

/* What happened */

static void say_span(struct buf *p, int64_t ms)
{
	static const struct {
		int64_t ms;
		const char *name;
	} units[] = { { DAY_MS, "days" }, { HOUR_MS, "hours" }, { MINUTE_MS, "minutes" } };

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		int64_t n = (ms + units[i].ms / 2) / units[i].ms;

		if (n < 2)
			continue;
		buf_printf(p, " (%lld %s)", (long long)n, units[i].name);
		return;
	}
}

static void say_until(struct buf *p, const struct mail_dsn *dsn)
{
	say(p, "There is nothing you need to do: we go on trying");
	if (dsn->expires_ms) {
		say(p, "until");
		say_date(p, dsn->expires_ms);
		buf_put_char(p, ',');
	} else {
		say(p, "for some time");
	}
	say(p, "and you will hear from us again if it cannot be delivered by then.");
}

/* `whom` stands behind "to". */
static void say_outcome(struct buf *p, const struct mail_dsn *dsn, enum mail_dsn_action kind,
			bool has_expired, struct span whom)
{
	say(p, "Your message to");
	say_clean(p, whom, ADDRESS_MOST);
	switch (kind) {
	case MAIL_DSN_FAILED:
		say(p, "could not be delivered");
		if (has_expired) {
			say(p, "in the time allowed");
			say_span(p, dsn->now_ms - dsn->arrived_ms);
		}
		buf_put_char(p, '.');
		break;
	case MAIL_DSN_DELAYED:
		say(p, "has not been delivered yet.");
		say_until(p, dsn);
		break;
	case MAIL_DSN_RELAYED:
		say(p, "has been passed on. There is nothing you need to do.");
		break;
	}
}

static void put_words(const struct smtp_reply *reply, struct buf *line, struct buf *out)
{
	struct span text = span_first(reply->text, REPLY_MOST);

	put_code(reply, line);
	do {
		size_t end = span_find(text, '\n');

		mail_text_clean(span_first(text, end), REPLY_MOST, line);
		if (line->len)
			put_lines(line, INDENT, out);
		text = span_from(text, end + 1);
	} while (text.len);
	buf_put_text(out, "\r\n");
}

static void put_reply(struct buf *p, const struct mail_dsn_recipient *r, struct buf *out)
{
	if (r->reply.code == 0)
		return;
	say(p, "The words of");
	if (r->smarthost && r->smarthost[0])
		say_clean(p, span_text(r->smarthost), ADDRESS_MOST);
	else
		say(p, "the mail server");
	buf_put_char(p, ':');
	put_paragraph(p, out);
	put_words(&r->reply, p, out);
}

/* One recipient, or several with one fate */

static bool is_same_text(const char *a, const char *b)
{
	return span_eq(span_text(a), span_text(b));
}

static bool is_same_status(struct smtp_status a, struct smtp_status b)
{
	return a.class == b.class && a.subject == b.subject && a.detail == b.detail;
}

static bool is_same_fate(const struct mail_dsn_recipient *a, const struct mail_dsn_recipient *b)
{
	return a->action == b->action && is_same_status(a->status, b->status) &&
	       a->reply.code == b->reply.code && is_same_status(a->reply.status, b->reply.status) &&
	       span_eq(a->reply.text, b->reply.text) && is_same_text(a->smarthost, b->smarthost) &&
	       is_same_text(a->reason, b->reason);
}

static void put_one(const struct mail_dsn *dsn, struct buf *p, struct buf *out)
{
	const struct mail_dsn_recipient *r = &dsn->recipients[0];

	say_outcome(p, dsn, r->action, dsn->is_expired && !was_refused(dsn, r), r->address);
	say_why(p, dsn, r);
	put_paragraph(p, out);
	put_reply(p, r, out);
}

static size_t put_group(const struct mail_dsn *dsn, size_t i, struct buf *p, struct buf *out)
{
	static const char *const labels[] = {
		[MAIL_DSN_FAILED] = "Not delivered:",
		[MAIL_DSN_DELAYED] = "Not delivered yet:",
		[MAIL_DSN_RELAYED] = "Passed on:",
	};
	const struct mail_dsn_recipient *r = &dsn->recipients[i];

	say(p, labels[r->action]);
	put_lines(p, "", out);
	do {
		mail_text_clean(dsn->recipients[i++].address, ADDRESS_MOST, p);
		put_lines(p, INDENT, out);
	} while (i < dsn->recipient_count && is_same_fate(r, &dsn->recipients[i]));
	buf_put_text(out, "\r\n");
	say_why(p, dsn, r);
	put_paragraph(p, out);
	put_reply(p, r, out);
	return i;
}

static void put_many(const struct mail_dsn *dsn, struct buf *p, struct buf *out)
{
	struct buf whom = { 0 };
	size_t i = 0;

	buf_printf(&whom, "%zu recipients", dsn->recipient_count);
	say_outcome(p, dsn, mail_notice_kind(dsn), false, buf_span(&whom));
	say(p, "Each is named below, with the reason.");
	put_paragraph(p, out);
	while (i < dsn->recipient_count)
		i = put_group(dsn, i, p, out);
	buf_fini(&whom);
}

/* Where to ask, and what follows */

static void say_enclosed(struct buf *p, const struct mail_dsn *dsn)
{
	if (dsn->is_full)
		say(p, "Details for mail programs and your message follow.");
	else if (!dsn->is_unreadable)
		say(p, "Details for mail programs and the header of your message follow.");
	else if (dsn->header.len)
		say(p, "Details for mail programs follow, and what could still be read of the "
		       "header of your message; the rest of it is not to be read any more.");
	else
		say(p, "Details for mail programs follow. Your message cannot be read any more and "
		       "is not enclosed.");
}

static void put_where(const struct mail_dsn *dsn, struct buf *p, struct buf *out)
{
	say(p, "The message came to");
	say_clean(p, span_text(dsn->reporting_mta), ADDRESS_MOST);
	if (dsn->company && dsn->company[0]) {
		buf_put_text(p, " (");
		mail_text_clean(span_text(dsn->company), REASON_MOST, p);
		buf_put_char(p, ')');
	}
	say(p, "on");
	say_date(p, dsn->arrived_ms);
	say(p, "and has the id");
	say(p, dsn->id);
	say(p, "there: please name it when you ask for help.");
	if (mail_notice_kind(dsn) == MAIL_DSN_FAILED)
		say(p, "Nothing more will be tried.");
	say_enclosed(p, dsn);
	put_paragraph(p, out);
}

void mail_notice_text(const struct mail_dsn *dsn, struct buf *out)
{
	struct buf paragraph = { 0 };

	if (dsn->recipient_count == 1)
		put_one(dsn, &paragraph, out);
	else
		put_many(dsn, &paragraph, out);
	put_where(dsn, &paragraph, out);
	buf_fini(&paragraph);
}
