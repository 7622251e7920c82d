/* relay/rest.c: a connection between two messages: the next one, or rest, or goodbye. */
#include "conn.h"

enum {
	LOOK_MS = 500, /* how often an idle connection asks whether another loop needs its place */
	SHARED_MESSAGES = 16, /* after so many a connection is given up for other loops that wait */
};

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

	conn_set_state(conn, CONN_IDLE);
	conn->awaited = NULL;
	conn->idle_until_ms = loop_now_ms(loop) + conn->route->to.idle_ms;
	conn->deadline.fire = look_at_idle;
	timer_set(loop, &conn->deadline,
		  conn->route->to.idle_ms < LOOK_MS ? conn->route->to.idle_ms : LOOK_MS);
}

static bool is_worn(const struct conn *conn)
{
	const struct route *route = conn->route;
	unsigned offered = smtp_client_offers(conn->engine)->mail_most;

	return route->is_retired || (route->to.messages && conn->messages >= route->to.messages) ||
	       (offered && conn->messages >= offered);
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
	conn_learn(conn);
	if (conn->state == CONN_SETTING_UP)
		route_up(conn->route);
	conn_lose_job(conn, NULL, "the smarthost gave no verdict", false);
	yields = must_yield(conn);
	if (yields)
		route_yield(conn->route);
	if (yields || is_worn(conn)) {
		conn_set_state(conn, CONN_IDLE);
		conn_close(conn);
		return;
	}
	next = relay_take(conn->relay, conn);
	rest(conn);
	if (next)
		conn_carry(conn, next);
	else
		conn->has_rested = true;
	relay_wake(conn->relay);
}
