/* queue/tell.c: the log lines of a message's way out. */
#include "inside.h"

void queue_tell(struct queue *queue, const struct logline *line)
{
	if (queue->conf.log)
		log_put(queue->conf.log, line);
}

static const struct recipient_status *status_of(const struct queued *q, size_t recipient)
{
	return &q->work->delivery.recipients[recipient];
}

static void start(struct logline *line, enum log_level level, const char *event,
		  const struct queued *q, size_t recipient)
{
	logline_start(line, level, event);
	logline_id(line, "qid", q->qid);
	logline_text(line, "to", q->work->envelope.recipients[recipient].address);
	logline_text(line, "smarthost", status_of(q, recipient)->smarthost);
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

void queued_tell_delivered(struct queued *q, size_t recipient)
{
	int64_t delay_ms = loop_now_ms(q->queue->conf.loop) - q->born_ms;
	struct logline line;

	start(&line, LOG_LEVEL_INFO, "delivered", q, recipient);
	put_reply(&line, status_of(q, recipient), "text");
	logline_number(&line, "delay_ms", delay_ms);
	queue_tell(q->queue, &line);
}

void queued_tell_deferred(struct queued *q, size_t recipient, int64_t pause_ms)
{
	struct logline line;

	start(&line, LOG_LEVEL_INFO, "deferred", q, recipient);
	put_reply(&line, status_of(q, recipient), "reason");
	logline_number(&line, "next_s", (pause_ms + 999) / 1000);
	queue_tell(q->queue, &line);
}

void queued_tell_failed(struct queued *q, size_t recipient)
{
	struct logline line;

	start(&line, LOG_LEVEL_WARN, "failed", q, recipient);
	put_reply(&line, status_of(q, recipient), "text");
	if (queued_ran_out(status_of(q, recipient)))
		logline_text(&line, "reason", "the time to deliver it has run out");
	queue_tell(q->queue, &line);
}

void queued_tell_notice(struct queued *q, const char *event, uint64_t notice)
{
	struct logline line;

	logline_start(&line, LOG_LEVEL_INFO, event);
	logline_id(&line, "qid", q->qid);
	logline_id(&line, "notice", notice);
	logline_text(&line, "to", q->work->envelope.sender);
	queue_tell(q->queue, &line);
}

void queued_tell_discarded(struct queued *q)
{
	struct logline line;

	logline_start(&line, LOG_LEVEL_WARN, "discarded");
	logline_id(&line, "qid", q->qid);
	logline_text(&line, "reason",
		     q->work->envelope.sender[0]
			     ? "it failed and its sender asked for no notice of that"
			     : "it failed and has a null sender, who gets no notice");
	queue_tell(q->queue, &line);
}

void queued_tell_waiting(struct queued *q, const char *reason)
{
	struct logline line;

	if (q->is_told)
		return;
	q->is_told = true;
	logline_start(&line, LOG_LEVEL_INFO, "waiting");
	logline_id(&line, "qid", q->qid);
	logline_text(&line, "reason", reason && *reason ? reason : "no smarthost can be reached");
	queue_tell(q->queue, &line);
}

void queued_tell_future(const struct queued *q)
{
	int64_t left_ms = queued_release_ms(q) - wall_now_ms();
	struct logline line;

	logline_start(&line, LOG_LEVEL_INFO, "future");
	logline_id(&line, "qid", q->qid);
	logline_number(&line, "next_s", (left_ms + 999) / 1000);
	queue_tell(q->queue, &line);
}

void queued_tell_left(struct queued *q)
{
	struct logline line;

	logline_start(&line, LOG_LEVEL_INFO, "continued");
	logline_id(&line, "qid", q->qid);
	logline_number(&line, "recipients", (int64_t)q->work->left_count);
	logline_text(&line, "reason", q->work->left_why);
	queue_tell(q->queue, &line);
}

void queue_tell_act(struct queue *queue, const char *event, uint64_t qid)
{
	struct logline line;

	logline_start(&line, LOG_LEVEL_INFO, event);
	logline_id(&line, "qid", qid);
	queue_tell(queue, &line);
}

void queue_tell_settled(struct queue *queue, uint64_t qid)
{
	queue_tell_act(queue, "settled", qid);
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
