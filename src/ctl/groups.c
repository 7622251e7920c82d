#include "groups.h"

#include "inside.h"

#include "base/mem.h"

#include <stdlib.h>

enum { GROUPS_MOST = 10000, NAME_OCTETS = 512 };

struct ctl_groups *ctl_groups_new(uint64_t seed)
{
	struct ctl_groups *groups = mem_new(struct ctl_groups);

	map_init(&groups->by_name, seed);
	list_init(&groups->all);
	return groups;
}

void ctl_groups_free(void *user)
{
	struct ctl_groups *groups = user;
	struct list_node *node;

	map_fini(&groups->by_name);
	while ((node = list_pop_front(&groups->all))) {
		struct ctl_group *group = list_entry(node, struct ctl_group, node);

		free(group->name);
		free(group);
	}
	free(groups);
}

static struct ctl_group *find(struct ctl_groups *groups, struct span name)
{
	struct ctl_group *group;

	name = span_first(name, NAME_OCTETS);
	group = map_get(&groups->by_name, name);
	if (group == NULL && groups->all.count < GROUPS_MOST) {
		group = mem_new(struct ctl_group);
		group->name = mem_text_n(name.at, name.len);
		list_push_back(&groups->all, &group->node);
		map_put(&groups->by_name, span_text(group->name), group);
	}
	return group ? group : &groups->others;
}

static void add(struct ctl_group *to, uint64_t messages, uint64_t octets, int64_t oldest_ms)
{
	if (to->messages == 0 || oldest_ms < to->oldest_ms)
		to->oldest_ms = oldest_ms;
	to->messages += messages;
	to->octets += octets;
}

void ctl_groups_count(struct ctl_groups *groups, struct span name, uint64_t qid, uint64_t octets,
		      int64_t arrived_ms)
{
	struct ctl_group *group = find(groups, name);

	if (group->messages && group->last_qid == qid)
		return;
	group->last_qid = qid;
	add(group, 1, octets, arrived_ms);
}

void ctl_groups_join(struct ctl_groups *sum, const struct ctl_groups *part)
{
	const struct ctl_group *others = &part->others;

	list_each (&part->all, node) {
		const struct ctl_group *group = list_entry(node, struct ctl_group, node);

		add(find(sum, span_text(group->name)), group->messages, group->octets,
		    group->oldest_ms);
	}
	if (others->messages)
		add(&sum->others, others->messages, others->octets, others->oldest_ms);
}

static json_t *group_view(const struct ctl_group *group, int64_t now_ms)
{
	const char *name = group->name;
	const char *cut = name ? strchr(name, '\n') : NULL;
	json_t *out = json_object();

	if (cut)
		json_object_set_new(out, "stand", json_stringn(name, (size_t)(cut - name)));
	json_object_set_new(out, "name", ctl_text(cut ? cut + 1 : name));
	json_object_set_new(out, "messages", json_integer((json_int_t)group->messages));
	json_object_set_new(out, "octets", json_integer((json_int_t)group->octets));
	json_object_set_new(out, "oldest", ctl_time(group->oldest_ms));
	json_object_set_new(out, "age_s", ctl_seconds(now_ms - group->oldest_ms));
	return out;
}

static int by_messages(const void *a, const void *b)
{
	const struct ctl_group *x = *(struct ctl_group *const *)a,
			       *y = *(struct ctl_group *const *)b;

	if (x->messages != y->messages)
		return x->messages < y->messages ? 1 : -1;
	return strcmp(x->name, y->name);
}

json_t *ctl_groups_view(const struct ctl_groups *groups, int64_t now_ms)
{
	struct ctl_group **sorted = mem_array(groups->all.count, sizeof(struct ctl_group *));
	json_t *out = json_array();
	size_t n = 0;

	list_each (&groups->all, node)
		sorted[n++] = list_entry(node, struct ctl_group, node);
	qsort(sorted, n, sizeof(struct ctl_group *), by_messages);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(out, group_view(sorted[i], now_ms));
	if (groups->others.messages)
		json_array_append_new(out, group_view(&groups->others, now_ms));
	free(sorted);
	return out;
}
