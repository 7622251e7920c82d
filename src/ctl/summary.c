#include "walk.h"

#include "groups.h"

#include "base/mem.h"

#include <stdlib.h>

/* One loop's share: the names under which a message counts. */
struct tally {
	struct ctl_groups *groups;
	void (*put)(struct tally *tally, const struct queue_view *view);
	struct buf name;
	uint64_t messages, octets;
	int64_t oldest_ms;
};

static void count(struct tally *tally, const struct queue_view *view)
{
	const struct envelope *e = view->envelope;

	ctl_groups_count(tally->groups, buf_span(&tally->name), e->qid, e->size, e->arrived_ms);
	buf_clear(&tally->name);
}

static void put_lower(struct tally *tally, const char *text)
{
	size_t n = strlen(text);
	unsigned char *at = buf_room(&tally->name, n);

	for (size_t i = 0; i < n; i++)
		at[i] = ascii_lower((unsigned char)text[i]);
	buf_grew(&tally->name, n);
}

static void put_reason(struct tally *tally, const struct queue_view *view)
{
	size_t place;
	const struct recipient_status *last = ctl_last_word(view, &place);

	buf_put_text(&tally->name, queue_stand_word(view->stand));
	buf_put_char(&tally->name, '\n');
	if (view->reason) {
		ctl_reason_put(view->reason, &tally->name);
		count(tally, view);
		return;
	}
	if (last && last->code)
		buf_printf(&tally->name, last->text ? "%d " : "%d", last->code);
	if (last && last->text)
		ctl_reason_put(last->text, &tally->name);
	count(tally, view);
}

static void put_sender(struct tally *tally, const struct queue_view *view)
{
	put_lower(tally, view->envelope->sender);
	count(tally, view);
}

static void put_account(struct tally *tally, const struct queue_view *view)
{
	buf_put_text(&tally->name, view->envelope->account);
	count(tally, view);
}

static void put_smarthost(struct tally *tally, const struct queue_view *view)
{
	size_t place;
	const struct recipient_status *last = ctl_last_word(view, &place);

	if (last && last->smarthost)
		buf_put_text(&tally->name, last->smarthost);
	count(tally, view);
}

/* Of those who wait, each domain. */
static void put_domain(struct tally *tally, const struct queue_view *view)
{
	const struct envelope *e = view->envelope;
	const struct delivery *d = view->delivery;

	for (size_t i = 0; i < e->recipient_count && i < d->recipient_count; i++) {
		const char *at = strrchr(e->recipients[i].address, '@');

		if (d->recipients[i].state != RECIPIENT_WAITING)
			continue;
		put_lower(tally, at ? at + 1 : "");
		count(tally, view);
	}
}

static const struct {
	const char *name;
	void (*put)(struct tally *tally, const struct queue_view *view);
} ways[] = {
	{ "reason", put_reason },	{ "sender", put_sender }, { "account", put_account },
	{ "smarthost", put_smarthost }, { "domain", put_domain },
};

static void take(struct ctl_walker *walker, const struct queue_view *view)
{
	struct tally *tally = walker->state;

	if (tally->messages++ == 0 || view->envelope->arrived_ms < tally->oldest_ms)
		tally->oldest_ms = view->envelope->arrived_ms;
	tally->octets += view->envelope->size;
	tally->put(tally, view);
}

static void *make_tally(void *user)
{
	struct tally *tally = mem_new(struct tally);
	uint64_t seed;

	random_fill(&seed, sizeof(seed));
	tally->groups = ctl_groups_new(seed);
	tally->put = ways[*(const size_t *)user].put;
	return tally;
}

static void free_tally(void *user)
{
	struct tally *tally = user;

	ctl_groups_free(tally->groups);
	buf_fini(&tally->name);
	free(tally);
}

static const struct ctl_walk_kind kind = { SIZE_MAX, take, NULL, free_tally };

static void join(struct tally *sum, const struct tally *part)
{
	if (part->messages == 0)
		return;
	if (sum->messages == 0 || part->oldest_ms < sum->oldest_ms)
		sum->oldest_ms = part->oldest_ms;
	sum->messages += part->messages;
	sum->octets += part->octets;
	ctl_groups_join(sum->groups, part->groups);
}

static json_t *summary_view(const struct ctl_walk *walk, size_t way)
{
	struct tally *sum = make_tally(&way);
	json_t *out = ctl_success();
	int64_t now_ms = wall_now_ms();

	for (size_t i = 0; i < walk->count; i++)
		join(sum, walk->walkers[i]->state);
	json_object_set_new(out, "by", json_string(ways[way].name));
	json_object_set_new(out, "groups", ctl_groups_view(sum->groups, now_ms));
	json_object_set_new(out, "messages", json_integer((json_int_t)sum->messages));
	json_object_set_new(out, "octets", json_integer((json_int_t)sum->octets));
	json_object_set_new(out, "oldest", ctl_time(sum->oldest_ms));
	free_tally(sum);
	return out;
}

json_t *ctl_summary(struct ctl_client *client, const json_t *request)
{
	const char *by = json_string_value(json_object_get(request, "by"));
	struct fault fault = { 0 };
	struct ctl_walk walk;
	json_t *last;
	size_t way = 0;

	while (by && way < sizeof(ways) / sizeof(ways[0]) && strcmp(by, ways[way].name) != 0)
		way++;
	if (by == NULL || way == sizeof(ways) / sizeof(ways[0]))
		return ctl_refusal_as("usage",
				      "by is reason, sender, account, smarthost or domain");
	if (ctl_walk_begin(&walk, client->ctl, &kind, request, make_tally, &way, &fault) < 0)
		return ctl_refusal_of(&fault);
	while (!walk.is_over && ctl_walk_round(&walk, &fault) == 0)
		;
	last = fault.code ? ctl_refusal_of(&fault) : summary_view(&walk, way);
	ctl_walk_end(&walk);
	return last;
}
