/* relay/serve.c: jobs to connections, and connections for the jobs that wait. */
#include "pool.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>

struct attempt *relay_first(const struct list *line)
{
	struct list_node *node = list_first(line);

	return node ? list_entry(node, struct relay_job, node)->attempt : NULL;
}

struct attempt *relay_take_from(struct list *line, struct route *route)
{
	struct attempt *a = relay_first(line);

	if (a == NULL || !route_take_message(route, a))
		return NULL;
	attempt_leave_line(a);
	return a;
}

/* So many urgent ones may go before one that waits: a crowd of clients delays what is queued, but does
 * not keep it back as long as there are more of them. */
enum { URGENT_MOST = 4 };

static struct attempt *take_first(struct relay *relay, struct route *route)
{
	bool is_urgent = relay->urgent.count &&
			 (relay->waiting.count == 0 || relay->urgent_taken < URGENT_MOST);
	struct attempt *a = relay_take_from(is_urgent ? &relay->urgent : &relay->waiting, route);

	if (a)
		relay->urgent_taken = is_urgent ? relay->urgent_taken + 1 : 0;
	return a;
}

struct attempt *relay_take(struct relay *relay, struct conn *conn)
{
	struct route *route = conn_route(conn);
	struct attempt *strict = relay_take_strict(relay, conn);

	if (strict)
		return strict;
	/* Not while a smarthost before it in the order can do the work. */
	for (size_t i = 0; i < relay->route_count && relay->routes[i] != route; i++)
		if (route_is_proven(relay->routes[i]))
			return NULL;
	return take_first(relay, route);
}

static void hand_out(struct relay *relay)
{
	for (size_t i = 0; i < relay->route_count; i++) {
		struct route *route = relay->routes[i];
		struct attempt *a;

		while (route_idle(route) && (a = take_first(relay, route)) != NULL)
			conn_carry(route_idle(route), a);
		if (route_is_proven(route))
			break;
	}
}

/* Connections */

/* A smarthost that failed is tried by one connection, and nothing waits for it as long as another
 * one can be asked. Of urgent jobs one may wait for it. */
static void probe(struct route *route)
{
	struct attempt *urgent = relay_first(&route->relay->urgent);

	if (route_is_being_set_up(route) || !route_take_place(route))
		return;
	conn_open(route);
	if (urgent)
		urgent->is_probe = true;
}

/* Those that are left alone long enough, where there is work that would be theirs. */
static void probe_preferred(struct relay *relay)
{
	for (size_t i = 0; i < relay->route_count; i++) {
		if (route_is_proven(relay->routes[i]))
			break;
		if (!route_is_paused(relay->routes[i]))
			probe(relay->routes[i]);
	}
}

/* No more connections in the making, or about to come free, than jobs that wait and may be sent. */
static void dial(struct route *route, size_t jobs)
{
	size_t ending = conn_count_ending(route);

	while (route->conns[CONN_SETTING_UP].count + ending < jobs && route_take_place(route))
		conn_open(route);
}

/* Connections to one that is not paused; where other loops hold all the places, one of them is asked
 * for. */
static void ask_route(struct route *route)
{
	struct relay *relay = route->relay;
	size_t jobs = relay_common_jobs(relay), messages = route_messages(route);
	bool is_stuck;

	if (route_is_proven(route))
		dial(route, jobs < messages ? jobs : messages);
	is_stuck = messages > 0 && route_is_empty(route);
	route_set_hungry(route, is_stuck);
	if (is_stuck)
		timer_set(relay->conf.loop, &relay->again, PLACE_MS);
	relay_watch_rate(relay, route);
}

/* True when something will come of it: a connection is there, or in the making, or another loop
 * holds all the places and will give one back, or the rate allows more later. */
static bool is_hope(const struct route *route)
{
	return !route_is_paused(route) || route_is_live(route) || route_is_being_set_up(route);
}

/* Until one that can be relied on is asked. False: there is none to wait for. */
static bool ask_routes(struct relay *relay)
{
	bool has_hope = false;

	for (size_t i = 0; i < relay->route_count; i++) {
		struct route *route = relay->routes[i];

		if (!route_is_paused(route))
			ask_route(route);
		has_hope = has_hope || is_hope(route);
		if (route_is_proven(route) || route_is_live(route))
			break;
	}
	return has_hope;
}

static void sate(struct relay *relay)
{
	timer_clear(relay->conf.loop, &relay->again);
	for (size_t i = 0; i < relay->route_count; i++)
		route_set_hungry(relay->routes[i], false);
}

/* What is given back */

/* Why nobody can be asked: each smarthost with its reason. */
static char *all_reasons(const struct relay *relay)
{
	struct buf text = { 0 };

	for (size_t i = 0; i < relay->route_count; i++) {
		if (relay->routes[i]->reason == NULL)
			continue;
		if (text.len)
			buf_put_text(&text, "; ");
		buf_put_text(&text, relay->routes[i]->reason);
	}
	if (text.len == 0)
		buf_put_text(&text, relay->route_count ? "no smarthost can be asked now"
						       : "no smarthost is configured");
	return buf_take_text(&text);
}

static char *rate_reason(const struct route *route)
{
	struct buf text = { 0 };

	buf_printf(&text, "%s:%d: no more than %u messages a minute", route->to.host,
		   route->to.port, limit_rate(route->to.limit));
	return buf_take_text(&text);
}

static void give_back_line(struct list *line, const char *reason)
{
	size_t n = line->count;
	struct attempt *a;

	/* Those that come in by the owner's done() wait for the next turn. */
	while (n-- && (a = relay_first(line)) != NULL) {
		attempt_give_back(a, reason);
	}
}

void relay_defer_waiting(struct relay *relay, const char *reason)
{
	give_back_line(&relay->over, NULL);
	give_back_line(&relay->strict, reason);
	give_back_line(&relay->urgent, reason);
	give_back_line(&relay->waiting, reason);
}

static bool is_probing(const struct relay *relay)
{
	for (size_t i = 0; i < relay->route_count; i++)
		if (route_is_being_set_up(relay->routes[i]))
			return true;
	return false;
}

/* Of those in line, the first that neither waits for a probe nor has a message of the rate. */
static struct attempt *first_without_hope(struct relay *relay, const struct route *route)
{
	size_t messages = route ? route_messages(route) : 0;

	if (messages >= relay->urgent.count)
		return NULL;
	list_each (&relay->urgent, it) {
		struct attempt *a = list_entry(it, struct relay_job, node)->attempt;

		if (route == NULL && a->is_probe && is_probing(relay))
			continue;
		if (route && messages-- > 0)
			continue;
		return a;
	}
	return NULL;
}

/* Nobody who waits is kept for a pause, for somebody else's probe or for the rate. */
static void give_back_urgent(struct relay *relay)
{
	struct route *route = relay_in_charge(relay);
	struct attempt *a;
	char *reason;

	if (first_without_hope(relay, route) == NULL)
		return;
	reason = route ? rate_reason(route) : all_reasons(relay);
	while ((a = first_without_hope(relay, relay_in_charge(relay))) != NULL) {
		attempt_give_back(a, reason);
	}
	free(reason);
}

static void give_back_all(struct relay *relay)
{
	char *reason = all_reasons(relay);

	relay_defer_waiting(relay, reason);
	free(reason);
}

void relay_serve(struct relay *relay)
{
	give_back_line(&relay->over, NULL);
	relay_serve_strict(relay);
	if (relay_common_jobs(relay))
		probe_preferred(relay);
	hand_out(relay);
	if (relay_common_jobs(relay) && !ask_routes(relay))
		give_back_all(relay);
	if (relay->urgent.count)
		give_back_urgent(relay);
	if (relay_jobs(relay) == 0)
		sate(relay);
}
