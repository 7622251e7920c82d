#include "inside.h"

#include "base/id.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

static const char *state_name(enum recipient_state state)
{
	static const char *const names[] = {
		[RECIPIENT_WAITING] = "waiting",
		[RECIPIENT_DELIVERED] = "delivered",
		[RECIPIENT_FAILED] = "failed",
	};

	return names[state];
}

static json_t *status_code(const struct smtp_status *status)
{
	char text[32];

	if (status->class == 0)
		return json_null();
	snprintf(text, sizeof(text), "%u.%u.%u", status->class, status->subject, status->detail);
	return json_string(text);
}

static json_t *recipient_view(const char *address, const struct recipient_status *status)
{
	json_t *out = json_object();

	json_object_set_new(out, "address", ctl_text(address));
	json_object_set_new(out, "state", json_string(state_name(status->state)));
	json_object_set_new(out, "code", status->code ? json_integer(status->code) : json_null());
	json_object_set_new(out, "status", status_code(&status->status));
	json_object_set_new(out, "text", ctl_text(status->text));
	json_object_set_new(out, "smarthost", ctl_text(status->smarthost));
	return out;
}

/* The last words about a recipient that still waits. */
static const char *why_it_waits(const struct delivery *delivery)
{
	for (size_t i = 0; i < delivery->recipient_count; i++)
		if (delivery->recipients[i].state == RECIPIENT_WAITING &&
		    delivery->recipients[i].text)
			return delivery->recipients[i].text;
	return NULL;
}

static size_t count_waiting(const struct delivery *delivery)
{
	size_t n = 0;

	for (size_t i = 0; i < delivery->recipient_count; i++)
		n += delivery->recipients[i].state == RECIPIENT_WAITING;
	return n;
}

static json_t *message_view(const struct queue_view *view)
{
	const struct envelope *e = view->envelope;
	const struct delivery *d = view->delivery;
	json_t *out = json_object();

	json_object_set_new(out, "qid", ctl_id(e->qid));
	json_object_set_new(out, "sender", ctl_text(e->sender));
	json_object_set_new(out, "account", ctl_text(e->account));
	json_object_set_new(out, "arrived", ctl_time(e->arrived_ms));
	json_object_set_new(out, "size", json_integer((json_int_t)e->size));
	json_object_set_new(out, "nrcpt", json_integer((json_int_t)e->recipient_count));
	json_object_set_new(out, "waiting", json_integer((json_int_t)count_waiting(d)));
	json_object_set_new(out, "attempts", json_integer(d->attempts));
	json_object_set_new(out, "next", ctl_time(d->next_ms));
	json_object_set_new(out, "active", json_boolean(view->is_active));
	json_object_set_new(out, "reason", ctl_text(why_it_waits(d)));
	return out;
}

static json_t *whole_view(const struct queue_view *view)
{
	const struct envelope *e = view->envelope;
	json_t *out = message_view(view), *recipients = json_array();

	for (size_t i = 0; i < e->recipient_count && i < view->delivery->recipient_count; i++)
		json_array_append_new(recipients, recipient_view(e->recipients[i],
								 &view->delivery->recipients[i]));
	json_object_set_new(out, "sid", e->sid ? ctl_id(e->sid) : json_null());
	json_object_set_new(out, "last", ctl_time(view->delivery->last_ms));
	json_object_set_new(out, "recipients", recipients);
	return out;
}

static void run_show(struct ctl_part *part)
{
	struct queue_view view;

	if (queue_find(part->shard.queue, part->gather->question.qid, &view))
		part->answer = whole_view(&view);
}

/* The smallest ids above `after`, sorted. A queue is nearly in the order of its ids, so that most of
 * them go to the end or, once the page is full, nowhere. */
struct page {
	uint64_t after, ids[CTL_PAGE_MOST];
	json_t *views[CTL_PAGE_MOST]; /* of the same messages */
	size_t count;
};

static bool add_to_page(void *user, const struct queue_view *view)
{
	struct page *page = user;
	uint64_t id = view->envelope->qid;
	size_t at = page->count;

	if (id <= page->after || (at == CTL_PAGE_MOST && id > page->ids[at - 1]))
		return true;
	if (at == CTL_PAGE_MOST)
		at--;
	else
		page->count++;
	for (; at > 0 && page->ids[at - 1] > id; at--)
		page->ids[at] = page->ids[at - 1];
	page->ids[at] = id;
	return true;
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* In one more pass, since looking for each by itself would hold a loop with a long queue. */
static bool view_of_page(void *user, const struct queue_view *view)
{
	struct page *page = user;
	const uint64_t *id = bsearch(&view->envelope->qid, page->ids, page->count,
				     sizeof(page->ids[0]), compare_ids);

	if (id && page->views[id - page->ids] == NULL)
		page->views[id - page->ids] = message_view(view);
	return true;
}

static void run_page(struct ctl_part *part)
{
	struct page *page = mem_new(struct page);

	page->after = part->gather->question.after;
	queue_look(part->shard.queue, add_to_page, page);
	queue_look(part->shard.queue, view_of_page, page);
	part->answer = json_array();
	for (size_t i = 0; i < page->count; i++)
		json_array_append_new(part->answer, page->views[i]);
	free(page);
}

static json_t *show(struct ctl *ctl, uint64_t qid)
{
	struct fault fault = { 0 };
	struct ctl_gather *gather =
		ctl_gather_shards(ctl, &(struct ctl_question){ .run = run_show, .qid = qid },
				  &fault);
	json_t *answer = NULL;
	char text[ID_TEXT_MAX], words[80];

	for (size_t i = 0; gather && i < gather->count && answer == NULL; i++)
		if (gather->parts[i].answer) {
			answer = json_object();
			json_object_set_new(answer, "ok", json_true());
			json_object_set(answer, "message", gather->parts[i].answer);
		}
	id_format(qid, text);
	snprintf(words, sizeof(words), "no message %s is in the queue", text);
	if (answer == NULL)
		answer = ctl_refusal(gather ? words : fault.text);
	ctl_gather_free(&gather);
	return answer;
}

static const char *qid_of(const json_t *message)
{
	return json_string_value(json_object_get(message, "qid"));
}

/* Ids as text sort as the ids do. */
static int by_qid(const void *a, const void *b)
{
	return strcmp(qid_of(*(json_t *const *)a), qid_of(*(json_t *const *)b));
}

/* The first messages of all the loops' pages together. */
static json_t *join_pages(const struct ctl_gather *gather)
{
	size_t count = 0, n = 0, i, k;
	json_t *answer = json_object(), *messages = json_array(), *message, **all;

	for (i = 0; i < gather->count; i++)
		count += json_array_size(gather->parts[i].answer);
	all = mem_array(count, sizeof(struct json_t *));
	for (i = 0; i < gather->count; i++)
		json_array_foreach(gather->parts[i].answer, k, message) all[n++] = message;
	qsort(all, count, sizeof(struct json_t *), by_qid);
	for (i = 0; i < count && i < CTL_PAGE_MOST; i++)
		json_array_append(messages, all[i]);
	free(all);
	json_object_set_new(answer, "ok", json_true());
	json_object_set_new(answer, "messages", messages);
	json_object_set_new(answer, "more", json_boolean(count >= CTL_PAGE_MOST));
	return answer;
}

static json_t *list(struct ctl *ctl, uint64_t after)
{
	struct fault fault = { 0 };
	struct ctl_question question = { .run = run_page, .after = after };
	struct ctl_gather *gather = ctl_gather_shards(ctl, &question, &fault);
	json_t *answer = gather ? join_pages(gather) : ctl_refusal(fault.text);

	ctl_gather_free(&gather);
	return answer;
}

/* 0 where the key is not there. */
static int read_id(const json_t *request, const char *key, uint64_t *out)
{
	const json_t *value = json_object_get(request, key);

	*out = 0;
	if (value == NULL)
		return 0;
	return id_parse(span_text(json_string_value(value)), out);
}

json_t *ctl_queue(struct ctl *ctl, const json_t *request)
{
	uint64_t qid, after;

	if (read_id(request, "qid", &qid) < 0 || read_id(request, "after", &after) < 0)
		return ctl_refusal("qid and after are ids as they stand in the log");
	return json_object_get(request, "qid") ? show(ctl, qid) : list(ctl, after);
}
