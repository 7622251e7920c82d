/* queue/tell.c: the log lines of a message's way out. */
#include "inside.h"

void queue_tell(struct queue *queue, const struct logline *line)
{
	if (queue->conf.log)
		log_put(queue->conf.log, line);
}

static void start(struct logline *line, enum log_level level, const char *event,
		  const struct queued *q, size_t recipient)
{
	const struct recipient_status *s = &q->delivery.recipients[recipient];

	logline_start(line, level, event);
	logline_id(line, "qid", q->envelope.qid);
	logline_text(line, "to", q->envelope.recipients[recipient]);
	logline_text(line, "smarthost", s->smarthost);
}

static void put_reply(struct logline *line, const struct recipient_status *s, const char *key)
{
	if (s->code)
		logline_number(line, "code", s->code);
	if (s->status.class)
		logline_format(line, "status", "%u.%u.%u", s->status.class, s->status.subject,
			       s->status.detail);
	logline_text(line, key, s->text);
}

void queued_tell_delivered(const struct queued *q, size_t recipient)
{
	int64_t delay_ms = wall_now_ms() - q->envelope.arrived_ms;
	struct logline line;

	start(&line, LOG_LEVEL_INFO, "delivered", q, recipient);
	put_reply(&line, &q->delivery.recipients[recipient], "text");
	logline_number(&line, "delay_ms", delay_ms > 0 ? delay_ms : 0);
	queue_tell(q->queue, &line);
}

void queued_tell_deferred(const struct queued *q, size_t recipient)
{
	struct logline line;

	start(&line, LOG_LEVEL_INFO, "deferred", q, recipient);
	put_reply(&line, &q->delivery.recipients[recipient], "reason");
	logline_number(&line, "next_s", (q->pause_ms + 999) / 1000);
	queue_tell(q->queue, &line);
}

void queued_tell_failed(const struct queued *q, size_t recipient)
{
	struct logline line;

	start(&line, LOG_LEVEL_WARN, "failed", q, recipient);
	put_reply(&line, &q->delivery.recipients[recipient], "text");
	if (queued_ran_out(&q->delivery.recipients[recipient]))
		logline_text(&line, "reason", "the time to deliver it has run out");
	queue_tell(q->queue, &line);
}

void queued_tell_bounced(const struct queued *q, uint64_t notice)
{
	struct logline line;

	logline_start(&line, LOG_LEVEL_INFO, "bounced");
	logline_id(&line, "qid", q->envelope.qid);
	logline_id(&line, "notice", notice);
	logline_text(&line, "to", q->envelope.sender);
	queue_tell(q->queue, &line);
}

void queued_tell_discarded(const struct queued *q)
{
	struct logline line;

	logline_start(&line, LOG_LEVEL_WARN, "discarded");
	logline_id(&line, "qid", q->envelope.qid);
	logline_text(&line, "reason", "it failed and has a null sender, who gets no notice");
	queue_tell(q->queue, &line);
}

void queue_tell_settled(struct queue *queue, uint64_t qid)
{
	struct logline line;

	logline_start(&line, LOG_LEVEL_INFO, "settled");
	logline_id(&line, "qid", qid);
	queue_tell(queue, &line);
}

void queue_tell_trouble(struct queue *queue, const char *event, uint64_t qid,
			const struct fault *fault)
{
	struct logline line;

	logline_start(&line, LOG_LEVEL_ERROR, event);
	logline_id(&line, "qid", qid);
	logline_text(&line, "reason", fault->text);
	queue_tell(queue, &line);
}
