#include "walk.h"

#include "ids.h"
#include "orders.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

enum {
	TAKE_MOST = 500, /* orders of a portion */
	/* More are given once no more than this are under way; those that wait for the end of an
	 * attempt hold up the others for PATIENCE_MS at most. */
	OPEN_MOST = 250,
	PATIENCE_MS = 2000,
	LAST_MS = 30 * 1000, /* for the last ones, before they are told as late */
};

static const struct {
	const char *name;
	enum queue_action action;
} actions[] = {
	{ "flush", QUEUE_FLUSH }, { "hold", QUEUE_HOLD },     { "release", QUEUE_RELEASE },
	{ "rm", QUEUE_REMOVE },	  { "bounce", QUEUE_BOUNCE }, { "reroute", QUEUE_REROUTE },
};

/* By ids. */

struct errand {
	struct ctl_ids *ids;
	struct ctl_orders *orders;
};

static void run_errand(struct ctl_part *part)
{
	struct errand *errand = part->mine;
	struct queue *queue = part->shard.queue;
	struct queue_view view;

	for (size_t i = 0; i < errand->ids->count; i++)
		if (queue_find(queue, errand->ids->at[i].id, &view)) {
			errand->ids->at[i].is_found = true;
			ctl_orders_give(errand->orders, queue, errand->ids->at[i].id);
		}
	ctl_ids_unref(&errand->ids);
	ctl_orders_unref(&errand->orders);
	free(errand);
}

static int give_by_ids(struct ctl *ctl, struct ctl_ids *ids, struct ctl_orders *orders,
		       struct fault *fault)
{
	void **mine = mem_array(ctl->conf.shard_count, sizeof(*mine));
	struct ctl_question question = { .run = run_errand, .mine = mine };
	struct ctl_gather *gather;

	for (size_t i = 0; i < ctl->conf.shard_count; i++) {
		struct errand *errand = mem_new(struct errand);

		errand->ids = ctl_ids_ref(ids);
		errand->orders = ctl_orders_ref(orders);
		mine[i] = errand;
	}
	gather = ctl_gather_shards(ctl, &question, fault);
	free(mine);
	if (gather == NULL)
		return fault->code;
	ctl_gather_free(&gather);
	return 0;
}

/* By a filter. The orders are given after each portion: an order may take a message out from under
 * the walk that stands on it. */

struct marked {
	struct ctl_orders *orders;
	uint64_t *ids;
	size_t count, cap;
};

static void take(struct ctl_walker *walker, const struct queue_view *view)
{
	struct marked *marked = walker->state;

	if (marked->count == marked->cap) {
		marked->cap = marked->cap ? 2 * marked->cap : TAKE_MOST;
		marked->ids = mem_resize(marked->ids, marked->cap * sizeof(marked->ids[0]));
	}
	marked->ids[marked->count++] = view->envelope->qid;
}

static json_t *give_marked(struct ctl_walker *walker)
{
	struct marked *marked = walker->state;

	for (size_t i = 0; i < marked->count; i++)
		ctl_orders_give(marked->orders, walker->shard.queue, marked->ids[i]);
	marked->count = 0;
	return NULL;
}

static void *make_marked(void *user)
{
	struct marked *marked = mem_new(struct marked);

	marked->orders = ctl_orders_ref(user);
	return marked;
}

static void free_marked(void *user)
{
	struct marked *marked = user;

	ctl_orders_unref(&marked->orders);
	free(marked->ids);
	free(marked);
}

static const struct ctl_walk_kind kind = { TAKE_MOST, take, give_marked, free_marked };

/* How many were stuck before does not count: they wait for the end of their attempts. */
static bool await_room(struct ctl_orders *orders, struct ctl_client *client, size_t *stuck)
{
	bool is_heard = ctl_orders_await(orders, client, *stuck + OPEN_MOST, PATIENCE_MS);
	size_t open = ctl_orders_open(orders);

	*stuck = open > OPEN_MOST ? open - OPEN_MOST : 0;
	return is_heard;
}

/* 1: the client has gone, and no more orders were given. */
static int give_by_filter(struct ctl_client *client, const json_t *request,
			  struct ctl_orders *orders, struct fault *fault)
{
	struct ctl_walk walk;
	bool is_heard = true;
	size_t stuck = 0;
	int r = ctl_walk_begin(&walk, client->ctl, &kind, request, make_marked, orders, fault);

	if (r < 0)
		return r;
	while (r == 0 && is_heard && !walk.is_over) {
		r = ctl_walk_round(&walk, fault);
		if (r == 0)
			is_heard = await_room(orders, client, &stuck);
	}
	ctl_walk_end(&walk);
	if (r == 0 && !is_heard)
		return 1;
	return r;
}

static void log_act(struct ctl *ctl, const char *action, const json_t *answer)
{
	struct logline line;

	if (ctl->conf.log == NULL)
		return;
	logline_start(&line, LOG_LEVEL_INFO, "queue-order");
	logline_text(&line, "action", action);
	logline_number(&line, "done", json_integer_value(json_object_get(answer, "done")));
	log_put(ctl->conf.log, &line);
}

static json_t *outcome(struct ctl_client *client, const char *action, struct ctl_orders *orders,
		       const struct ctl_ids *ids)
{
	json_t *out = ctl_success();

	json_object_set_new(out, "action", json_string(action));
	ctl_orders_view(orders, out);
	if (ids) {
		json_t *missing = ctl_ids_missing(ids);

		json_array_extend(json_object_get(out, "missing"), missing);
		json_decref(missing);
	} else {
		/* It went between being found and being told: that is nobody's concern. */
		json_array_clear(json_object_get(out, "missing"));
	}
	log_act(client->ctl, action, out);
	return out;
}

/* Which messages are meant must be said: by ids, by a filter that holds something, or "all". */
static int check_choice(const json_t *request, struct fault *fault)
{
	bool by_ids = json_object_get(request, "qids") != NULL;
	bool by_filter = json_object_size(json_object_get(request, "filter")) > 0;
	bool by_all = json_is_true(json_object_get(request, "all"));

	if (by_ids + by_filter + by_all == 1)
		return 0;
	return fault_set(fault, -EINVAL,
			 "one of qids, filter and all says which messages are meant");
}

static json_t *act_with(struct ctl_client *client, const json_t *request, const char *action,
			struct ctl_orders *orders)
{
	struct fault fault = { 0 };
	struct ctl_ids *ids = NULL;
	json_t *last = NULL;
	int r = check_choice(request, &fault);

	if (r == 0 && json_object_get(request, "qids")) {
		ids = ctl_ids_read(request, CTL_IDS_MOST, &fault);
		r = ids ? give_by_ids(client->ctl, ids, orders, &fault) : fault.code;
	} else if (r == 0) {
		r = give_by_filter(client, request, orders, &fault);
	}
	if (r < 0)
		last = ctl_refusal_of(&fault);
	else if (r == 0 && ctl_orders_await(orders, client, 0, LAST_MS))
		last = outcome(client, action, orders, ids);
	ctl_ids_unref(&ids);
	return last;
}

json_t *ctl_act(struct ctl_client *client, const json_t *request)
{
	const char *action = json_string_value(json_object_get(request, "action"));
	struct fault fault = { 0 };
	struct ctl_orders *orders;
	json_t *last;
	size_t i = 0;

	while (action && i < sizeof(actions) / sizeof(actions[0]) &&
	       strcmp(action, actions[i].name) != 0)
		i++;
	if (action == NULL || i == sizeof(actions) / sizeof(actions[0]))
		return ctl_refusal_as("usage",
				      "action is flush, hold, release, rm, bounce or reroute");
	orders = ctl_orders_new(actions[i].action, &fault);
	if (orders == NULL)
		return ctl_refusal_of(&fault);
	last = act_with(client, request, actions[i].name, orders);
	ctl_orders_unref(&orders);
	return last;
}
