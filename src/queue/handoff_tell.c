/* queue/handoff_tell.c: log lines of what needed no queue; as those of tell.c, so that a reader
 * sees one story whichever way a message went. */
#include "handoff_inside.h"

#include "base/digits.h"

/* "2.0.0" */
static void add_status(struct logline *line, const struct smtp_status *s)
{
	const unsigned parts[] = { s->class, s->subject, s->detail };
	char text[3 * DIGITS_MAX + 3], room[DIGITS_MAX];
	size_t n = 0;

	for (unsigned i = 0; i < 3; i++) {
		struct span digits = digits_of(parts[i], room);

		memcpy(text + n, digits.at, digits.len);
		n += digits.len;
		text[n++] = '.';
	}
	logline_span(line, "status", span_of(text, n - 1));
}

static void start(struct logline *line, const char *event, const struct handoff *h,
		  const struct place *p)
{
	const struct heard *heard = p->heard;

	logline_start(line, LOG_LEVEL_INFO, event);
	logline_id(line, "qid", h->qid);
	logline_text(line, "to", p->address);
	logline_text(line, "smarthost", heard->smarthost);
	if (heard->code)
		logline_number(line, "code", heard->code);
	if (heard->status.class)
		add_status(line, &heard->status);
	logline_text(line, "text", heard->words);
}

void handoff_tell_delivered(const struct handoff *h, const struct place *p)
{
	int64_t delay_ms = wall_now_ms() - h->arrived_ms;
	struct logline line;

	start(&line, "delivered", h, p);
	logline_number(&line, "delay_ms", delay_ms > 0 ? delay_ms : 0);
	queue_tell(h->queue, &line);
}

/* Its qid may stand in no other line: the message was never accepted. */
void handoff_tell_refused(const struct handoff *h, const struct place *p)
{
	struct logline line;

	start(&line, "smarthost-refused", h, p);
	logline_id(&line, "sid", h->conf.sid);
	queue_tell(h->queue, &line);
}

void handoff_tell_repeat(const struct handoff *h)
{
	struct logline line;

	logline_start(&line, LOG_LEVEL_WARN, "repeat-likely");
	logline_id(&line, "qid", h->qid);
	logline_text(&line, "reason",
		     "some recipients have the message, but it could not be stored for the others: "
		     "its sender was told to send it again");
	queue_tell(h->queue, &line);
}
