/* relay/carry.c: a job on its connection, from its beginning to its end there. */
#include "conn.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

/* Who has no verdict yet: the connection is asked about these only. */
static void choose_recipients(struct attempt *a, struct span *recipients,
			      struct smtp_rcpt_params *params)
{
	const struct smtp_client_message *m = &a->job->message;

	a->asked_count = 0;
	for (size_t i = 0; i < a->count; i++) {
		if (a->has_verdict[i])
			continue;
		recipients[a->asked_count] = m->recipients[i];
		if (m->params)
			params[a->asked_count] = m->params[i];
		a->asked[a->asked_count++] = i;
	}
}

/* Nearly every message has fewer recipients. */
enum { FEW = 8 };

/* The engine copies what it is told. */
static void tell(struct conn *conn, uint64_t size, unsigned form,
		 void (*begin)(struct smtp_client *cl, const struct smtp_client_message *message))
{
	struct attempt *a = conn->attempt;
	struct smtp_client_message message = a->job->message;
	struct span few[FEW], *recipients = few;
	struct smtp_rcpt_params few_params[FEW], *params = few_params;

	if (a->count > FEW) {
		recipients = mem_array(a->count, sizeof(*recipients));
		params = mem_array(a->count, sizeof(*params));
	}
	choose_recipients(a, recipients, params);
	/* RFC 8689 5.: a notice "SHOULD NOT [...] be discarded" for want of it. */
	if (message.sender.len == 0)
		message.require_tls = message.require_tls && conn_may_require_tls(conn);
	message.recipients = recipients;
	message.recipient_count = a->asked_count;
	message.params = message.params ? params : NULL;
	message.size = size;
	message.form = form;
	message.avoids_chunks =
		loop_now_ms(conn->relay->conf.loop) < conn->route->avoids_chunks_until_ms;
	begin(conn->engine, &message);
	if (recipients != few) {
		free(recipients);
		free(params);
	}
}

void conn_ask(struct conn *conn, uint64_t size, unsigned form)
{
	tell(conn, size, form, smtp_client_message);
}

/* What is known of the content so far, and of that what need not be changed on the way. */
static void ask_by_steps(struct conn *conn)
{
	const struct smtp_client_message *m = &conn->attempt->job->message;

	tell(conn, m->size, m->form & convert_takes(smtp_client_offers(conn->engine), m),
	     smtp_client_mail);
}

void conn_carry(struct conn *conn, struct attempt *attempt)
{
	struct relay_job *job = attempt->job;

	require(conn->state == CONN_IDLE);
	/* The source of an open job was not asked yet, and may not be there. */
	if (attempt->has_begun && job->source && !job->is_open)
		job->source->rewind(job->source);
	attempt->has_begun = true;
	attempt->is_probe = false;
	attempt->conn = conn;
	conn->attempt = attempt;
	conn->was_answered = false;
	conn->is_used = conn->messages++ > 0 || conn->has_rested;
	conn->deadline.fire = conn_out_of_time;
	conn_set_state(conn, CONN_BUSY);
	conn->is_begun = job->is_open;
	if (job->is_open)
		ask_by_steps(conn);
	else
		conn_fit_soon(conn);
	if (!conn->is_turning)
		conn_turn(conn);
}

void conn_grow(struct conn *conn)
{
	struct attempt *a = conn->attempt;
	const struct smtp_client_message *m = &a->job->message;

	for (size_t i = a->asked_count ? a->asked[a->asked_count - 1] + 1 : 0; i < a->count; i++) {
		if (a->has_verdict[i])
			continue;
		a->asked[a->asked_count++] = i;
		smtp_client_recipient(conn->engine, m->recipients[i],
				      m->params ? &m->params[i] : NULL);
	}
	conn_turn_soon(conn);
}

void conn_content(struct conn *conn)
{
	conn_fit_soon(conn);
	conn_turn_soon(conn);
}

void conn_more(struct conn *conn)
{
	conn->is_source_dry = false;
	conn_turn_soon(conn);
}

bool conn_may_repeat(const struct conn *conn)
{
	return conn->attempt && conn->is_used && !conn->was_answered &&
	       !conn->attempt->was_repeated;
}

void conn_note_rest(struct conn *conn)
{
	if (conn->attempt == NULL || smtp_client_waits(conn->engine).seconds > 0)
		return;
	conn->is_used = true;
	conn->was_answered = false;
}

static struct attempt *put_down(struct conn *conn)
{
	struct attempt *attempt = conn->attempt;

	conn->attempt = NULL;
	conn->is_sending = false;
	conn_fit_end(conn);
	attempt->conn = NULL;
	return attempt;
}

void conn_drop_job(struct conn *conn)
{
	put_down(conn);
	smtp_client_reset(conn->engine);
	conn_turn_soon(conn);
}

/* The others that rest are as old: they go too, so that the repetition meets a new one. */
static void repeat(struct conn *conn)
{
	struct attempt *attempt = put_down(conn);

	attempt->was_repeated = true;
	/* The peer may have counted it: it begins again, and counts again. */
	attempt->rated_by = NULL;
	attempt_wait(attempt, true);
	route_close_idle(conn->route);
}

void conn_lose_job(struct conn *conn, const struct smtp_reply *reply, const char *reason,
		   bool may_repeat)
{
	if (conn->attempt == NULL)
		return;
	if (may_repeat && conn_may_repeat(conn))
		repeat(conn);
	else
		attempt_defer(put_down(conn), conn->route, reply, reason);
}

void conn_decide(struct conn *conn, const struct smtp_reply *reply, bool is_ours)
{
	if (conn->attempt)
		attempt_decide(put_down(conn), conn->route, reply, is_ours,
			       smtp_client_offers(conn->engine)->dsn);
}
