/* relay/attempt.c: from replies to verdicts, one for each recipient. */
#include "pool.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

void attempt_start(struct relay *relay, struct relay_job *job)
{
	struct attempt *a = mem_new(struct attempt);

	a->relay = relay;
	a->job = job;
	a->open = job->message.recipient_count;
	a->has_verdict = mem_array(a->open, sizeof(bool));
	job->attempt = a;
	list_push_back(&relay->waiting, &job->node);
}

static void tell(struct attempt *a, size_t index, const struct route *route,
		 struct relay_verdict *verdict)
{
	if (index >= a->job->message.recipient_count || a->has_verdict[index])
		return;
	a->has_verdict[index] = true;
	a->open--;
	verdict->smarthost = route ? route->to.name : NULL;
	verdict->host = route ? route->to.host : NULL;
	a->job->recipient(a->job, index, verdict);
}

static void tell_rest(struct attempt *a, const struct route *route, struct relay_verdict *verdict)
{
	for (size_t i = 0; a->open && i < a->job->message.recipient_count; i++)
		tell(a, i, route, verdict);
}

/* 530, 534, 535 and 538 speak of our login, not of this message: that is for the postmaster to mend
 * while the mail waits. */
static bool is_about_us(int code)
{
	return code == 530 || code == 534 || code == 535 || code == 538;
}

static enum relay_outcome judge(const struct smtp_reply *reply)
{
	if (reply->code >= 200 && reply->code < 300)
		return RELAY_DELIVERED;
	if (reply->code >= 500 && !is_about_us(reply->code))
		return RELAY_REFUSED;
	return RELAY_DEFERRED;
}

/* RFC 5321 4.5.3.1.10: "a client SHOULD treat a 552 [to RCPT] as a temporary [...] failure" when it
 * means too many recipients; one that says something else by its enhanced code is meant. */
static bool is_too_many(const struct smtp_reply *reply)
{
	if (reply->code != 552)
		return false;
	return reply->status.class == 0 ||
	       (reply->status.subject == 5 && reply->status.detail == 3);
}

void attempt_refuse(struct attempt *a, const struct route *route, size_t index,
		    const struct smtp_reply *reply)
{
	struct relay_verdict verdict = { .outcome = judge(reply), .reply = *reply };

	if (verdict.outcome == RELAY_DELIVERED)
		return; /* only the reply to the message decides that */
	if (is_too_many(reply))
		verdict.outcome = RELAY_DEFERRED;
	tell(a, index, route, &verdict);
}

void attempt_decide(struct attempt *a, const struct route *route, const struct smtp_reply *reply)
{
	struct relay_verdict verdict = { .outcome = judge(reply), .reply = *reply };

	tell_rest(a, route, &verdict);
}

void attempt_defer(struct attempt *a, const struct route *route, const struct smtp_reply *reply,
		   const char *reason)
{
	struct relay_verdict verdict = { .outcome = RELAY_DEFERRED, .reason = reason };

	if (reply)
		verdict.reply = *reply;
	tell_rest(a, route, &verdict);
}

void attempt_finish(struct attempt *a)
{
	struct relay_job *job = a->job;

	require(a->open == 0);
	job->attempt = NULL;
	free(a->has_verdict);
	free(a);
	job->done(job);
}
