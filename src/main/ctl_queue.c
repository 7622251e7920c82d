/* posternctl queue ls. */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

static void print_row(const json_t *message)
{
	const char *sender = ctl_field(message, "sender");
	struct buf reply = { 0 };
	char *text;

	printf("%-13s  %-20s  %10lld  %5lld  %5lld  %-12s  %-20s  ", ctl_field(message, "qid"),
	       ctl_field(message, "arrived"), ctl_number(message, "size"),
	       ctl_number(message, "waiting"), ctl_number(message, "attempts"),
	       ctl_field(message, "stand"),
	       *ctl_field(message, "next") ? ctl_field(message, "next") : "-");
	ctl_print_word(*sender ? sender : "<>", 24);
	printf("  ");
	ctl_print_word(ctl_field(message, "recipient"), 24);
	printf("  ");
	ctl_put_reply(message, "reason", &reply);
	text = buf_take_text(&reply);
	ctl_print_text(*text ? text : "-", 0);
	free(text);
	putchar('\n');
}

struct list {
	bool is_json, has_head;
	size_t count;
};

/* Once there is an answer: a table without one would pass for an empty queue. */
static void print_head(struct list *list)
{
	if (!list->is_json && !list->has_head)
		puts("QID            ARRIVED                     SIZE  RCPTS  TRIES  STAND         "
		     "NEXT                  SENDER                    RECIPIENT                 "
		     "REASON");
	list->has_head = true;
}

static void print_one(struct list *list, const json_t *message)
{
	if (list->is_json) {
		fputs(list->count ? "," : "{\"messages\":[", stdout);
		json_dumpf(message, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
	} else {
		print_row(message);
	}
	list->count++;
}

/* Printed as they come: a million of them need not fit in memory. */
static int on_page(void *user, json_t *line)
{
	struct list *list = user;
	json_t *message;
	size_t i;

	print_head(list);
	json_array_foreach(json_object_get(line, "messages"), i, message) print_one(list, message);
	return ferror(stdout) ? EX_IOERR : EX_OK;
}

static json_t *request_of(const struct ctl_command *command, const char *verb)
{
	json_t *request = json_object();

	json_object_set_new(request, "verb", json_string(verb));
	if (command->filter)
		json_object_set(request, "filter", command->filter);
	return request;
}

static int list_messages(const struct ctl_command *command)
{
	struct list list = { .is_json = command->is_json };
	int code = EX_OK;
	json_t *last;

	last = ctl_converse(command, request_of(command, "list"), on_page, &list, &code);
	if (last)
		print_head(&list);
	if (command->is_json && (last || list.count))
		printf("%s],\"ok\":%s}\n", list.count ? "" : "{\"messages\":[",
		       last ? "true" : "false");
	json_decref(last);
	return code;
}

static void print_group(const json_t *group)
{
	const char *stand = ctl_field(group, "stand"), *name = ctl_field(group, "name");

	printf("%10lld  %-20s  %14lld  ", ctl_number(group, "messages"), ctl_field(group, "oldest"),
	       ctl_number(group, "octets"));
	if (json_is_null(json_object_get(group, "name"))) {
		puts("(all others)");
		return;
	}
	if (*stand)
		printf("%s%s", stand, *name ? ": " : "");
	ctl_print_text(*name || *stand ? name : "(none)", 0);
	putchar('\n');
}

static void print_summary(const json_t *answer, const char *by)
{
	json_t *group;
	size_t i;

	printf("  MESSAGES  %-20s  %14s  ", "OLDEST", "OCTETS");
	for (; *by; by++)
		putchar(ascii_is_alnum((unsigned char)*by) ? *by - 32 : *by);
	putchar('\n');
	json_array_foreach(json_object_get(answer, "groups"), i, group) print_group(group);
	printf("%10lld  %-20s  %14lld  (all messages)\n", ctl_number(answer, "messages"),
	       *ctl_field(answer, "oldest") ? ctl_field(answer, "oldest") : "-",
	       ctl_number(answer, "octets"));
}

static int summarise(const struct ctl_command *command, const char *by)
{
	json_t *request = request_of(command, "summary"), *answer;
	int code = EX_OK;

	json_object_set_new(request, "by", json_string(by));
	answer = ctl_request(command, request, &code);
	if (answer && command->is_json)
		ctl_print_json(answer);
	else if (answer)
		print_summary(answer, ctl_field(answer, "by"));
	json_decref(answer);
	return code;
}

/* "--summary", "--summary=sender", "--summary sender", "--summary by sender". */
int ctl_run_queue_list(const struct ctl_command *command)
{
	int at = command->count == 2 && strcmp(command->words[0], "by") == 0;

	if (command->count > at + command->is_summary) {
		fprintf(stderr, "posternctl: too much: %s\n", command->words[0]);
		return EX_USAGE;
	}
	if (!command->is_summary)
		return list_messages(command);
	if (command->count > at)
		return summarise(command, command->words[at]);
	return summarise(command, command->by ? command->by : "reason");
}
