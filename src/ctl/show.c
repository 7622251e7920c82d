#include "ids.h"

#include "base/mem.h"

#include <stdlib.h>

static void run_show(struct ctl_part *part)
{
	struct ctl_ids *ids = part->mine;
	int64_t now_ms = wall_now_ms();
	struct queue_view view;

	part->answer = json_array();
	for (size_t i = 0; i < ids->count; i++) {
		json_t *message;

		if (!queue_find(part->shard.queue, ids->at[i].id, &view))
			continue;
		ids->at[i].is_found = true;
		message = ctl_whole_message(&view, now_ms);
		json_object_set_new(message, "smarthosts", ctl_smarthosts(part->shard.relay));
		json_array_append_new(part->answer, message);
	}
	ctl_ids_unref(&ids);
}

static json_t *joined(const struct ctl_gather *gather, const struct ctl_ids *ids)
{
	json_t *out = ctl_success(), *messages = json_array();

	for (size_t i = 0; i < gather->count; i++)
		json_array_extend(messages, gather->parts[i].answer);
	json_object_set_new(out, "messages", messages);
	json_object_set_new(out, "missing", ctl_ids_missing(ids));
	return out;
}

json_t *ctl_show(struct ctl_client *client, const json_t *request)
{
	struct ctl *ctl = client->ctl;
	struct fault fault = { 0 };
	struct ctl_ids *ids = ctl_ids_read(request, CTL_SHOWN_MOST, &fault);
	struct ctl_gather *gather;
	json_t *last;
	void **mine;

	if (ids == NULL)
		return ctl_refusal_of(&fault);
	mine = mem_array(ctl->conf.shard_count, sizeof(*mine));
	for (size_t i = 0; i < ctl->conf.shard_count; i++)
		mine[i] = ctl_ids_ref(ids);
	gather = ctl_gather_shards(ctl, &(struct ctl_question){ .run = run_show, .mine = mine },
				   &fault);
	free(mine);
	last = gather ? joined(gather, ids) : ctl_refusal_of(&fault);
	ctl_gather_free(&gather);
	ctl_ids_unref(&ids);
	return last;
}
