#include "ids.h"

#include "base/base64.h"
#include "base/id.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void run_find(struct ctl_part *part)
{
	struct ctl_ids *ids = part->mine;
	struct queue_view view;

	if (queue_find(part->shard.queue, ids->at[0].id, &view))
		ids->at[0].is_found = true;
	ctl_ids_unref(&ids);
}

/* Only what is in the queue is a message: the spool also holds what is still on its way in. */
static int find(struct ctl *ctl, struct ctl_ids *ids, struct fault *fault)
{
	void **mine = mem_array(ctl->conf.shard_count, sizeof(*mine));
	struct ctl_question question = { .run = run_find, .mine = mine };
	struct ctl_gather *gather;
	char qid[ID_TEXT_MAX];

	id_format(ids->at[0].id, qid);
	for (size_t i = 0; i < ctl->conf.shard_count; i++)
		mine[i] = ctl_ids_ref(ids);
	gather = ctl_gather_shards(ctl, &question, fault);
	free(mine);
	if (gather == NULL)
		return fault->code;
	ctl_gather_free(&gather);
	if (!ids->at[0].is_found)
		return fault_set(fault, -ENOENT, "%s is not in the queue", qid);
	return 0;
}

static bool send_part(struct ctl_client *client, const struct buf *part)
{
	struct buf text = { 0 };
	json_t *line = json_object();

	base64_encode(buf_span(part), &text);
	json_object_set_new(line, "content",
			    json_stringn((const char *)buf_span(&text).at, text.len));
	buf_fini(&text);
	return ctl_send(client, line);
}

/* Octets, or a fault. -EPIPE: nobody is there to hear it. */
static int64_t send_content(struct ctl_client *client, uint64_t qid, struct fault *fault)
{
	const struct ctl_conf *conf = &client->ctl->conf;
	int64_t octets = 0;

	for (unsigned index = 0;; index++) {
		struct buf part = { 0 };
		int r = conf->read_content(conf->user, qid, index, &part, fault);

		if (r == 0) {
			octets += (int64_t)part.len;
			r = send_part(client, &part) ? 0 : -EPIPE;
		}
		buf_fini(&part);
		if (r == -ENODATA)
			return octets;
		if (r == -ENOENT)
			fault_set(fault, r, "it was delivered or removed meanwhile");
		if (r < 0)
			return r;
	}
}

static json_t *export_one(struct ctl_client *client, struct ctl_ids *ids)
{
	struct fault fault = { 0 };
	int64_t octets = find(client->ctl, ids, &fault);
	json_t *last;

	if (octets == 0)
		octets = send_content(client, ids->at[0].id, &fault);
	if (octets == -EPIPE)
		return NULL;
	if (octets < 0)
		return ctl_refusal_of(&fault);
	last = ctl_success();
	json_object_set_new(last, "qid", ctl_id(ids->at[0].id));
	json_object_set_new(last, "octets", json_integer(octets));
	return last;
}

json_t *ctl_export(struct ctl_client *client, const json_t *request)
{
	struct fault fault = { 0 };
	struct ctl_ids *ids = ctl_ids_read(request, 1, &fault);
	json_t *last;

	if (ids == NULL)
		return ctl_refusal_of(&fault);
	last = export_one(client, ids);
	ctl_ids_unref(&ids);
	return last;
}
