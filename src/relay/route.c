/* relay/route.c: one smarthost: may it be asked, and by how many connections. */
#include "pool.h"

#include "base/mem.h"
#include "base/require.h"

#include <stdlib.h>

static char *text_or_null(const char *text)
{
	return text ? mem_text(text) : NULL;
}

struct route *route_new(struct relay *relay, const struct relay_smarthost *to)
{
	struct route *r = mem_new(struct route);

	r->relay = relay;
	r->to = *to;
	r->to.name = mem_text(to->name);
	r->to.host = mem_text(to->host);
	r->to.user = text_or_null(to->user);
	r->to.keytab = text_or_null(to->keytab);
	r->to.trust = to->trust ? tls_trust_ref(to->trust) : NULL;
	secret_set(&r->password, to->password);
	r->to.password = secret_span(&r->password);
	r->distrusts_chunking = to->distrusts_chunking;
	for (unsigned i = 0; i < CONN_STATE_COUNT; i++)
		list_init(&r->conns[i]);
	return r;
}

static void free_text(const char *text)
{
	free((void *)(uintptr_t)text);
}

void route_free(struct route **route)
{
	struct route *r = *route;

	if (r == NULL)
		return;
	require(route_is_empty(r));
	route_set_hungry(r, false);
	free_text(r->to.name);
	free_text(r->to.host);
	free_text(r->to.user);
	free_text(r->to.keytab);
	if (r->to.trust)
		tls_trust_unref(&r->to.trust);
	secret_fini(&r->password);
	free(r->reason);
	free(r);
	*route = NULL;
}

bool route_is_empty(const struct route *r)
{
	for (unsigned i = 0; i < CONN_STATE_COUNT; i++)
		if (!list_is_empty(&r->conns[i]))
			return false;
	return true;
}

struct conn *route_idle(const struct route *r)
{
	/* The one that was used last: the others may then grow old and be closed. */
	struct list_node *node = list_last(&r->conns[CONN_IDLE]);

	return node ? conn_of_node(node) : NULL;
}

void route_close_idle(struct route *r)
{
	struct conn *conn;

	while ((conn = route_idle(r)) != NULL)
		conn_close(conn);
}

void route_retire(struct route *r)
{
	struct list_node *node;

	r->is_retired = true;
	route_set_hungry(r, false);
	route_close_idle(r);
	while ((node = list_first(&r->conns[CONN_SETTING_UP])) != NULL)
		conn_close(conn_of_node(node));
}

bool route_is_paused(const struct route *r)
{
	return r->failures && loop_now_ms(r->relay->conf.loop) < r->paused_until_ms;
}

bool route_is_proven(const struct route *r)
{
	return r->failures == 0;
}

bool route_may_be_probed(const struct route *r)
{
	return !route_is_proven(r) && !route_is_paused(r);
}

bool route_is_being_set_up(const struct route *r)
{
	return !list_is_empty(&r->conns[CONN_SETTING_UP]);
}

bool route_is_live(const struct route *r)
{
	return !list_is_empty(&r->conns[CONN_IDLE]) || !list_is_empty(&r->conns[CONN_BUSY]);
}

/* Longer than a loop that waits takes to look again. */
enum { YIELD_MS = 600 };

void route_yield(struct route *r)
{
	r->yield_until_ms = loop_now_ms(r->relay->conf.loop) + YIELD_MS;
}

bool route_take_place(struct route *r)
{
	if (loop_now_ms(r->relay->conf.loop) < r->yield_until_ms && route_is_wanted(r))
		return false;
	return limit_take_place(r->to.limit);
}

void route_give_place(struct route *r)
{
	limit_give_place(r->to.limit);
}

bool route_is_wanted(const struct route *r)
{
	return limit_hungry(r->to.limit) > (r->is_hungry ? 1u : 0u);
}

void route_set_hungry(struct route *r, bool is_hungry)
{
	if (r->is_hungry == is_hungry)
		return;
	r->is_hungry = is_hungry;
	limit_add_hungry(r->to.limit, is_hungry ? 1 : -1);
}

bool route_take_message(struct route *r, struct attempt *a)
{
	int64_t at_ms;

	if (!limit_take_message(r->to.limit, loop_now_ms(r->relay->conf.loop), &at_ms))
		return false;
	a->rated_by = r->to.limit;
	a->rated_ms = at_ms;
	return true;
}

size_t route_messages(const struct route *r)
{
	return limit_messages(r->to.limit, loop_now_ms(r->relay->conf.loop));
}

static void log_change(const struct route *r, enum log_level level, const char *event,
		       int64_t pause_ms)
{
	struct logline line;

	if (r->relay->conf.log == NULL || !log_wants(r->relay->conf.log, level))
		return;
	logline_start(&line, level, event);
	logline_text(&line, "smarthost", r->to.name);
	if (pause_ms) {
		logline_text(&line, "reason", r->reason);
		logline_number(&line, "pause_s", (pause_ms + 999) / 1000);
	}
	log_put(r->relay->conf.log, &line);
}

void route_up(struct route *r)
{
	r->is_hurried = false;
	if (r->failures) {
		r->failures = 0;
		r->paused_until_ms = 0;
		log_change(r, LOG_LEVEL_INFO, "smarthost-up", 0);
	}
	free(r->reason);
	r->reason = NULL;
}

static int64_t next_pause(const struct route *r)
{
	int64_t first = r->to.pause_first_ms, most = r->to.pause_most_ms;
	int64_t pause = first > 0 ? first : 1;

	for (unsigned i = 1; i < r->failures && pause < most; i++)
		pause *= 2;
	return pause > most && most > 0 ? most : pause;
}

/* Who asks by hand again and again must not be left alone the longer for it. */
void route_hurry(struct route *r)
{
	r->is_hurried = r->is_hurried || route_is_paused(r);
	r->paused_until_ms = 0;
}

void route_down(struct route *r, const char *reason)
{
	bool is_new = r->reason == NULL || strcmp(r->reason, reason) != 0;
	int64_t pause;

	relay_wake(r->relay);
	/* Several connections were being made at once: one failure, one pause. */
	if (r->is_retired || route_is_paused(r))
		return;
	if (!r->is_hurried)
		r->failures++;
	r->is_hurried = false;
	pause = next_pause(r);
	r->paused_until_ms = loop_now_ms(r->relay->conf.loop) + pause;
	if (!is_new)
		return;
	free(r->reason);
	r->reason = mem_text(reason);
	log_change(r, LOG_LEVEL_WARN, "smarthost-down", pause);
}
