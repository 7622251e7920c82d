/* relay/room.c: how much work can be put to use, and when there may be more.
 *
 * An owner that was told 0 sends nothing until conf.room(). So whatever makes room ends in
 * relay_wake(): a job that leaves its line, a connection that comes free or ends, a route that comes up
 * or goes down; and for what no event of this loop tells there are timers: the end of a pause, and the
 * next message of the rate. Each of them is set here or where the 0 is said.
 */
#include "pool.h"

size_t relay_jobs(const struct relay *relay)
{
	return relay_common_jobs(relay) + relay->strict.count;
}

size_t relay_common_jobs(const struct relay *relay)
{
	return relay->urgent.count + relay->waiting.count;
}

struct route *relay_in_charge(const struct relay *relay)
{
	for (size_t i = 0; i < relay->route_count; i++)
		if (route_is_proven(relay->routes[i]) || route_is_live(relay->routes[i]))
			return relay->routes[i];
	return NULL;
}

/* Jobs that its connections can have at once, and as many again that the next ones to come free then
 * find waiting. */
static size_t capacity(const struct route *route)
{
	struct relay_limit *limit = route->to.limit;
	size_t idle = route->conns[CONN_IDLE].count, busy = route->conns[CONN_BUSY].count;

	if (!route_is_proven(route))
		return idle + idle + busy;
	return idle + route->conns[CONN_SETTING_UP].count + limit_free_places(limit) +
	       limit_most(limit);
}

static bool wants_probe(const struct relay *relay)
{
	for (size_t i = 0; i < relay->route_count; i++) {
		const struct route *route = relay->routes[i];

		if (route_is_proven(route))
			break;
		if (route_may_be_probed(route) && !route_is_being_set_up(route))
			return true;
	}
	return false;
}

/* Beyond the jobs that wait already, and within the rate. However many urgent ones there are, one that
 * is not may wait among them. */
static size_t room_of(struct relay *relay, const struct route *route)
{
	size_t jobs = relay_jobs(relay), most = capacity(route), messages = route_messages(route);

	if (messages < most)
		most = messages;
	if (most > jobs)
		return most - jobs;
	if (most > 0 && relay->waiting.count == 0)
		return 1;
	relay_watch_rate(relay, route);
	return 0;
}

size_t relay_room(struct relay *relay)
{
	struct route *route = relay_in_charge(relay);
	size_t room = 0;

	if (relay->is_ending)
		return 0;
	if (route)
		room = room_of(relay, route);
	if (room == 0 && relay_jobs(relay) == 0 && wants_probe(relay))
		room = 1;
	return room;
}

void relay_tell_room(struct relay *relay)
{
	if (!relay->is_room_due)
		return;
	relay->is_room_due = false;
	if (relay->conf.room && relay_room(relay) > 0)
		relay->conf.room(relay->conf.user);
}

void relay_watch_pauses(struct relay *relay)
{
	int64_t now = loop_now_ms(relay->conf.loop), first = INT64_MAX;

	for (size_t i = 0; i < relay->route_count; i++) {
		const struct route *route = relay->routes[i];

		if (route_is_paused(route) && route->paused_until_ms < first)
			first = route->paused_until_ms;
	}
	if (first < INT64_MAX)
		timer_set(relay->conf.loop, &relay->paused, first - now);
	else
		timer_clear(relay->conf.loop, &relay->paused);
}

void relay_watch_rate(struct relay *relay, const struct route *route)
{
	int64_t wait = limit_wait_ms(route->to.limit, loop_now_ms(relay->conf.loop));

	if (wait > 0)
		timer_set(relay->conf.loop, &relay->rated, wait);
}
