/* relay/attempt.c: from replies to verdicts, one for each recipient.
 *
 * The owner may give the job up within a callback: then nothing more is told, and the attempt goes when
 * the callback has returned.
 */
#include "pool.h"

#include "base/mem.h"
#include "mail/convert.h"
#include "base/require.h"

#include <stdlib.h>

/* Everyone was refused by a connection that died, and nobody is to come: nothing is left to ask. */
static bool is_over(const struct attempt *a)
{
	return a->open == 0 && !a->job->is_open;
}

void attempt_leave_line(struct attempt *a)
{
	struct list_node *node = &a->job->node;

	if (a->line == NULL)
		return;
	if (a->relay->first_second == node)
		a->relay->first_second = node->next == &a->line->head ? NULL : node->next;
	list_remove(a->line, node);
	a->line = NULL;
	relay_wake(a->relay);
}

static void join_urgent(struct relay *relay, struct relay_job *job)
{
	struct list *line = &relay->urgent;

	if (relay->first_second && !job->is_second) {
		list_insert_before(line, relay->first_second, &job->node);
		return;
	}
	list_push_back(line, &job->node);
	if (relay->first_second == NULL && job->is_second)
		relay->first_second = &job->node;
}

void attempt_wait(struct attempt *a, bool is_first)
{
	struct relay *relay = a->relay;
	struct list *line = a->is_strict   ? &relay->strict
			    : a->is_urgent ? &relay->urgent
					   : &relay->waiting;

	relay_turn_soon(relay);
	if (is_over(a))
		line = &relay->over;
	if (a->line == line)
		return;
	attempt_leave_line(a);
	a->line = line;
	if (is_first)
		list_push_front(line, &a->job->node);
	else if (line == &relay->urgent)
		join_urgent(relay, a->job);
	else
		list_push_back(line, &a->job->node);
}

void attempt_start(struct relay *relay, struct relay_job *job)
{
	struct attempt *a = mem_new(struct attempt);

	a->relay = relay;
	a->job = job;
	a->is_urgent = job->is_urgent;
	a->is_strict = job->message.require_tls;
	a->has_verdict = a->few_verdicts;
	a->asked = a->few_asked;
	a->room = ATTEMPT_FEW;
	job->attempt = a;
	attempt_grow(a);
	attempt_wait(a, false);
}

/* From what is part of the attempt to the heap, or from there to more of it. */
static void *more_room(void *at, const void *few, size_t used, size_t needed)
{
	void *more = mem_resize(at == few ? NULL : at, needed);

	if (at == few)
		memcpy(more, few, used);
	return more;
}

static void make_room(struct attempt *a, size_t count)
{
	if (count <= a->room)
		return;
	a->room = count > a->room * 2 ? count : a->room * 2;
	a->has_verdict = more_room(a->has_verdict, a->few_verdicts, a->count * sizeof(bool),
				   a->room * sizeof(bool));
	a->asked = more_room(a->asked, a->few_asked, a->count * sizeof(size_t),
			     a->room * sizeof(size_t));
}

void attempt_grow(struct attempt *a)
{
	size_t count = a->job->message.recipient_count;

	require(count >= a->count);
	make_room(a, count);
	memset(a->has_verdict + a->count, 0, (count - a->count) * sizeof(bool));
	a->open += count - a->count;
	a->count = count;
}

static void attempt_free(struct attempt *a)
{
	if (a->has_verdict != a->few_verdicts) {
		free(a->has_verdict);
		free(a->asked);
	}
	mail_survey_free(&a->survey);
	free(a);
}

static void tell(struct attempt *a, size_t index, const struct route *route,
		 struct relay_verdict *verdict)
{
	if (a->has_verdict[index])
		return;
	a->has_verdict[index] = true;
	a->open--;
	verdict->smarthost = route ? route->to.name : NULL;
	verdict->host = route ? route->to.host : NULL;
	a->job->recipient(a->job, index, verdict);
}

static void conclude(struct attempt *a, const struct route *route, struct relay_verdict *verdict)
{
	struct relay_job *job = a->job;

	require(a->conn == NULL && !a->is_telling);
	a->is_telling = true;
	for (size_t i = 0; i < a->count && !a->is_cancelled; i++)
		tell(a, i, route, verdict);
	if (a->is_cancelled) {
		attempt_free(a);
		return;
	}
	job->attempt = NULL;
	attempt_free(a);
	job->done(job);
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

void attempt_hear(struct attempt *a, const struct route *route, size_t place,
		  const struct smtp_reply *reply, bool is_ours)
{
	struct relay_verdict verdict = { .outcome = judge(reply), .reply = *reply };
	size_t index;

	if (place >= a->asked_count)
		return;
	index = a->asked[place];
	if (is_too_many(reply))
		verdict.outcome = RELAY_DEFERRED;
	verdict.is_untried = is_ours && verdict.outcome == RELAY_DEFERRED;
	a->is_telling = true;
	/* Only the reply to the message says that it is delivered. */
	if (verdict.outcome != RELAY_DELIVERED)
		tell(a, index, route, &verdict);
	else if (a->job->accepted)
		a->job->accepted(a->job, index, reply);
	a->is_telling = false;
	if (a->is_cancelled)
		attempt_free(a);
}

void attempt_decide(struct attempt *a, const struct route *route, const struct smtp_reply *reply,
		    bool is_ours, bool takes_dsn)
{
	struct relay_verdict verdict = { .outcome = judge(reply), .reply = *reply };

	/* What we put off ourselves would be taken if it were said in another way, and will be. */
	verdict.is_untried = is_ours && verdict.outcome == RELAY_DEFERRED;
	verdict.takes_dsn = takes_dsn && verdict.outcome == RELAY_DELIVERED;
	conclude(a, route, &verdict);
}

void attempt_defer(struct attempt *a, const struct route *route, const struct smtp_reply *reply,
		   const char *reason)
{
	struct relay_verdict verdict = { .outcome = RELAY_DEFERRED, .reason = reason };

	if (reply)
		verdict.reply = *reply;
	conclude(a, route, &verdict);
}

void attempt_give_back(struct attempt *a, const char *reason)
{
	struct relay_verdict verdict = { .outcome = RELAY_DEFERRED,
					 .reason = reason,
					 .is_untried = true };

	attempt_leave_line(a);
	conclude(a, NULL, &verdict);
}

void attempt_cancel(struct attempt *a)
{
	struct relay_job *job = a->job;

	if (a->conn)
		conn_drop_job(a->conn);
	attempt_leave_line(a);
	if (a->rated_by)
		limit_give_message(a->rated_by, a->rated_ms);
	job->attempt = NULL;
	if (a->is_telling)
		a->is_cancelled = true;
	else
		attempt_free(a);
}
