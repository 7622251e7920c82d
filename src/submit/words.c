#include "words.h"

#include <errno.h>

/* RFC 2034 4: we promise an enhanced code with each reply; one that is none of ours says no more than
 * the code does. */
static struct smtp_reply with_status(struct smtp_reply reply)
{
	if (reply.status.class != reply.code / 100)
		reply.status = (struct smtp_status){ .class = (uint8_t)(reply.code / 100) };
	return reply;
}

static struct smtp_reply refusal_of(const struct smtp_reply *reply)
{
	struct smtp_reply out = with_status(*reply);

	if (out.text.len == 0)
		out.text = span_text("Refused by the smarthost, without a word");
	return out;
}

/* Of the replies of class 2 these two speak of a recipient (RFC 5321 4.3.2). */
struct smtp_reply words_for_recipient(const struct smtp_reply *reply)
{
	struct smtp_reply out = SMTP_REPLY(250, 2, 1, 5, "Recipient accepted");

	if (reply == NULL)
		return out;
	if (reply->code >= 500)
		return refusal_of(reply);
	if (reply->code == 251)
		out.code = 251;
	if (reply->status.class == 2)
		out.status = reply->status;
	if (reply->text.len)
		out.text = reply->text;
	return out;
}

static struct smtp_reply accepted(const struct handoff_end *end, const char *qid, struct buf *text)
{
	buf_put_text(text, "Accepted as ");
	buf_put_text(text, qid);
	if (end->outcome == HANDOFF_PASSED && end->host && end->reply->text.len) {
		buf_put_text(text, ": ");
		buf_put_text(text, end->host);
		buf_put_text(text, " says: ");
		buf_put_span(text, end->reply->text);
	}
	return (struct smtp_reply){ 250, { 2, 0, 0 }, buf_span(text) };
}

struct smtp_reply words_for_end(const struct handoff_end *end, const char *qid, struct buf *text)
{
	switch (end->outcome) {
	case HANDOFF_PASSED:
	case HANDOFF_STORED:
		return accepted(end, qid, text);
	case HANDOFF_REFUSED:
		return refusal_of(end->reply);
	case HANDOFF_FAILED:
		break;
	}
	if (end->status == -ENOSPC || end->status == -EDQUOT)
		return SMTP_REPLY(452, 4, 3, 1,
				  "The server has no room for mail now; try again later");
	return SMTP_REPLY(452, 4, 3, 1, "The message could not be stored; try again later");
}

struct smtp_reply words_for_other_users(unsigned tls_port, struct buf *text)
{
	struct smtp_reply out =
		SMTP_REPLY(535, 5, 7, 8,
			   "This port is kept for certain accounts; use another port of this "
			   "server");

	if (tls_port == 0)
		return out;
	buf_printf(text, "%.*s: SSL/TLS on port %u", (int)out.text.len, (const char *)out.text.at,
		   tls_port);
	out.text = buf_span(text);
	return out;
}
