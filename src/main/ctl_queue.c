/* posternctl queue. */
#include "ctl.h"

#include "base/id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

static const char *next_try(const json_t *message)
{
	if (is_true(message, "active"))
		return "under way";
	return *ctl_field(message, "next") ? ctl_field(message, "next") : "at once";
}

static void print_sender(const json_t *message)
{
	const char *sender = ctl_field(message, "sender");

	ctl_print_text(*sender ? sender : "<>", 0);
}

static void print_row(const json_t *message)
{
	printf("%-13s  %-20s  %10lld  %5lld  %5lld  %-20s  ", ctl_field(message, "qid"),
	       ctl_field(message, "arrived"), ctl_number(message, "size"),
	       ctl_number(message, "waiting"), ctl_number(message, "attempts"), next_try(message));
	print_sender(message);
	printf("  ");
	ctl_print_text(ctl_field(message, "reason"), 0);
	putchar('\n');
}

static void print_rows(const json_t *messages)
{
	json_t *message;
	size_t i;

	json_array_foreach(messages, i, message) print_row(message);
}

static json_t *ask_page(const struct ctl_command *command, const char *after, int *exit_out)
{
	json_t *request = json_pack("{ss}", "verb", "queue");

	if (*after)
		json_object_set_new(request, "after", json_string(after));
	return ctl_request(command, request, exit_out);
}

/* All pages; rows are printed as they come, JSON as one answer. */
int ctl_run_queue_list(const struct ctl_command *command)
{
	json_t *all = json_array(), *answer, *page;
	char after[ID_TEXT_MAX] = "";
	bool more = true;
	int code = EX_OK;

	if (!command->is_json)
		puts("QID            ARRIVED                     SIZE  RCPTS  TRIES  NEXT"
		     "                  SENDER  REASON");
	while (more && (answer = ask_page(command, after, &code)) != NULL) {
		page = json_object_get(answer, "messages");
		if (command->is_json)
			json_array_extend(all, page);
		else
			print_rows(page);
		more = is_true(answer, "more") && json_array_size(page) > 0;
		if (more)
			snprintf(after, sizeof(after), "%s",
				 ctl_field(json_array_get(page, json_array_size(page) - 1), "qid"));
		json_decref(answer);
	}
	if (command->is_json && code == EX_OK) {
		answer = json_pack("{sbsO}", "ok", 1, "messages", all);
		ctl_print_json(answer);
		json_decref(answer);
	}
	json_decref(all);
	return code;
}

static void print_pair(const char *name, const char *value)
{
	printf("%-11s ", name);
	ctl_print_text(value, 0);
	putchar('\n');
}

static void print_recipient(const json_t *recipient)
{
	print_pair("recipient", ctl_field(recipient, "address"));
	print_pair("  state", ctl_field(recipient, "state"));
	if (*ctl_field(recipient, "smarthost"))
		print_pair("  smarthost", ctl_field(recipient, "smarthost"));
	if (*ctl_field(recipient, "text") == '\0')
		return;
	printf("%-11s ", ctl_number(recipient, "code") ? "  reply" : "  reason");
	if (ctl_number(recipient, "code"))
		printf("%lld ", ctl_number(recipient, "code"));
	if (*ctl_field(recipient, "status"))
		printf("%s ", ctl_field(recipient, "status"));
	ctl_print_text(ctl_field(recipient, "text"), 0);
	putchar('\n');
}

static void print_message(const json_t *message)
{
	json_t *recipient;
	size_t i;

	print_pair("qid", ctl_field(message, "qid"));
	print_pair("sid", ctl_field(message, "sid"));
	print_pair("account", ctl_field(message, "account"));
	printf("%-11s ", "sender");
	print_sender(message);
	printf("\n%-11s %lld\n", "size", ctl_number(message, "size"));
	print_pair("arrived", ctl_field(message, "arrived"));
	printf("%-11s %lld\n", "tries", ctl_number(message, "attempts"));
	print_pair("last try", ctl_field(message, "last"));
	print_pair("next try", next_try(message));
	json_array_foreach(json_object_get(message, "recipients"), i, recipient)
		print_recipient(recipient);
}

int ctl_run_queue_show(const struct ctl_command *command)
{
	struct span qid = span_text(command->words[0]);
	int code = EX_OK;
	json_t *answer;
	uint64_t id;

	if (id_parse(qid, &id) < 0) {
		fprintf(stderr, "posternctl: a QID is 13 letters and digits, as in the log\n");
		return EX_USAGE;
	}
	answer = ctl_request(command, json_pack("{ssss}", "verb", "queue", "qid", qid.at), &code);
	if (answer && command->is_json)
		ctl_print_json(answer);
	else if (answer)
		print_message(json_object_get(answer, "message"));
	json_decref(answer);
	return code;
}
