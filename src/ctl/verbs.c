#include "inside.h"

#include <stdio.h>

static const struct {
	const char *name;
	json_t *(*answer)(struct ctl *ctl, const json_t *request);
} verbs[] = {
	{ "status", ctl_status },
	{ "queue", ctl_queue },
	{ "reload", ctl_reload },
};

json_t *ctl_refusal(const char *error)
{
	json_t *answer = json_object();

	json_object_set_new(answer, "ok", json_false());
	json_object_set_new(answer, "error", ctl_text(error));
	return answer;
}

json_t *ctl_answer(struct ctl *ctl, struct span request)
{
	json_t *root =
		json_loadb((const char *)request.at, request.len, JSON_REJECT_DUPLICATES, NULL);
	const char *verb = json_string_value(json_object_get(root, "verb"));
	json_t *answer = NULL;

	for (size_t i = 0; verb && i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verb, verbs[i].name) == 0)
			answer = verbs[i].answer(ctl, root);
	json_decref(root);
	if (answer)
		return answer;
	return ctl_refusal(
		"the request is not {\"verb\": \"status\" | \"queue\" | \"reload\", ...} on "
		"one line");
}

static void run_reload(struct ctl_part *part)
{
	const struct ctl_conf *conf = &part->gather->conf;

	/* A fault without a code would pass for success. */
	if (conf->reload(conf->user, &part->fault) < 0 && part->fault.code == 0)
		fault_set(&part->fault, -1, "the configuration is not accepted");
}

json_t *ctl_reload(struct ctl *ctl, const json_t *request)
{
	struct fault fault = { 0 };
	struct ctl_gather *gather =
		ctl_gather_main(ctl, &(struct ctl_question){ .run = run_reload }, &fault);
	json_t *answer;

	(void)request;
	if (gather && gather->parts[0].fault.code)
		fault = gather->parts[0].fault;
	if (fault.code) {
		answer = ctl_refusal(fault.text);
	} else {
		answer = json_object();
		json_object_set_new(answer, "ok", json_true());
	}
	ctl_gather_free(&gather);
	return answer;
}
