#include "walk.h"

#include "base/mem.h"

#include <stdlib.h>

enum { PAGE_MOST = 500 };

static void take(struct ctl_walker *walker, const struct queue_view *view)
{
	json_array_append_new(walker->state, ctl_message(view, walker->now_ms));
}

/* The page goes to whoever asked; its place is taken by a new one. */
static json_t *answer(struct ctl_walker *walker)
{
	json_t *page = walker->state;

	walker->state = json_array();
	return page;
}

static void free_page(void *page)
{
	json_decref(page);
}

static void *make_page(void *user)
{
	(void)user;
	return json_array();
}

static const struct ctl_walk_kind kind = { PAGE_MOST, take, answer, free_page };

static const char *first_qid(const struct ctl_walk *walk, size_t i, const size_t *used)
{
	const json_t *message = json_array_get(walk->answers[i], used[i]);

	return json_string_value(json_object_get(message, "qid"));
}

/* The loop whose next message has the smallest id; walk->count where one must be asked first. Ids as
 * text sort as the ids do. */
static size_t next_loop(const struct ctl_walk *walk, const size_t *used)
{
	const char *best = NULL;
	size_t found = walk->count;

	for (size_t i = 0; i < walk->count; i++) {
		const char *qid = first_qid(walk, i, used);

		if (qid == NULL && !walk->walkers[i]->is_over)
			return walk->count;
		if (qid && (best == NULL || strcmp(qid, best) < 0)) {
			best = qid;
			found = i;
		}
	}
	return found;
}

/* As many as can be told in order now. */
static json_t *merge(struct ctl_walk *walk, size_t *used)
{
	json_t *page = json_array();
	size_t i;

	while ((i = next_loop(walk, used)) < walk->count)
		json_array_append(page, json_array_get(walk->answers[i], used[i]++));
	for (i = 0; i < walk->count; i++)
		if (used[i] == json_array_size(walk->answers[i])) {
			json_decref(walk->answers[i]);
			walk->answers[i] = NULL;
			used[i] = 0;
		}
	return page;
}

static bool send_page(struct ctl_client *client, json_t *page)
{
	json_t *line = json_object();

	json_object_set_new(line, "messages", page);
	return ctl_send(client, line);
}

json_t *ctl_list(struct ctl_client *client, const json_t *request)
{
	struct fault fault = { 0 };
	struct ctl_walk walk;
	json_t *last = NULL;
	json_int_t count = 0;
	bool is_heard = true;
	size_t *used;

	if (ctl_walk_begin(&walk, client->ctl, &kind, request, make_page, NULL, &fault) < 0)
		return ctl_refusal_of(&fault);
	used = mem_array(walk.count, sizeof(*used));
	while (!walk.is_over && is_heard && ctl_walk_round(&walk, &fault) == 0) {
		json_t *page = merge(&walk, used);

		count += (json_int_t)json_array_size(page);
		if (json_array_size(page))
			is_heard = send_page(client, page);
		else
			json_decref(page);
	}
	free(used);
	ctl_walk_end(&walk);
	if (fault.code)
		return ctl_refusal_of(&fault);
	if (is_heard) {
		last = ctl_success();
		json_object_set_new(last, "count", json_integer(count));
	}
	return last;
}
