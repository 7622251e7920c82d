/* relay/relay.c: what the owner calls, and the relay's turn, in which all that follows is done. */
#include "relay/relay.h"

#include "pool.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

static void run_turn(struct work *work);

void relay_turn_soon(struct relay *relay)
{
	if (relay->is_turn_posted)
		return;
	relay->is_turn_posted = true;
	loop_post(relay->conf.loop, &relay->turn);
}

void relay_wake(struct relay *relay)
{
	relay->is_room_due = true;
	relay_turn_soon(relay);
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
	timer_clear(relay->conf.loop, &relay->paused);
	timer_clear(relay->conf.loop, &relay->rated);
	timer_clear(relay->conf.loop, &relay->finish);
	free(relay->ehlo_name);
	free(relay);
	if (freed)
		freed(user);
}

static bool is_at_end(const struct relay *relay)
{
	return relay->is_ending && !relay->is_turn_posted && list_is_empty(&relay->retired) &&
	       relay_jobs(relay) == 0 && list_is_empty(&relay->over);
}

static void run_turn(struct work *work)
{
	struct relay *relay = work_entry(work, struct relay, turn);

	relay->is_turn_posted = false;
	conn_turn_due(relay);
	if (relay->is_ending)
		relay_defer_waiting(relay, "the relay is being stopped");
	else
		relay_serve(relay);
	free_retired(relay);
	relay_watch_pauses(relay);
	relay_tell_room(relay);
	if (is_at_end(relay))
		end(relay);
}

static void look_for_place(struct timer *timer)
{
	relay_wake(timer_entry(timer, struct relay, again));
}

static void on_pause_over(struct timer *timer)
{
	relay_wake(timer_entry(timer, struct relay, paused));
}

static void on_rate_allows(struct timer *timer)
{
	relay_wake(timer_entry(timer, struct relay, rated));
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
	relay->again.fire = look_for_place;
	relay->paused.fire = on_pause_over;
	relay->rated.fire = on_rate_allows;
	relay->finish.fire = out_of_patience;
	relay->deadline_unit_ms = 1000;
	list_init(&relay->retired);
	list_init(&relay->urgent);
	list_init(&relay->waiting);
	list_init(&relay->strict);
	list_init(&relay->over);
	list_init(&relay->due);
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
}

void relay_more(struct relay_job *job)
{
	struct attempt *a = job->attempt;

	if (a && a->conn)
		conn_more(a->conn);
}

void relay_grow(struct relay_job *job)
{
	struct attempt *a = job->attempt;

	if (a == NULL)
		return;
	require(job->is_open);
	attempt_grow(a);
	if (a->conn)
		conn_grow(a->conn);
}

void relay_content(struct relay_job *job)
{
	struct attempt *a = job->attempt;

	if (a == NULL)
		return;
	require(job->is_open);
	job->is_open = false;
	if (a->conn)
		conn_content(a->conn);
	else if (a->line)
		attempt_wait(a, false);
}

bool relay_cancel(struct relay_job *job)
{
	struct attempt *a = job->attempt;

	if (a == NULL || (a->line == NULL && !job->is_open))
		return false;
	relay_wake(a->relay);
	attempt_cancel(a);
	return true;
}

void relay_hurry(struct relay *relay)
{
	for (size_t i = 0; i < relay->route_count; i++)
		route_hurry(relay->routes[i]);
	relay_wake(relay);
}

void relay_probe(struct relay *relay)
{
	struct smtp_client_offers offers;

	for (size_t i = 0; i < relay->route_count && !relay->is_ending; i++) {
		struct route *route = relay->routes[i];
		struct relay_learned *learned = route->to.learned;

		if (learned == NULL || relay_learned_get(learned, &offers))
			continue;
		if (route_is_empty(route) && !route_is_paused(route) && route_take_place(route))
			conn_open(route);
	}
}

static bool is_another(const struct relay_smarthost *before, const struct relay_smarthost *now)
{
	return strcmp(before->host, now->host) != 0 || before->port != now->port ||
	       before->tls != now->tls;
}

/* What is known of a smarthost that now is another one. */
static void forget_changed(const struct relay *relay, const struct relay_smarthost *now)
{
	for (size_t i = 0; i < relay->route_count; i++) {
		const struct relay_smarthost *before = &relay->routes[i]->to;

		if (now->learned && before->learned == now->learned && is_another(before, now))
			relay_learned_forget(now->learned);
	}
}

void relay_renew(struct relay *relay, const struct relay_smarthost *smarthosts, size_t count,
		 const char *ehlo_name)
{
	if (relay->is_ending)
		return;
	for (size_t i = 0; i < count; i++)
		forget_changed(relay, &smarthosts[i]);
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
	int64_t now = loop_now_ms(relay->conf.loop);

	if (r == NULL)
		return false;
	*out = (struct relay_view){ .name = r->to.name,
				    .host = r->to.host,
				    .port = r->to.port,
				    .rate = limit_rate(r->to.limit),
				    .idle = (unsigned)r->conns[CONN_IDLE].count,
				    .busy = (unsigned)r->conns[CONN_BUSY].count };
	out->rated_ms = limit_wait_ms(r->to.limit, now);
	if (route_is_paused(r))
		out->paused_ms = r->paused_until_ms - now;
	if (r->failures)
		out->reason = r->reason;
	return true;
}

size_t relay_waiting(const struct relay *relay)
{
	return relay_jobs(relay);
}
