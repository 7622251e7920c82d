/* posternctl: talking to the daemon and to the person. */
#include "ctl.h"

#include "ctl/ctl.h"
#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

int ctl_told(const struct fault *fault, int otherwise)
{
	fprintf(stderr, "posternctl: %s\n", fault->text);
	switch (fault->code) {
	case -EACCES:
	case -EPERM:
		return EX_NOPERM;
	case -EAGAIN:
	case -ETIMEDOUT:
		return EX_TEMPFAIL;
	default:
		return otherwise;
	}
}

struct conf *ctl_load(const struct ctl_command *command, int *exit_out)
{
	struct fault fault = { 0 };
	struct conf *conf = load_conf(command->file, &fault);

	if (conf == NULL)
		*exit_out = ctl_told(&fault, EX_CONFIG);
	return conf;
}

static char *ask(const struct ctl_command *command, const char *request, int *exit_out)
{
	struct fault fault = { 0 };
	const char *path = command->socket;
	struct conf *conf = NULL;
	char *line;

	if (path == NULL) {
		conf = ctl_load(command, exit_out);
		if (conf == NULL)
			return NULL;
		path = conf->control;
	}
	line = ctl_ask(path, request, &fault);
	if (line == NULL)
		*exit_out = ctl_told(&fault, EX_UNAVAILABLE);
	conf_free(&conf);
	return line;
}

json_t *ctl_request(const struct ctl_command *command, json_t *request, int *exit_out)
{
	char *text = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
	char *line = ask(command, text, exit_out);
	json_t *answer = NULL;

	json_decref(request);
	free(text);
	if (line == NULL)
		return NULL;
	answer = json_loads(line, 0, NULL);
	free(line);
	if (json_is_true(json_object_get(answer, "ok")))
		return answer;
	if (command->is_json && answer)
		ctl_print_json(answer);
	fprintf(stderr, "posternctl: %s\n",
		answer ? ctl_field(answer, "error") : "the answer is not JSON");
	*exit_out = EX_UNAVAILABLE;
	json_decref(answer);
	return NULL;
}

void ctl_print_json(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	putchar('\n');
}

const char *ctl_field(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

long long ctl_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}
