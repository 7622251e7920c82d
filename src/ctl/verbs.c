#include "inside.h"

#include <errno.h>

static const struct {
	const char *name;
	json_t *(*answer)(struct ctl_client *client, const json_t *request);
} verbs[] = {
	{ "status", ctl_status }, { "list", ctl_list },	    { "summary", ctl_summary },
	{ "show", ctl_show },	  { "act", ctl_act },	    { "export", ctl_export },
	{ "reload", ctl_reload }, { "revoke", ctl_revoke }, { "last-use", ctl_last_use },
};

json_t *ctl_refusal(const char *error)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "ok", json_false());
	json_object_set_new(answer, "error", ctl_text(error));
	return answer;
}

json_t *ctl_refusal_as(const char *kind, const char *error)
{
	json_t *answer = ctl_refusal(error);

	json_object_set_new(answer, "kind", json_string(kind));
	return answer;
}

json_t *ctl_refusal_of(const struct fault *fault)
{
	switch (fault->code) {
	case -EINVAL:
		return ctl_refusal_as("usage", fault->text);
	case -ENOENT:
		return ctl_refusal_as("missing", fault->text);
	default:
		return ctl_refusal(fault->text);
	}
}

json_t *ctl_success(void)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "ok", json_true());
	return answer;
}

json_t *ctl_answer(struct ctl_client *client, struct span request)
{
	json_t *root =
		json_loadb((const char *)request.at, request.len, JSON_REJECT_DUPLICATES, NULL);
	const char *verb = json_string_value(json_object_get(root, "verb"));
	json_t *answer;
	size_t i = 0;

	while (verb && i < sizeof(verbs) / sizeof(verbs[0]) && strcmp(verb, verbs[i].name) != 0)
		i++;
	if (verb == NULL || i == sizeof(verbs) / sizeof(verbs[0]))
		answer = ctl_refusal("the request is not {\"verb\": \"status\" | \"list\" | "
				     "\"summary\" | \"show\" | \"act\" | \"export\" | "
				     "\"reload\" | \"revoke\" | \"last-use\", ...} on one line");
	else
		answer = verbs[i].answer(client, root);
	json_decref(root);
	return answer;
}

static void run_reload(struct ctl_part *part)
{
	const struct ctl_conf *conf = &part->gather->conf;

	/* A fault without a code would pass for success. */
	if (conf->reload(conf->user, &part->fault) < 0 && part->fault.code == 0)
		fault_set(&part->fault, -1, "the configuration is not accepted");
}

static void run_nothing(struct ctl_part *part)
{
	(void)part;
}

/* The new configuration was posted to the loops before: each that answers has it. */
static json_t *await_loops(struct ctl *ctl)
{
	struct fault fault = { 0 };
	struct ctl_gather *gather =
		ctl_gather_shards(ctl, &(struct ctl_question){ .run = run_nothing }, &fault);

	if (gather == NULL)
		return ctl_refusal(fault.text);
	ctl_gather_free(&gather);
	return ctl_success();
}

json_t *ctl_reload(struct ctl_client *client, const json_t *request)
{
	struct fault fault = { 0 };
	struct ctl_gather *gather =
		ctl_gather_main(client->ctl, &(struct ctl_question){ .run = run_reload }, &fault);

	(void)request;
	if (gather == NULL)
		return ctl_refusal(fault.text);
	fault = gather->parts[0].fault;
	ctl_gather_free(&gather);
	if (fault.code)
		return ctl_refusal_as("configuration", fault.text);
	return await_loops(client->ctl);
}
