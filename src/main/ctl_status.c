/* posternctl status, posternctl reload. */
#include "ctl.h"

#include "base/counters.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>

static void print_trouble(const char *what, const char *reason)
{
	if (*reason == '\0')
		return;
	printf("%s: ", what);
	ctl_print_text(reason, 0);
	putchar('\n');
}

static void print_logins(const json_t *down)
{
	char what[128];

	if (!json_is_object(down))
		return;
	snprintf(what, sizeof(what), "logins        down since %s, new sessions get 421",
		 ctl_field(down, "since"));
	print_trouble(what, ctl_field(down, "reason"));
}

static void print_overload(const json_t *overload)
{
	if (json_is_object(overload))
		printf("overload      since %s, %lld turned away; see limits.overload\n",
		       ctl_field(overload, "since"), ctl_number(overload, "refused"));
}

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
	print_trouble("spool         takes no new mail", ctl_field(answer, "refusing"));
	print_logins(json_object_get(answer, "logins_down"));
	print_overload(json_object_get(answer, "overload"));
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

static void print_offers(const json_t *smarthost)
{
	const json_t *offers = json_object_get(smarthost, "offers"), *one;
	size_t i;

	if (!json_is_array(offers)) {
		puts("               offers: not known, nobody has talked to it yet");
		return;
	}
	fputs("               offers: ", stdout);
	json_array_foreach(offers, i, one)
	{
		fputs(i ? ", " : "", stdout);
		ctl_print_text(json_string_value(one), 0);
	}
	puts(i ? "" : "no extension");
}

static void print_smarthosts(const json_t *smarthosts)
{
	const json_t *one;
	size_t i;

	puts("\nSMARTHOST       BUSY  IDLE       RATE  ADDRESS  STATE");
	json_array_foreach(smarthosts, i, one)
	{
		print_smarthost(one);
		print_offers(one);
	}
}

/* Of a daemon of another version there may be counters that are not known here. */
static const char *help_of(const char *counter)
{
	for (unsigned i = 0; i < counter_count; i++)
		if (strcmp(counter_names[i].name, counter) == 0)
			return counter_names[i].help;
	return "";
}

static void print_status(const json_t *answer)
{
	const char *name;
	json_t *one;

	print_head(answer);
	print_smarthosts(json_object_get(answer, "smarthosts"));
	puts("\nCOUNTER                     VALUE  WHAT");
	json_object_foreach(json_object_get(answer, "counters"), name, one)
	{
		const char *help = help_of(name);

		printf("%-22s %10lld%s%s\n", name, (long long)json_integer_value(one),
		       *help ? "  " : "", help);
	}
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
