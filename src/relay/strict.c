/* relay/strict.c: jobs that ask for REQUIRETLS, and who may have them.
 *
 * RFC 8689 4.2.1: the next hop offers REQUIRETLS within TLS, and its certificate was verified. Which
 * smarthosts do is known after a connection to each; until then one that verifies is thought to.
 * The first in order that may, and is not left alone, gets them. Where none may they are refused:
 * "MUST NOT be relayed"; but those with an empty reverse-path, which nobody would hear of, join the others
 * (RFC 8689 5.).
 */
#include "conn.h"

static const struct smtp_reply nobody =
	SMTP_REPLY(550, 5, 7, 30, "No smarthost supports REQUIRETLS over verified TLS");

static bool is_verified(const struct route *route)
{
	return route->to.tls != SMTP_CLIENT_TLS_NONE && route->to.trust;
}

bool conn_may_require_tls(const struct conn *conn)
{
	return is_verified(conn->route) && smtp_client_offers(conn->engine)->require_tls;
}

static bool may_have(const struct route *route)
{
	return is_verified(route) && (!route->has_offers || route->offers.require_tls);
}

/* NULL: there is none; *is_paused_out: one is left alone. */
static struct route *choose(const struct relay *relay, bool *is_paused_out)
{
	*is_paused_out = false;
	for (size_t i = 0; i < relay->route_count; i++) {
		struct route *route = relay->routes[i];

		if (!may_have(route))
			continue;
		if (!route_is_paused(route) || route_is_live(route))
			return route;
		*is_paused_out = true;
	}
	return NULL;
}

struct attempt *relay_take_strict(struct relay *relay, struct conn *conn)
{
	bool is_paused;

	if (relay->strict.count == 0 || !conn_may_require_tls(conn) ||
	    choose(relay, &is_paused) != conn->route)
		return NULL;
	return relay_take_from(&relay->strict, conn->route);
}

static struct conn *idle_for(const struct route *route, bool may_require_tls)
{
	list_each (&route->conns[CONN_IDLE], it) {
		struct conn *conn = conn_of_node(it);

		if (conn_may_require_tls(conn) == may_require_tls)
			return conn;
	}
	return NULL;
}

static void give_back_urgent(struct relay *relay, const char *reason)
{
	/* One at a time: a callback may change the line. */
	for (size_t n = relay->strict.count; n > 0; n--) {
		struct attempt *a = NULL;

		list_each (&relay->strict, it) {
			a = list_entry(it, struct relay_job, node)->attempt;
			if (a->is_urgent)
				break;
			a = NULL;
		}
		if (a == NULL)
			return;
		attempt_give_back(a, reason);
	}
}

/* Connections for those that wait: one alone where it is not known whether it can be reached. */
static void dial(struct relay *relay, struct route *route)
{
	size_t most = route_is_proven(route) ? relay->strict.count : 1;
	struct conn *other;

	while (route->conns[CONN_SETTING_UP].count < most) {
		if (route_is_paused(route))
			return;
		if (route_take_place(route)) {
			conn_open(route);
			continue;
		}
		/* Its place goes to one that may hear of what the peer offers now. */
		other = idle_for(route, false);
		if (other)
			conn_close(other);
		route_set_hungry(route, route_is_empty(route));
		timer_set(relay->conf.loop, &relay->again, PLACE_MS);
		return;
	}
}

static void hand_out(struct relay *relay, struct route *route)
{
	struct conn *conn;
	struct attempt *a;

	while ((conn = idle_for(route, true)) != NULL &&
	       (a = relay_take_from(&relay->strict, route)) != NULL)
		conn_carry(conn, a);
	if (relay->strict.count == 0)
		return;
	if (route_messages(route) == 0) {
		give_back_urgent(relay, "the smarthost's messages of this minute are used up");
		relay_watch_rate(relay, route);
		return;
	}
	dial(relay, route);
}

/* None may have it. */
static void end_one(struct attempt *a)
{
	if (a->job->message.sender.len == 0) {
		a->is_strict = false;
		attempt_wait(a, false);
		return;
	}
	attempt_leave_line(a);
	attempt_decide(a, NULL, &nobody, true, false);
}

static void end_all(struct relay *relay, bool is_paused)
{
	/* Those that come in by the owner's done() wait for the next turn. */
	for (size_t n = relay->strict.count; n > 0 && relay->strict.count; n--) {
		struct attempt *a = relay_first(&relay->strict);

		if (is_paused || relay->route_count == 0)
			attempt_give_back(
				a, "no smarthost that may support REQUIRETLS can be asked now");
		else
			end_one(a);
	}
}

void relay_serve_strict(struct relay *relay)
{
	struct route *route;
	bool is_paused;

	if (relay->strict.count == 0)
		return;
	route = choose(relay, &is_paused);
	if (route)
		hand_out(relay, route);
	else
		end_all(relay, is_paused);
}
