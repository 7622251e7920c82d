/* relay/event.c: what the engine tells, one handler for each event. */
#include "conn.h"

#include <stdio.h>

static void on_more(struct conn *conn, const struct smtp_client_event *event)
{
	(void)conn;
	(void)event;
}

static void on_start_tls(struct conn *conn, const struct smtp_client_event *event)
{
	(void)event;
	conn_flush(conn);
	conn->is_securing = true;
	/* False: octets came behind the 220; closed() follows and tells. */
	stream_start_tls_client(conn->stream, conn->route->to.trust, conn->route->to.host);
}

static void on_login(struct conn *conn, const struct smtp_client_event *event)
{
	conn_login(conn, event->text);
}

static void on_challenge(struct conn *conn, const struct smtp_client_event *event)
{
	conn_login_challenge(conn, event->data);
}

static void refuse_unproven(struct conn *conn)
{
	struct fault why;

	conn_reason(conn, &why, "said that we are logged in before it proved who it is");
	conn_fail(conn, NULL, why.text, false);
}

static void on_ready(struct conn *conn, const struct smtp_client_event *event)
{
	(void)event;
	if (conn_login_is_complete(conn))
		conn_ready(conn);
	else
		refuse_unproven(conn);
}

/* ": 550 5.7.1 No", or nothing when the peer said nothing. */
static void describe_reply(const struct smtp_reply *reply, struct fault *out)
{
	char status[32] = "";

	out->text[0] = '\0';
	if (reply->code == 0)
		return;
	if (reply->status.class)
		snprintf(status, sizeof(status), " %u.%u.%u", reply->status.class,
			 reply->status.subject, reply->status.detail);
	fault_set(out, 0, ": %d%s %.*s", reply->code, status,
		  (int)(reply->text.len < 256 ? reply->text.len : 256),
		  (const char *)reply->text.at);
}

static void on_refused(struct conn *conn, const struct smtp_client_event *event)
{
	struct fault reply, why;

	describe_reply(&event->reply, &reply);
	if (conn->login_fault)
		conn_reason(conn, &why, "%s", conn->login_fault);
	else if (event->reply.code)
		conn_reason(conn, &why, "refused while %s%s", event->phrase, reply.text);
	else
		conn_reason(conn, &why, "%s", event->phrase);
	conn_fail(conn, NULL, why.text, false);
}

static void begin_elsewhere(struct conn *conn, const struct smtp_reply *goodbye)
{
	struct fault why;

	conn_reason(conn, &why, "the smarthost closes the connection");
	conn_fail(conn, goodbye, why.text, true);
}

/* A kept connection whose smarthost had already said goodbye: 421 is the answer to whatever comes
 * first. True: the attempt is begun anew elsewhere. */
static bool take_goodbye(struct conn *conn, const struct smtp_client_event *event)
{
	if (event->reply.code != 421 || !conn_may_repeat(conn))
		return false;
	begin_elsewhere(conn, &event->reply);
	return true;
}

static void on_rcpt(struct conn *conn, const struct smtp_client_event *event)
{
	if (conn->attempt == NULL || take_goodbye(conn, event))
		return;
	conn->was_answered = true;
	attempt_hear(conn->attempt, conn->route, event->index, &event->reply, event->is_ours);
	/* What comes behind it in the same breath, a goodbye perhaps, finds the job at rest. */
	if (event->reply.code != 421)
		conn_note_rest(conn);
}

static void on_send_body(struct conn *conn, const struct smtp_client_event *event)
{
	(void)event;
	conn->was_answered = true;
	conn->is_sending = true;
	conn->is_source_dry = false;
	conn->part = span_of(NULL, 0);
}

static void on_result(struct conn *conn, const struct smtp_client_event *event)
{
	conn->is_sending = false;
	if (event->is_before_body && take_goodbye(conn, event))
		return;
	conn_unlearn(conn);
	if (event->reply.code < 300 || !conn->was_taken_by_chunks)
		conn_judge_chunks(conn, event->reply.code < 300);
	conn_decide(conn, &event->reply, event->is_ours);
}

static void on_lost(struct conn *conn, const struct smtp_client_event *event)
{
	struct fault reply, why;

	describe_reply(&event->reply, &reply);
	conn_reason(conn, &why, "the connection was given up while %s%s", event->phrase,
		    reply.text);
	conn_fail(conn, event->reply.code ? &event->reply : NULL, why.text, true);
}

static void (*const handlers[])(struct conn *conn, const struct smtp_client_event *event) = {
	[SMTP_CLIENT_MORE] = on_more,	  [SMTP_CLIENT_START_TLS] = on_start_tls,
	[SMTP_CLIENT_LOGIN] = on_login,	  [SMTP_CLIENT_CHALLENGE] = on_challenge,
	[SMTP_CLIENT_READY] = on_ready,	  [SMTP_CLIENT_REFUSED] = on_refused,
	[SMTP_CLIENT_RCPT] = on_rcpt,	  [SMTP_CLIENT_SEND_BODY] = on_send_body,
	[SMTP_CLIENT_RESULT] = on_result, [SMTP_CLIENT_LOST] = on_lost,
};

void conn_take_event(struct conn *conn, const struct smtp_client_event *event)
{
	handlers[event->type](conn, event);
}
