/* relay/relay.c: jobs to connections. */
#include "relay/relay.h"

#include "pool.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

/* How long a loop waits before it looks again for a place that other loops hold. */
enum { PLACE_MS = 200 };

static void run_turn(struct work *work);

static struct attempt *take_first(struct relay *relay)
{
	struct list_node *node = list_pop_front(&relay->waiting);

	return node ? list_entry(node, struct relay_job, node)->attempt : NULL;
}

void relay_wake(struct relay *relay)
{
	if (relay->is_turn_posted)
		return;
	relay->is_turn_posted = true;
	loop_post(relay->conf.loop, &relay->turn);
}

static bool is_sound(const struct route *route)
{
	return route_is_proven(route) && !route_is_paused(route);
}

struct attempt *relay_take(struct relay *relay, const struct route *route)
{
	/* Not while a smarthost before it in the order can do the work. */
	for (size_t i = 0; i < relay->route_count && relay->routes[i] != route; i++)
		if (is_sound(relay->routes[i]))
			return NULL;
	return take_first(relay);
}

static void hand_out(struct relay *relay)
{
	for (size_t i = 0; i < relay->route_count; i++) {
		struct route *route = relay->routes[i];
		struct conn *conn;

		while (!list_is_empty(&relay->waiting) && (conn = route_idle(route)) != NULL)
			conn_carry(conn, take_first(relay));
		if (is_sound(route))
			break;
	}
}

/* A smarthost that failed is tried by one connection, and nothing waits for it as long as another
 * one can be asked. */
static void probe(struct route *route)
{
	if (list_is_empty(&route->conns[CONN_SETTING_UP]) && route_take_place(route))
		conn_open(route);
}

/* Those that are left alone long enough, where there is work that would be theirs. */
static void probe_preferred(struct relay *relay)
{
	for (size_t i = 0; i < relay->route_count; i++) {
		if (is_sound(relay->routes[i]))
			break;
		if (!route_is_paused(relay->routes[i]))
			probe(relay->routes[i]);
	}
}

/* No more connections in the making than jobs that wait. */
static void dial(struct route *route, size_t jobs)
{
	while (route->conns[CONN_SETTING_UP].count < jobs && route_take_place(route))
		conn_open(route);
}

/* True when something will come of it: a connection is there, or in the making, or another loop
 * holds all the places and will give one back. */
static bool ask_route(struct route *route, size_t jobs)
{
	struct relay *relay = route->relay;
	bool is_stuck;

	if (route_is_paused(route))
		return route_is_live(route) || !list_is_empty(&route->conns[CONN_SETTING_UP]);
	if (route_is_proven(route))
		dial(route, jobs);
	is_stuck = route_is_empty(route);
	route_set_hungry(route, is_stuck);
	if (is_stuck)
		timer_set(relay->conf.loop, &relay->again, PLACE_MS);
	return true;
}

/* Until one that can be relied on is asked. False: there is none to wait for. */
static bool ask_routes(struct relay *relay)
{
	size_t jobs = relay->waiting.count;
	bool is_hope = false;

	for (size_t i = 0; i < relay->route_count; i++) {
		struct route *route = relay->routes[i];

		if (!ask_route(route, jobs))
			continue;
		is_hope = true;
		if (route_is_proven(route) || route_is_live(route))
			break;
	}
	return is_hope;
}

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
		buf_put_text(&text, "no smarthost is configured");
	return buf_take_text(&text);
}

static void defer_waiting(struct relay *relay, const char *reason)
{
	struct attempt *attempt;
	size_t n = relay->waiting.count;

	/* Those that come in by the owner's done() wait for the next turn. */
	while (n-- && (attempt = take_first(relay)) != NULL) {
		attempt_defer(attempt, NULL, NULL, reason);
		attempt_finish(attempt);
	}
}

static void sate(struct relay *relay)
{
	timer_clear(relay->conf.loop, &relay->again);
	for (size_t i = 0; i < relay->route_count; i++)
		route_set_hungry(relay->routes[i], false);
}

static void serve_waiting(struct relay *relay)
{
	char *reason;

	if (!list_is_empty(&relay->waiting))
		probe_preferred(relay);
	hand_out(relay);
	if (!list_is_empty(&relay->waiting) && !ask_routes(relay)) {
		reason = all_reasons(relay);
		defer_waiting(relay, reason);
		free(reason);
	}
	if (list_is_empty(&relay->waiting))
		sate(relay);
}

static void free_retired(struct relay *relay)
{
	list_each (&relay->retired, node) {
		struct route *route = list_entry(node, struct route, node);

		if (!route_is_empty(route))
			continue;
		list_remove(&relay->retired, node);
		route_free(&route);
	}
}

static void retire_all(struct relay *relay)
{
	for (size_t i = 0; i < relay->route_count; i++) {
		route_retire(relay->routes[i]);
		list_push_back(&relay->retired, &relay->routes[i]->node);
	}
	free(relay->routes);
	relay->routes = NULL;
	relay->route_count = 0;
}

static void end(struct relay *relay)
{
	void (*freed)(void *user) = relay->freed;
	void *user = relay->freed_user;

	timer_clear(relay->conf.loop, &relay->again);
	timer_clear(relay->conf.loop, &relay->finish);
	free(relay->ehlo_name);
	free(relay);
	if (freed)
		freed(user);
}

static void run_turn(struct work *work)
{
	struct relay *relay = work_entry(work, struct relay, turn);

	relay->is_turn_posted = false;
	if (relay->is_ending)
		defer_waiting(relay, "the relay is being stopped");
	else
		serve_waiting(relay);
	free_retired(relay);
	if (relay->is_ending && list_is_empty(&relay->retired) && list_is_empty(&relay->waiting) &&
	    !relay->is_turn_posted)
		end(relay);
}

static void look_again(struct timer *timer)
{
	relay_wake(timer_entry(timer, struct relay, again));
}

static void out_of_patience(struct timer *timer)
{
	struct relay *relay = timer_entry(timer, struct relay, finish);

	list_each (&relay->retired, it) {
		struct route *route = list_entry(it, struct route, node);
		struct list_node *node;

		while ((node = list_first(&route->conns[CONN_BUSY])) != NULL)
			conn_break(conn_of_node(node), "the relay is being stopped");
	}
}

static void set_routes(struct relay *relay, const struct relay_smarthost *smarthosts, size_t count)
{
	relay->routes = mem_array(count, sizeof(struct route *));
	relay->route_count = count;
	for (size_t i = 0; i < count; i++)
		relay->routes[i] = route_new(relay, &smarthosts[i]);
}

struct relay *relay_new(const struct relay_conf *conf)
{
	struct relay *relay = mem_new(struct relay);

	relay->conf = *conf;
	relay->ehlo_name = mem_text(conf->ehlo_name);
	relay->turn.run = run_turn;
	relay->again.fire = look_again;
	relay->finish.fire = out_of_patience;
	relay->deadline_unit_ms = 1000;
	list_init(&relay->retired);
	list_init(&relay->waiting);
	set_routes(relay, conf->smarthosts, conf->smarthost_count);
	return relay;
}

void relay_free(struct relay *relay, int64_t finish_ms, void (*freed)(void *user), void *user)
{
	require(!relay->is_ending);
	relay->is_ending = true;
	relay->freed = freed;
	relay->freed_user = user;
	retire_all(relay);
	timer_set(relay->conf.loop, &relay->finish, finish_ms > 0 ? finish_ms : 0);
	relay_wake(relay);
}

void relay_send(struct relay *relay, struct relay_job *job)
{
	attempt_start(relay, job);
	relay_wake(relay);
}

void relay_more(struct relay_job *job)
{
	struct attempt *attempt = job->attempt;

	if (attempt && attempt->conn)
		conn_more(attempt->conn);
}

void relay_renew(struct relay *relay, const struct relay_smarthost *smarthosts, size_t count,
		 const char *ehlo_name)
{
	if (relay->is_ending)
		return;
	retire_all(relay);
	free(relay->ehlo_name);
	relay->ehlo_name = mem_text(ehlo_name);
	set_routes(relay, smarthosts, count);
	relay_wake(relay);
}

void relay_scale_deadlines(struct relay *relay, unsigned unit_ms)
{
	relay->deadline_unit_ms = unit_ms;
}

bool relay_look(const struct relay *relay, size_t i, struct relay_view *out)
{
	const struct route *r = i < relay->route_count ? relay->routes[i] : NULL;

	if (r == NULL)
		return false;
	*out = (struct relay_view){ .name = r->to.name,
				    .host = r->to.host,
				    .port = r->to.port,
				    .idle = (unsigned)r->conns[CONN_IDLE].count,
				    .busy = (unsigned)r->conns[CONN_BUSY].count };
	if (route_is_paused(r))
		out->paused_ms = r->paused_until_ms - loop_now_ms(relay->conf.loop);
	if (r->failures)
		out->reason = r->reason;
	return true;
}

size_t relay_waiting(const struct relay *relay)
{
	return relay->waiting.count;
}
