#include "notice.h"

#include "mail/date.h"
#include "text.h"

#define COLUMNS 72
#define WORD_MAX 900
#define REPLY_MAX 800
#define ADDRESS_MAX 320
#define REASON_MAX 500

struct advice {
	unsigned subject, detail; /* detail 0: any */
	const char *text;
};

/* RFC 3463 3.; the first that fits. */
static const struct advice advices[] = {
	{ 1, 0, "Please check the address for mistakes and send the message again." },
	{ 2, 2,
	  "The mailbox is full: please try again later, or reach the person in another way." },
	{ 2, 3, "The message is too large: please send it again with less attached." },
	{ 3, 4, "The message is too large: please send it again with less attached." },
	{ 2, 0, "The mailbox takes no mail at present: please reach the person in another way." },
	{ 7, 0,
	  "A rule of the receiving side forbids it: please ask the recipient in another way, or "
	  "show this notice to the people who run your mail." },
	{ 0, 0, "If the reason is not clear, show this notice to the people who run your mail." },
};

static const char *advice_for(const struct mail_dsn_recipient *r, bool is_refused)
{
	const struct advice *a = advices;

	if (!is_refused)
		return "Please send the message again later, or show this notice to the people who "
		       "run your mail.";
	while (a->subject &&
	       (a->subject != r->status.subject || (a->detail && a->detail != r->status.detail)))
		a++;
	return a->text;
}

void mail_notice_reply(const struct smtp_reply *reply, bool ascii_only, struct buf *out)
{
	if (reply->code == 0)
		return;
	buf_printf(out, "%d ", reply->code);
	if (reply->status.class)
		buf_printf(out, "%u.%u.%u ", reply->status.class, reply->status.subject,
			   reply->status.detail);
	if (ascii_only)
		mail_text_ascii(reply->text, REPLY_MAX, out);
	else
		mail_text_clean(reply->text, REPLY_MAX, out);
	out->len = span_trim(buf_span(out)).len;
}

/* Words of a paragraph, broken into lines. The paragraph is one line of clean text. */
static void put_paragraph(struct buf *paragraph, struct buf *out)
{
	struct span text = buf_span(paragraph);
	size_t column = 0;

	while (text.len) {
		size_t end = span_find(text, ' ');
		struct span word = span_first(span_first(text, end), WORD_MAX);

		if (column && column + 1 + word.len > COLUMNS) {
			buf_put_text(out, "\r\n");
			column = 0;
		} else if (column) {
			buf_put_char(out, ' ');
			column++;
		}
		buf_put_span(out, word);
		column += word.len;
		text = span_from(text, word.len < end ? word.len : end + 1);
	}
	buf_put_text(out, "\r\n\r\n");
	buf_clear(paragraph);
}

static void say_clean(struct buf *p, const char *text, size_t most)
{
	mail_text_clean(span_text(text), most, p);
}

/* As against: its time ran out. Recipients of one notice may differ. */
static bool was_refused(const struct mail_dsn *dsn, const struct mail_dsn_recipient *r)
{
	if (r->status.class)
		return r->status.class == 5;
	return !dsn->is_expired || r->reply.code >= 500;
}

static bool has_reason(const struct mail_dsn_recipient *r)
{
	return r->reason && r->reason[0];
}

static void say_who(const struct mail_dsn_recipient *r, struct buf *p)
{
	if (r->smarthost)
		say_clean(p, r->smarthost, ADDRESS_MAX);
	else
		buf_put_text(p, "The mail server");
}

static void say_words(const struct mail_dsn_recipient *r, struct buf *p)
{
	buf_put_text(p, " and said: \"");
	mail_notice_reply(&r->reply, false, p);
	buf_put_text(p, "\".");
}

static void end_sentence(struct buf *p)
{
	if (p->len && p->at[p->from + p->len - 1] != '.')
		buf_put_char(p, '.');
}

/* "smtp.example.net refused it and said: ..." */
static void say_why(const struct mail_dsn *dsn, const struct mail_dsn_recipient *r, struct buf *p)
{
	bool is_refused = was_refused(dsn, r);

	if (is_refused || r->reply.code) {
		say_who(r, p);
		buf_put_text(p, is_refused ? " refused it" : " put it off at the last attempt");
		if (r->reply.code)
			say_words(r, p);
		else
			buf_put_char(p, '.');
	}
	if (has_reason(r)) {
		if (is_refused || r->reply.code)
			buf_put_char(p, ' ');
		buf_put_text(p, "The reason: ");
		say_clean(p, r->reason, REASON_MAX);
		end_sentence(p);
	} else if (!is_refused && r->reply.code == 0) {
		buf_put_text(p, "No mail server could be reached.");
	}
	buf_put_char(p, ' ');
	buf_put_text(p, advice_for(r, is_refused));
}

static const char *outcome(const struct mail_dsn *dsn)
{
	return dsn->is_expired ? "could not be delivered in the time allowed"
			       : "could not be delivered";
}

static void say_one(const struct mail_dsn *dsn, struct buf *p, struct buf *out)
{
	buf_put_text(p, "Your message to ");
	mail_text_clean(dsn->recipients[0].address, ADDRESS_MAX, p);
	buf_printf(p, " %s. ", outcome(dsn));
	say_why(dsn, &dsn->recipients[0], p);
	put_paragraph(p, out);
}

static void say_many(const struct mail_dsn *dsn, struct buf *p, struct buf *out)
{
	buf_printf(p,
		   "Your message %s to %zu of its recipients. Each is named below, with the reason "
		   "and what to do.",
		   outcome(dsn), dsn->recipient_count);
	put_paragraph(p, out);
	for (size_t i = 0; i < dsn->recipient_count; i++) {
		mail_text_clean(dsn->recipients[i].address, ADDRESS_MAX, p);
		buf_put_text(p, ": ");
		say_why(dsn, &dsn->recipients[i], p);
		put_paragraph(p, out);
	}
}

static void say_where(const struct mail_dsn *dsn, struct buf *p, struct buf *out)
{
	char arrived[MAIL_DATE_MAX];

	mail_date_format(dsn->arrived_ms, arrived);
	buf_printf(p, "The message came to %s", dsn->reporting_mta);
	if (dsn->company && dsn->company[0]) {
		buf_put_text(p, " (");
		say_clean(p, dsn->company, REASON_MAX);
		buf_put_char(p, ')');
	}
	buf_printf(p,
		   " on %s and has the id %s there: please name it when you ask for help. Nothing "
		   "more will be tried. Details for mail programs and the header of your message "
		   "follow.",
		   arrived, dsn->id);
	put_paragraph(p, out);
}

void mail_notice_text(const struct mail_dsn *dsn, struct buf *out)
{
	struct buf paragraph = { 0 };

	if (dsn->recipient_count == 1)
		say_one(dsn, &paragraph, out);
	else
		say_many(dsn, &paragraph, out);
	say_where(dsn, &paragraph, out);
	buf_fini(&paragraph);
}
