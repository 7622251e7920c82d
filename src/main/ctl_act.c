/* posternctl queue flush, hold, release, rm, bounce, reroute. */
#include "ctl.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { BATCH = 1000 }; /* as many QIDs as one request may hold */

static const struct {
	const char *verb, *asked, *done;
	bool is_final;
} actions[] = {
	{ "flush", "Flush", "flushed", false },	     { "hold", "Hold", "held", false },
	{ "release", "Release", "released", false }, { "rm", "Remove", "removed", true },
	{ "bounce", "Bounce", "bounced", true },     { "reroute", "Reroute", "rerouted", false },
};

static size_t action_of(const struct ctl_command *command)
{
	size_t i = 0;

	while (strcmp(command->verb, actions[i].verb) != 0)
		i++;
	return i;
}

static json_t *request_of(const struct ctl_command *command)
{
	json_t *request = json_pack("{ssss}", "verb", "act", "action", command->verb);

	if (command->is_all)
		json_object_set_new(request, "all", json_true());
	else if (command->filter)
		json_object_set(request, "filter", command->filter);
	return request;
}

/* Adds one batch's answer to the whole. */
static void add_answer(json_t *sum, const json_t *answer)
{
	static const char *const numbers[] = { "done", "failed_more", "late_more" };
	static const char *const arrays[] = { "missing", "failed", "late" };

	for (size_t i = 0; i < 3; i++) {
		long long n = ctl_number(sum, numbers[i]) + ctl_number(answer, numbers[i]);

		json_object_set_new(sum, numbers[i], json_integer(n));
		json_array_extend(json_object_get(sum, arrays[i]),
				  json_object_get(answer, arrays[i]));
	}
}

/* Progress says that it goes on; nobody needs to see it. */
static int on_progress(void *user, json_t *line)
{
	(void)user;
	(void)line;
	return EX_OK;
}

static int ask_once(const struct ctl_command *command, json_t *request, json_t *sum)
{
	int code = EX_OK;
	json_t *answer = ctl_converse(command, request, on_progress, NULL, &code);

	if (answer)
		add_answer(sum, answer);
	json_decref(answer);
	return code;
}

static int act_on_qids(const struct ctl_command *command, json_t *sum)
{
	int code = EX_OK;

	if (!ctl_are_qids(command->words, command->count))
		return EX_USAGE;
	for (int i = 0; i < command->count && code == EX_OK; i += BATCH) {
		json_t *request = request_of(command);

		json_object_set_new(request, "qids",
				    ctl_qids(command->words + i, command->count - i, BATCH));
		code = ask_once(command, request, sum);
	}
	return code;
}

static int confirm(const char *asked, long long count)
{
	char line[16] = "";

	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr,
			"posternctl: that is %lld messages, for good: say --yes if you mean it\n",
			count);
		return EX_USAGE;
	}
	fprintf(stderr, "%s %lld messages for good? [y/N] ", asked, count);
	if (fgets(line, sizeof(line), stdin) && (line[0] == 'y' || line[0] == 'Y'))
		return EX_OK;
	fprintf(stderr, "posternctl: nothing was done\n");
	return EX_TEMPFAIL;
}

/* What cannot be taken back is asked for once more when it is meant for more than one. */
static int make_sure(const struct ctl_command *command, size_t action)
{
	int code = EX_OK;
	json_t *request, *answer;

	if (!actions[action].is_final || command->is_sure)
		return EX_OK;
	request = json_pack("{ssss}", "verb", "summary", "by", "account");
	if (command->filter)
		json_object_set(request, "filter", command->filter);
	answer = ctl_request(command, request, &code);
	if (answer && ctl_number(answer, "messages") > 1)
		code = confirm(actions[action].asked, ctl_number(answer, "messages"));
	json_decref(answer);
	return code;
}

static void tell_failed(const json_t *failed, long long more)
{
	json_t *one;
	size_t i;

	json_array_foreach(failed, i, one) fprintf(stderr, "posternctl: %s: %s\n",
						   ctl_field(one, "qid"), ctl_field(one, "error"));
	if (more)
		fprintf(stderr, "posternctl: and %lld more failed\n", more);
}

static void tell_late(const json_t *late, long long more)
{
	json_t *qid;
	size_t i;

	json_array_foreach(late, i, qid)
		fprintf(stderr,
			"posternctl: %s is being sent now: in force once that attempt ends\n",
			json_string_value(qid));
	if (more)
		fprintf(stderr, "posternctl: and %lld more are being sent now\n", more);
}

static int tell(const struct ctl_command *command, size_t action, json_t *sum)
{
	const json_t *failed = json_object_get(sum, "failed"), *late = json_object_get(sum, "late");
	long long done = ctl_number(sum, "done");
	int code = EX_OK;

	json_object_set_new(sum, "ok", json_true());
	if (command->is_json)
		ctl_print_json(sum);
	else
		printf("%lld message%s %s\n", done, done == 1 ? "" : "s", actions[action].done);
	code = ctl_tell_missing(json_object_get(sum, "missing"));
	tell_late(late, ctl_number(sum, "late_more"));
	tell_failed(failed, ctl_number(sum, "failed_more"));
	if (json_array_size(late))
		code = EX_TEMPFAIL;
	if (json_array_size(failed))
		code = EX_IOERR;
	return code;
}

static int check_choice(const struct ctl_command *command)
{
	if ((command->count > 0) + (command->filter != NULL) + command->is_all == 1)
		return EX_OK;
	fprintf(stderr, "posternctl: one of these says which messages are meant: QIDs, filters, or "
			"--all\n");
	return EX_USAGE;
}

int ctl_run_queue_act(const struct ctl_command *command)
{
	size_t action = action_of(command);
	json_t *sum =
		json_pack("{sss[]s[]s[]}", "action", command->verb, "missing", "failed", "late");
	int code = check_choice(command);

	if (code == EX_OK && command->count) {
		code = act_on_qids(command, sum);
	} else if (code == EX_OK) {
		code = make_sure(command, action);
		if (code == EX_OK)
			code = ask_once(command, request_of(command), sum);
	}
	if (code == EX_OK)
		code = tell(command, action, sum);
	json_decref(sum);
	return code;
}
