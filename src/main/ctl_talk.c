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

static struct ctl_talk *start_talk(const struct ctl_command *command, const char *request,
				   int *exit_out)
{
	struct fault fault = { 0 };
	const char *path = command->socket;
	struct conf *conf = NULL;
	struct ctl_talk *talk;

	if (path == NULL) {
		conf = ctl_load(command, exit_out);
		if (conf == NULL) {
			fprintf(stderr, "posternctl: -s SOCKET (most often /run/postern/control) "
					"asks the daemon without this file\n");
			return NULL;
		}
		path = conf->control;
	}
	talk = ctl_talk_open(path, request, &fault);
	if (talk == NULL)
		*exit_out = ctl_told(&fault, EX_UNAVAILABLE);
	conf_free(&conf);
	return talk;
}

/* NULL: told. */
static json_t *next_line(struct ctl_talk *talk, int *exit_out)
{
	struct fault fault = { 0 };
	struct span text;
	json_t *line;

	if (ctl_talk_line(talk, &text, &fault) < 0) {
		*exit_out = ctl_told(&fault, EX_UNAVAILABLE);
		return NULL;
	}
	line = json_loadb((const char *)text.at, text.len, 0, NULL);
	if (json_is_object(line))
		return line;
	json_decref(line);
	fprintf(stderr, "posternctl: the answer is not JSON\n");
	*exit_out = EX_UNAVAILABLE;
	return NULL;
}

/* The last line; NULL: told, or each() said so. */
static json_t *hear(struct ctl_talk *talk, int (*each)(void *user, json_t *line), void *user,
		    int *exit_out)
{
	json_t *line;

	while ((line = next_line(talk, exit_out)) != NULL) {
		if (json_object_get(line, "ok"))
			return line;
		*exit_out = each ? each(user, line) : EX_OK;
		json_decref(line);
		if (*exit_out != EX_OK)
			return NULL;
	}
	return NULL;
}

/* How the daemon's refusal ends us. */
static int exit_of(const json_t *refusal)
{
	static const struct {
		const char *kind;
		int code;
	} kinds[] = { { "usage", EX_USAGE },
		      { "missing", EX_NOINPUT },
		      { "configuration", EX_CONFIG } };

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(ctl_field(refusal, "kind"), kinds[i].kind) == 0)
			return kinds[i].code;
	return EX_UNAVAILABLE;
}

json_t *ctl_converse(const struct ctl_command *command, json_t *request,
		     int (*each)(void *user, json_t *line), void *user, int *exit_out)
{
	char *text = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct ctl_talk *talk = start_talk(command, text, exit_out);
	json_t *last = NULL;

	json_decref(request);
	free(text);
	if (talk)
		last = hear(talk, each, user, exit_out);
	ctl_talk_close(&talk);
	if (last == NULL || ctl_is_true(last, "ok"))
		return last;
	/* Lines that were printed before would not make one answer with it. */
	if (command->is_json && each == NULL)
		ctl_print_json(last);
	fprintf(stderr, "posternctl: %s\n", ctl_field(last, "error"));
	*exit_out = exit_of(last);
	json_decref(last);
	return NULL;
}

json_t *ctl_request(const struct ctl_command *command, json_t *request, int *exit_out)
{
	return ctl_converse(command, request, NULL, NULL, exit_out);
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

bool ctl_is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

long long ctl_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}
