/* relay/conn.c: one connection: the client engine on a stream, and its deadlines.
 *
 * A connection ends by its stream's closed(), and only there: until then it stands in the list of
 * CLOSING ones and holds its place in the limit, for the peer still counts it.
 */
#include "conn.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	SECURING_S = 60,
	LOOK_MS = 500, /* how often an idle connection asks whether another loop needs its place */
};

/* A kept connection is given up for other loops that wait after so many messages. */
enum { SHARED_MESSAGES = 16 };

static void set_state(struct conn *conn, enum conn_state state)
{
	if (list_holds(&conn->node))
		list_remove(&conn->route->conns[conn->state], &conn->node);
	conn->state = state;
	list_push_back(&conn->route->conns[state], &conn->node);
}

struct conn *conn_of_node(struct list_node *node)
{
	return list_entry(node, struct conn, node);
}

static void conn_free(struct conn *conn)
{
	struct relay *relay = conn->relay;

	require(conn->attempt == NULL && conn->stream == NULL && conn->dial == NULL);
	conn_login_end(conn);
	timer_clear(relay->conf.loop, &conn->deadline);
	list_remove(&conn->route->conns[conn->state], &conn->node);
	route_give_place(conn->route);
	smtp_client_free(&conn->engine);
	free(conn->login_fault);
	free(conn);
	relay_wake(relay);
}

void conn_reason(const struct conn *conn, struct fault *out, const char *fmt, ...)
{
	va_list ap;

	out->code = -EPROTO;
	va_start(ap, fmt);
	vsnprintf(out->text, sizeof(out->text), fmt, ap);
	va_end(ap);
	fault_prefix(out, "%s:%d: ", conn->route->to.host, conn->route->to.port);
}

void conn_flush(struct conn *conn)
{
	struct span out = smtp_client_output(conn->engine);

	if (out.len == 0 || conn->stream == NULL)
		return;
	stream_write(conn->stream, out);
	smtp_client_sent(conn->engine, out.len);
}

/* Deadlines */

static void out_of_time(struct timer *timer);

static void await(struct conn *conn, const char *what, unsigned seconds)
{
	conn->awaited = what;
	conn->waited_s = seconds;
	timer_set(conn->relay->conf.loop, &conn->deadline,
		  (int64_t)seconds * conn->relay->deadline_unit_ms);
}

static void await_nothing(struct conn *conn)
{
	conn->awaited = NULL;
	timer_clear(conn->relay->conf.loop, &conn->deadline);
}

/* What the engine waits for decides; each new wait, and each answer (`is_progress`), starts the
 * time anew. */
static void set_deadline(struct conn *conn, bool is_progress)
{
	struct smtp_client_wait wait = smtp_client_waits(conn->engine);

	if (conn->state == CONN_IDLE || conn->state == CONN_CLOSING)
		return;
	if (conn->is_sending && conn->is_source_dry) {
		await_nothing(conn); /* for us, not for the peer */
		return;
	}
	if (conn->is_securing)
		wait = (struct smtp_client_wait){ "negotiating TLS", SECURING_S };
	if (is_progress || conn->awaited != wait.phrase)
		await(conn, wait.phrase, wait.seconds);
}

/* What the connection carried */

bool conn_may_repeat(const struct conn *conn)
{
	return conn->attempt && conn->is_used && !conn->was_answered &&
	       !conn->attempt->was_repeated;
}

static struct attempt *put_down(struct conn *conn)
{
	struct attempt *attempt = conn->attempt;

	conn->attempt = NULL;
	conn->is_sending = false;
	if (attempt)
		attempt->conn = NULL;
	return attempt;
}

/* The others that rest are as old: they go too, so that the repetition meets a new one. */
static void repeat(struct conn *conn)
{
	struct attempt *attempt = put_down(conn);

	attempt->was_repeated = true;
	list_push_front(&conn->relay->waiting, &attempt->job->node);
	route_close_idle(conn->route);
	relay_wake(conn->relay);
}

static void finish(struct conn *conn, const struct smtp_reply *reply, const char *reason)
{
	struct attempt *attempt = put_down(conn);

	attempt_defer(attempt, conn->route, reply, reason);
	attempt_finish(attempt);
}

static void let_go(struct conn *conn, const struct smtp_reply *reply, const char *reason,
		   bool may_repeat)
{
	if (conn->state == CONN_SETTING_UP)
		route_down(conn->route, reason);
	if (conn->attempt && may_repeat && conn_may_repeat(conn))
		repeat(conn);
	else if (conn->attempt)
		finish(conn, reply, reason);
}

void conn_fail(struct conn *conn, const struct smtp_reply *reply, const char *reason,
	       bool may_repeat)
{
	if (conn->state == CONN_CLOSING)
		return;
	await_nothing(conn);
	let_go(conn, reply, reason, may_repeat);
	set_state(conn, CONN_CLOSING);
	conn_flush(conn);
	stream_close(conn->stream);
}

void conn_break(struct conn *conn, const char *reason)
{
	await_nothing(conn);
	let_go(conn, NULL, reason, false);
	set_state(conn, CONN_CLOSING);
	stream_abort(conn->stream);
}

static void out_of_time(struct timer *timer)
{
	struct conn *conn = timer_entry(timer, struct conn, deadline);
	struct fault why;
	bool is_unsure;

	is_unsure = smtp_client_lost(conn->engine);
	conn_reason(conn, &why, "no answer within %u s while %s%s", conn->waited_s, conn->awaited,
		    is_unsure ? "; the message may have been taken" : "");
	conn_break(conn, why.text);
}

/* Rest */

void conn_close(struct conn *conn)
{
	await_nothing(conn);
	if (conn->dial) {
		dial_cancel(&conn->dial);
		conn_free(conn);
		return;
	}
	if (conn->state == CONN_IDLE)
		smtp_client_quit(conn->engine);
	set_state(conn, CONN_CLOSING);
	conn_flush(conn);
	stream_close(conn->stream);
}

static void look_at_idle(struct timer *timer)
{
	struct conn *conn = timer_entry(timer, struct conn, deadline);
	int64_t left = conn->idle_until_ms - loop_now_ms(conn->relay->conf.loop);
	bool is_wanted = route_is_wanted(conn->route);

	if (is_wanted)
		route_yield(conn->route);
	if (is_wanted || left <= 0)
		conn_close(conn);
	else
		timer_set(conn->relay->conf.loop, timer, left < LOOK_MS ? left : LOOK_MS);
}

static void rest(struct conn *conn)
{
	struct loop *loop = conn->relay->conf.loop;

	set_state(conn, CONN_IDLE);
	conn->awaited = NULL;
	conn->idle_until_ms = loop_now_ms(loop) + conn->route->to.idle_ms;
	conn->deadline.fire = look_at_idle;
	timer_set(loop, &conn->deadline,
		  conn->route->to.idle_ms < LOOK_MS ? conn->route->to.idle_ms : LOOK_MS);
}

static bool is_worn(const struct conn *conn)
{
	const struct route *route = conn->route;

	return route->is_retired || (route->to.messages && conn->messages >= route->to.messages);
}

static bool must_yield(const struct conn *conn)
{
	return conn->messages >= SHARED_MESSAGES && route_is_wanted(conn->route);
}

void conn_ready(struct conn *conn)
{
	struct attempt *next;
	bool yields;

	conn_login_end(conn);
	if (conn->state == CONN_SETTING_UP)
		route_up(conn->route);
	if (conn->attempt)
		finish(conn, NULL, "the smarthost gave no verdict");
	yields = must_yield(conn);
	if (yields)
		route_yield(conn->route);
	if (yields || is_worn(conn)) {
		set_state(conn, CONN_IDLE);
		conn_close(conn);
		return;
	}
	next = relay_take(conn->relay, conn->route);
	rest(conn);
	if (next) {
		conn_carry(conn, next);
		return;
	}
	conn->has_rested = true;
	relay_wake(conn->relay);
}

static void begin(struct conn *conn, struct attempt *attempt)
{
	struct relay_job *job = attempt->job;

	if (attempt->has_begun)
		job->source->rewind(job->source);
	attempt->has_begun = true;
	attempt->conn = conn;
	conn->attempt = attempt;
	conn->was_answered = false;
	conn->is_used = conn->messages++ > 0 || conn->has_rested;
	conn->deadline.fire = out_of_time;
	set_state(conn, CONN_BUSY);
	smtp_client_message(conn->engine, &job->message);
}

void conn_carry(struct conn *conn, struct attempt *attempt)
{
	require(conn->state == CONN_IDLE);
	begin(conn, attempt);
	if (!conn->is_turning)
		conn_turn(conn);
}

void conn_more(struct conn *conn)
{
	conn->is_source_dry = false;
	if (conn->state == CONN_BUSY && !conn->is_turning)
		conn_turn(conn);
}

/* The engine's turn */

void conn_turn(struct conn *conn)
{
	struct smtp_client_event event;
	bool is_progress = false;

	conn->is_turning = true;
	while (conn->state != CONN_CLOSING &&
	       smtp_client_next(conn->engine, &event) != SMTP_CLIENT_MORE) {
		is_progress = true;
		conn_take_event(conn, &event);
	}
	if (conn->state != CONN_CLOSING) {
		conn_flush(conn);
		if (conn->is_sending) {
			conn_send_content(conn);
			is_progress = true;
		}
		set_deadline(conn, is_progress);
	}
	conn->is_turning = false;
}

/* The stream's calls */

static size_t on_data(void *user, struct span octets)
{
	struct conn *conn = user;

	if (conn->state == CONN_CLOSING)
		return octets.len;
	smtp_client_feed(conn->engine, octets);
	conn_turn(conn);
	return octets.len;
}

static void on_drained(void *user)
{
	struct conn *conn = user;

	if (conn->state == CONN_BUSY && conn->is_sending)
		conn_turn(conn);
}

static void on_secured(void *user)
{
	struct conn *conn = user;

	if (conn->state == CONN_CLOSING)
		return;
	conn->is_securing = false;
	if (conn->route->to.tls == SMTP_CLIENT_TLS_STARTTLS)
		smtp_client_tls_started(conn->engine);
	conn_turn(conn);
}

/* "the peer closed the connection while waiting for the greeting"; TLS speaks for itself. */
static void tell_end(struct conn *conn, const struct fault *fault)
{
	const char *what = smtp_client_waits(conn->engine).phrase;
	bool is_unsure = smtp_client_lost(conn->engine);
	struct fault why;

	if (conn->is_securing)
		what = "negotiating TLS";
	if (fault->code == -EPROTO || what == NULL)
		conn_reason(conn, &why, "%s", fault->text);
	else
		conn_reason(conn, &why, "%s while %s%s", fault->text, what,
			    is_unsure ? "; the message may have been taken" : "");
	let_go(conn, NULL, why.text, !is_unsure);
}

static void on_closed(void *user, const struct fault *fault)
{
	struct conn *conn = user;

	conn->stream = NULL;
	if (conn->state != CONN_CLOSING)
		tell_end(conn, fault);
	conn_free(conn);
}

static const struct stream_ops stream_ops = {
	.data = on_data,
	.drained = on_drained,
	.secured = on_secured,
	.closed = on_closed,
};

static void on_dialled(void *user, struct stream *stream, const struct fault *fault)
{
	struct conn *conn = user;
	const struct relay_smarthost *to = &conn->route->to;

	conn->dial = NULL;
	conn->stream = stream;
	if (stream == NULL) {
		route_down(conn->route, fault->text);
		conn_free(conn);
		return;
	}
	if (to->tls == SMTP_CLIENT_TLS_IMPLICIT) {
		conn->is_securing = true;
		stream_start_tls_client(stream, to->trust, to->host);
	}
	conn_turn(conn);
}

void conn_open(struct route *route)
{
	struct conn *conn = mem_new(struct conn);
	struct relay *relay = route->relay;
	struct smtp_client_conf engine = { .ehlo_name = relay->ehlo_name,
					   .tls = route->to.tls,
					   .login = route->to.user != NULL };
	struct dial_conf dial = { .loop = relay->conf.loop,
				  .lane = relay->conf.lookups,
				  .host = route->to.host,
				  .port = route->to.port,
				  .connect_ms = route->to.connect_ms,
				  .ops = &stream_ops,
				  .user = conn,
				  .done = on_dialled };

	conn->relay = relay;
	conn->route = route;
	conn->deadline.fire = out_of_time;
	conn->engine = smtp_client_new(&engine);
	set_state(conn, CONN_SETTING_UP);
	conn->dial = dial_start(&dial);
}
