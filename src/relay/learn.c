/* relay/learn.c: what a smarthost offers, kept for the sessions and for the choice of a route. */
#include "conn.h"

/* As it is for the sessions: REQUIRETLS that was not offered within verified TLS is none. */
static struct smtp_client_offers useful(const struct conn *conn)
{
	struct smtp_client_offers offers = *smtp_client_offers(conn->engine);

	offers.require_tls = conn_may_require_tls(conn);
	return offers;
}

static void put_changed(struct relay_learned *learned, const struct smtp_client_offers *offers)
{
	struct smtp_client_offers before;

	if (!relay_learned_get(learned, &before) || memcmp(&before, offers, sizeof(before)) != 0)
		relay_learned_put(learned, offers);
}

bool relay_offered(const struct relay *relay, size_t smarthost, struct smtp_client_offers *out)
{
	struct relay_learned *learned =
		smarthost < relay->route_count ? relay->routes[smarthost]->to.learned : NULL;

	return learned && relay_learned_get(learned, out);
}

/* A connection in use tells again only what was forgotten meanwhile: another one may be newer. */
void conn_learn(struct conn *conn)
{
	struct route *route = conn->route;
	struct relay_learned *learned = route->is_retired ? NULL : route->to.learned;
	bool is_new = conn->state == CONN_SETTING_UP;
	struct smtp_client_offers offers;

	if (!is_new && (learned == NULL || relay_learned_is_known(learned)))
		return;
	offers = useful(conn);
	if (is_new) {
		conn->has_chunking = offers.chunking;
		route->offers = offers;
		route->has_offers = true;
	}
	if (learned)
		put_changed(learned, &offers);
}

/* Firewalls and gateways have been seen to pass the offer of CHUNKING on and then to stall or to close at
 * BDAT, or to take one message of a connection and not the next. What goes wrong with a message that
 * went by BDAT is blamed on that, for a while, unless it is a mere no over a connection that has
 * taken one in this way: DATA costs little. */
enum { AVOID_MS = 3600 * 1000 };

void conn_judge_chunks(struct conn *conn, bool is_taken)
{
	if (!smtp_client_sent_chunks(conn->engine))
		return;
	if (is_taken)
		conn->was_taken_by_chunks = true;
	else
		conn->route->avoids_chunks_until_ms =
			loop_now_ms(conn->relay->conf.loop) + AVOID_MS;
}

/* The other connections would find out the same, at the cost of a message each. */
void conn_unlearn(struct conn *conn)
{
	struct smtp_client_offers offers = useful(conn);
	struct route *route = conn->route;

	if (!conn->has_chunking || offers.chunking)
		return;
	conn->has_chunking = false;
	route->distrusts_chunking = true;
	route->offers = offers;
	if (route->to.learned && !route->is_retired)
		put_changed(route->to.learned, &offers);
	route_close_idle(route);
}
