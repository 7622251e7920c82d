/* posternctl status, posternctl reload. */
#include "ctl.h"

#include <stdio.h>
#include <sysexits.h>

static void print_head(const json_t *answer)
{
	long long up = ctl_number(answer, "uptime_s"), messages = ctl_number(answer, "messages");

	printf("version       %s\n", ctl_field(answer, "version"));
	printf("pid           %lld\n", ctl_number(answer, "pid"));
	printf("started       %s (%lldd %02lld:%02lld:%02lld)\n", ctl_field(answer, "started"),
	       up / 86400, up / 3600 % 24, up / 60 % 60, up % 60);
	printf("loops         %lld\n", ctl_number(answer, "loops"));
	printf("certificate   until %s\n", ctl_field(answer, "certificate_expires"));
	printf("queue         %lld message%s, %lld of them held by hand\n", messages,
	       messages == 1 ? "" : "s", ctl_number(answer, "held"));
	if (!*ctl_field(answer, "refusing"))
		return;
	fputs("spool         takes no new mail: ", stdout);
	ctl_print_text(ctl_field(answer, "refusing"), 0);
	putchar('\n');
}

static void print_state(const json_t *s)
{
	long long pause_ms = ctl_number(s, "paused_ms"), rated_ms = ctl_number(s, "rated_ms");

	if (pause_ms) {
		printf("left alone for %lld s: ", (pause_ms + 999) / 1000);
		ctl_print_text(ctl_reason_of(s), 0);
	} else if (rated_ms) {
		printf("at its rate, the next message in %lld s", (rated_ms + 999) / 1000);
	} else {
		fputs("in use", stdout);
	}
}

static void print_smarthost(const json_t *s)
{
	ctl_print_text(ctl_field(s, "name"), 14);
	printf(" %5lld %5lld  ", ctl_number(s, "busy"), ctl_number(s, "idle"));
	if (ctl_number(s, "rate"))
		printf("%5lld/min  ", ctl_number(s, "rate"));
	else
		printf("%9s  ", "-");
	ctl_print_text(ctl_field(s, "host"), 0);
	printf(":%lld  ", ctl_number(s, "port"));
	print_state(s);
	putchar('\n');
}

static void print_status(const json_t *answer)
{
	const char *name;
	json_t *one;
	size_t i;

	print_head(answer);
	puts("\nSMARTHOST       BUSY  IDLE       RATE  ADDRESS  STATE");
	json_array_foreach(json_object_get(answer, "smarthosts"), i, one) print_smarthost(one);
	puts("\nCOUNTER                     VALUE");
	json_object_foreach(json_object_get(answer, "counters"), name, one)
		printf("%-22s %10lld\n", name, (long long)json_integer_value(one));
}

int ctl_run_status(const struct ctl_command *command)
{
	int code = EX_OK;
	json_t *answer = ctl_request(command, json_pack("{ss}", "verb", "status"), &code);

	if (answer && command->is_json)
		ctl_print_json(answer);
	else if (answer)
		print_status(answer);
	json_decref(answer);
	return code;
}

int ctl_run_reload(const struct ctl_command *command)
{
	int code = EX_OK;
	json_t *answer = ctl_request(command, json_pack("{ss}", "verb", "reload"), &code);

	if (answer && command->is_json)
		ctl_print_json(answer);
	json_decref(answer);
	return code;
}
