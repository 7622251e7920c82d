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

enum { SECURING_S = 60 };

void conn_set_state(struct conn *conn, enum conn_state state)
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

struct route *conn_route(const struct conn *conn)
{
	return conn->route;
}

size_t conn_count_ending(const struct route *route)
{
	size_t n = 0;

	list_each (&route->conns[CONN_BUSY], it)
		n += conn_of_node(it)->attempt == NULL;
	return n;
}

static void conn_free(struct conn *conn)
{
	struct relay *relay = conn->relay;

	require(conn->attempt == NULL && conn->stream == NULL && conn->dial == NULL);
	conn_login_end(conn);
	timer_clear(relay->conf.loop, &conn->deadline);
	if (list_holds(&conn->due))
		list_remove(&relay->due, &conn->due);
	list_remove(&conn->route->conns[conn->state], &conn->node);
	route_give_place(conn->route);
	smtp_client_free(&conn->engine);
	buf_fini(&conn->converted);
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
	if (wait.seconds == 0) {
		await_nothing(conn);
		conn_note_rest(conn);
		return;
	}
	if (is_progress || conn->awaited != wait.phrase)
		await(conn, wait.phrase, wait.seconds);
}

/* Ends */

static void let_go(struct conn *conn, const struct smtp_reply *reply, const char *reason,
		   bool may_repeat)
{
	if (conn->state == CONN_SETTING_UP)
		route_down(conn->route, reason);
	/* Before, the engine speaks of the message that came before. */
	if (conn->attempt && !conn->is_fitting)
		conn_judge_chunks(conn, false);
	conn_lose_job(conn, reply, reason, may_repeat);
}

void conn_fail(struct conn *conn, const struct smtp_reply *reply, const char *reason,
	       bool may_repeat)
{
	if (conn->state == CONN_CLOSING)
		return;
	await_nothing(conn);
	let_go(conn, reply, reason, may_repeat);
	conn_set_state(conn, CONN_CLOSING);
	conn_flush(conn);
	stream_close(conn->stream);
}

void conn_break(struct conn *conn, const char *reason)
{
	await_nothing(conn);
	let_go(conn, NULL, reason, false);
	conn_set_state(conn, CONN_CLOSING);
	stream_abort(conn->stream);
}

void conn_out_of_time(struct timer *timer)
{
	struct conn *conn = timer_entry(timer, struct conn, deadline);
	struct fault why;
	bool is_unsure;

	is_unsure = smtp_client_lost(conn->engine);
	conn_reason(conn, &why, "no answer within %u s while %s%s", conn->waited_s, conn->awaited,
		    is_unsure ? "; the message may have been taken" : "");
	conn_break(conn, why.text);
}

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
	conn_set_state(conn, CONN_CLOSING);
	conn_flush(conn);
	stream_close(conn->stream);
}

/* The engine's turn */

/* Whether there were any. */
static bool take_events(struct conn *conn)
{
	struct smtp_client_event event;
	bool has_some = false;

	while (conn->state != CONN_CLOSING &&
	       smtp_client_next(conn->engine, &event) != SMTP_CLIENT_MORE) {
		has_some = true;
		conn_take_event(conn, &event);
	}
	return has_some;
}

void conn_turn(struct conn *conn)
{
	bool is_progress;

	conn->is_turning = true;
	do {
		is_progress = take_events(conn);
	} while (conn_fit(conn));
	if (conn->state != CONN_CLOSING) {
		conn_flush(conn);
		if (conn->is_sending && smtp_client_wants_body(conn->engine)) {
			conn_send_content(conn);
			is_progress = true;
		}
		set_deadline(conn, is_progress);
	}
	conn->is_turning = false;
}

void conn_turn_soon(struct conn *conn)
{
	if (!list_holds(&conn->due))
		list_push_back(&conn->relay->due, &conn->due);
	relay_turn_soon(conn->relay);
}

void conn_turn_due(struct relay *relay)
{
	size_t n = relay->due.count;
	struct list_node *node;

	while (n-- && (node = list_pop_front(&relay->due)) != NULL) {
		struct conn *conn = list_entry(node, struct conn, due);

		if (conn->state != CONN_CLOSING)
			conn_turn(conn);
	}
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
					   .login = route->to.user != NULL,
					   .distrusts_chunking = route->distrusts_chunking };
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
	conn->deadline.fire = conn_out_of_time;
	conn->engine = smtp_client_new(&engine);
	conn_set_state(conn, CONN_SETTING_UP);
	conn->dial = dial_start(&dial);
}
