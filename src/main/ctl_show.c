/* posternctl queue show. */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>

enum { SHOWN_MOST = 20 }; /* as much as the daemon answers at once */

int ctl_ask_whole(const struct ctl_command *command, json_t **messages_out, json_t **missing_out)
{
	int code = EX_OK;

	*messages_out = json_array();
	*missing_out = json_array();
	if (!ctl_are_qids(command->words, command->count))
		return EX_USAGE;
	for (int i = 0; i < command->count && code == EX_OK; i += SHOWN_MOST) {
		json_t *qids = ctl_qids(command->words + i, command->count - i, SHOWN_MOST);
		json_t *answer =
			ctl_request(command, json_pack("{ssso}", "verb", "show", "qids", qids),
				    &code);

		json_array_extend(*messages_out, json_object_get(answer, "messages"));
		json_array_extend(*missing_out, json_object_get(answer, "missing"));
		json_decref(answer);
	}
	return code;
}

int ctl_tell_missing(const json_t *missing)
{
	json_t *qid;
	size_t i;

	json_array_foreach(missing, i, qid)
		fprintf(stderr, "posternctl: %s is not in the queue\n", json_string_value(qid));
	return json_array_size(missing) ? EX_NOINPUT : EX_OK;
}

static void print_pair(const char *name, const char *value)
{
	printf("%-11s ", name);
	ctl_print_text(*value ? value : "-", 0);
	putchar('\n');
}

static void print_reply(const char *name, const json_t *object)
{
	struct buf reply = { 0 };
	char *text;

	ctl_put_reply(object, "text", &reply);
	text = buf_take_text(&reply);
	if (*text)
		print_pair(name, text);
	free(text);
}

static void print_recipient(const json_t *recipient)
{
	print_pair("recipient", ctl_field(recipient, "address"));
	print_pair("  state", ctl_field(recipient, "state"));
	if (*ctl_field(recipient, "smarthost"))
		print_pair("  smarthost", ctl_field(recipient, "smarthost"));
	print_reply(ctl_number(recipient, "code") ? "  reply" : "  reason", recipient);
}

static void print_try(const json_t *one)
{
	printf("%-11s %s", "try", ctl_field(one, "first"));
	if (ctl_number(one, "times") > 1)
		printf(" to %s, %lld times", ctl_field(one, "last"), ctl_number(one, "times"));
	printf(", %lld recipient%s\n", ctl_number(one, "recipients"),
	       ctl_number(one, "recipients") == 1 ? "" : "s");
	if (*ctl_field(one, "smarthost"))
		print_pair("  smarthost", ctl_field(one, "smarthost"));
	print_reply(ctl_number(one, "code") ? "  reply" : "  reason", one);
}

/* "8bit, binary, SMTPUTF8": what a smarthost must be able to do for it, or what is converted. */
static void print_form(const json_t *message)
{
	const json_t *form = json_object_get(message, "form");
	json_t *word;
	size_t i;

	printf("%-11s ", "form");
	if (json_array_size(form) == 0)
		printf("7bit");
	json_array_foreach(form, i, word)
		printf("%s%s", i ? ", " : "",
		       json_string_value(word) ? json_string_value(word) : "");
	if (ctl_is_true(message, "smtputf8"))
		printf(", SMTPUTF8");
	if (ctl_is_true(message, "requiretls"))
		printf(", REQUIRETLS");
	putchar('\n');
}

static void print_message(const json_t *message)
{
	const char *sender = ctl_field(message, "sender");
	json_t *one;
	size_t i;

	print_pair("qid", ctl_field(message, "qid"));
	print_pair("sid", ctl_field(message, "sid"));
	print_pair("account", ctl_field(message, "account"));
	print_pair("sender", *sender ? sender : "<>");
	if (*ctl_field(message, "envid"))
		print_pair("envid", ctl_field(message, "envid"));
	printf("%-11s %lld\n", "size", ctl_number(message, "size"));
	print_form(message);
	print_pair("arrived", ctl_field(message, "arrived"));
	if (*ctl_field(message, "release"))
		print_pair("release", ctl_field(message, "release"));
	printf("%-11s %s: %s\n", "stand", ctl_field(message, "stand"),
	       ctl_field(message, "stand_text"));
	if (strcmp(ctl_field(message, "stand"), "no-smarthost") == 0)
		print_pair("reason", ctl_field(message, "reason"));
	printf("%-11s %lld\n", "tries", ctl_number(message, "attempts"));
	print_pair("last try", ctl_field(message, "last"));
	print_pair("next try", ctl_field(message, "next"));
	print_pair("warning",
		   ctl_is_true(message, "warned") ? "was sent" : ctl_field(message, "warn"));
	print_pair("expires", ctl_field(message, "expire"));
	json_array_foreach(json_object_get(message, "recipients"), i, one) print_recipient(one);
	json_array_foreach(json_object_get(message, "tries"), i, one) print_try(one);
}

static void print_messages(const json_t *messages)
{
	json_t *message;
	size_t i;

	json_array_foreach(messages, i, message)
	{
		if (i)
			putchar('\n');
		print_message(message);
	}
}

int ctl_run_queue_show(const struct ctl_command *command)
{
	json_t *messages, *missing;
	int code = ctl_ask_whole(command, &messages, &missing);

	if (code == EX_OK && command->is_json) {
		json_t *answer =
			json_pack("{sbsOsO}", "ok", 1, "messages", messages, "missing", missing);

		ctl_print_json(answer);
		json_decref(answer);
	} else if (code == EX_OK) {
		print_messages(messages);
	}
	if (code == EX_OK)
		code = ctl_tell_missing(missing);
	json_decref(messages);
	json_decref(missing);
	return code;
}
