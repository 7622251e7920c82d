/* posternctl queue why: what a person would say about a message that is still here. */
#include "ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { RECIPIENTS_MOST = 10 };

/* One message's explanation, line by line. */
struct why {
	const json_t *message;
	json_t *lines;
	struct buf line;
};

static void end_line(struct why *why)
{
	struct span text = buf_span(&why->line);

	json_array_append_new(why->lines, json_stringn((const char *)text.at, text.len));
	buf_clear(&why->line);
}

static void say(struct why *why, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void say(struct why *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&why->line, fmt, ap);
	va_end(ap);
	end_line(why);
}

static const char *plural(long long n)
{
	return n == 1 ? "" : "s";
}

static void say_what(struct why *why)
{
	const json_t *m = why->message;
	const char *sender = ctl_field(m, "sender"), *account = ctl_field(m, "account");

	buf_printf(&why->line, "%s: from <%s>", ctl_field(m, "qid"), sender);
	if (*account)
		buf_printf(&why->line, ", handed in by %s", account);
	buf_printf(&why->line, ", %lld octets, here since %s (", ctl_number(m, "size"),
		   ctl_field(m, "arrived"));
	ctl_put_seconds(ctl_number(m, "age_s"), &why->line);
	buf_put_text(&why->line, ")");
	end_line(why);
}

static bool has_form(const struct why *why, const char *word)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(why->message, "form"), i, one)
	{
		if (json_is_string(one) && strcmp(json_string_value(one), word) == 0)
			return true;
	}
	return false;
}

/* What is plain needs no words. */
static void say_form(struct why *why)
{
	bool is_utf8 = ctl_is_true(why->message, "smtputf8");
	bool is_tls = ctl_is_true(why->message, "requiretls");

	if (has_form(why, "binary"))
		say(why, "Its content is binary; it is converted for a smarthost that takes only "
			 "lines.");
	else if (has_form(why, "8bit"))
		say(why, "Its content is 8-bit; it is converted for a smarthost that does not take "
			 "that.");
	if (is_utf8)
		say(why, "Its sender wants addresses and headers beyond ASCII (SMTPUTF8).");
	if (is_tls)
		say(why, "Its sender wants it to go over verified TLS all the way (REQUIRETLS).");
}

static void say_who(struct why *why)
{
	const json_t *m = why->message;
	long long waiting = ctl_number(m, "waiting"), told = 0;
	json_t *one;
	size_t i;

	say(why, "It waits for %lld of %lld recipient%s:", waiting, ctl_number(m, "nrcpt"),
	    plural(ctl_number(m, "nrcpt")));
	json_array_foreach(json_object_get(m, "recipients"), i, one)
	{
		if (strcmp(ctl_field(one, "state"), "waiting") != 0 || told++ >= RECIPIENTS_MOST)
			continue;
		buf_printf(&why->line, "  <%s>", ctl_field(one, "address"));
		if (*ctl_field(one, "text") || ctl_number(one, "code"))
			buf_put_text(&why->line, "  ");
		ctl_put_reply(one, "text", &why->line);
		end_line(why);
	}
	if (told > RECIPIENTS_MOST)
		say(why, "  and %lld more; \"posternctl queue show %s\" names them",
		    told - RECIPIENTS_MOST, ctl_field(m, "qid"));
}

static void say_try(struct why *why, const json_t *one)
{
	const char *smarthost = ctl_field(one, "smarthost");
	long long times = ctl_number(one, "times"), n = ctl_number(one, "recipients");

	buf_printf(&why->line, "  %s", ctl_field(one, "first"));
	if (times > 1)
		buf_printf(&why->line, " to %s, %lld times", ctl_field(one, "last"), times);
	if (n > 1)
		buf_printf(&why->line, ", for %lld recipients", n);
	if (ctl_number(one, "code"))
		buf_printf(&why->line, ", %s answered: ", *smarthost ? smarthost : "a smarthost");
	else
		buf_printf(&why->line, "%s%s: ", *smarthost ? ", " : "", smarthost);
	ctl_put_reply(one, "text", &why->line);
	end_line(why);
}

static void say_tries(struct why *why)
{
	const json_t *m = why->message, *tries = json_object_get(m, "tries");
	long long attempts = ctl_number(m, "attempts");
	json_t *one;
	size_t i;

	if (attempts == 0 && json_array_size(tries) == 0) {
		say(why, "It has not been tried yet.");
		return;
	}
	/* What an earlier version queued has no list of them. */
	say(why, "Tried %lld time%s, the last at %s%s", attempts, plural(attempts),
	    *ctl_field(m, "last") ? ctl_field(m, "last") : "-", json_array_size(tries) ? ":" : ".");
	json_array_foreach(tries, i, one) say_try(why, one);
}

static void put_address(struct why *why, const json_t *smarthost)
{
	buf_printf(&why->line, "%s (%s:%lld)", ctl_field(smarthost, "name"),
		   ctl_field(smarthost, "host"), ctl_number(smarthost, "port"));
}

static void say_active(struct why *why)
{
	json_t *one;
	size_t i, busy = 0;

	buf_put_text(&why->line, "It is being sent now");
	json_array_foreach(json_object_get(why->message, "smarthosts"), i, one)
	{
		if (ctl_number(one, "busy") == 0)
			continue;
		buf_put_text(&why->line, busy++ ? " or " : ", by a connection to ");
		put_address(why, one);
	}
	buf_put_char(&why->line, '.');
	end_line(why);
	say(why, "Nothing is to be done: the outcome comes with the smarthost's answer.");
}

static void say_line(struct why *why)
{
	long long ahead = ctl_number(why->message, "ahead");

	if (ahead)
		say(why,
		    "It is due, and waits for its turn: %lld message%s of the same account "
		    "stand%s before it.",
		    ahead, plural(ahead), ahead == 1 ? "s" : "");
	else
		say(why, "It is due, and waits for its turn.");
	say(why, "It goes by itself as soon as a connection has room; more connections of a "
		 "smarthost (smarthost.connections) make it sooner.");
}

static void say_smarthost(struct why *why, const json_t *one)
{
	long long paused_ms = ctl_number(one, "paused_ms");

	buf_put_text(&why->line, "  ");
	put_address(why, one);
	if (*ctl_reason_of(one))
		buf_printf(&why->line, ": %s", ctl_reason_of(one));
	if (paused_ms) {
		buf_put_text(&why->line, "; asked again in ");
		ctl_put_seconds((paused_ms + 999) / 1000, &why->line);
	} else {
		buf_put_text(&why->line, *ctl_field(one, "reason") ? "; may be asked again now"
								   : ": may be asked now");
	}
	end_line(why);
}

static void say_no_smarthost(struct why *why)
{
	json_t *one;
	size_t i;

	say(why, "It is due, but no smarthost can be reached:");
	json_array_foreach(json_object_get(why->message, "smarthosts"), i, one)
		say_smarthost(why, one);
	say(why,
	    "It goes as soon as one of them can be reached. To ask them now: posternctl queue "
	    "flush %s",
	    ctl_field(why->message, "qid"));
}

static void say_rate(struct why *why)
{
	json_t *one;
	size_t i;

	say(why, "It is due, but the smarthosts may be given no more messages now:");
	json_array_foreach(json_object_get(why->message, "smarthosts"), i, one)
	{
		if (ctl_number(one, "rate") == 0 || ctl_number(one, "rated_ms") == 0) {
			say_smarthost(why, one);
			continue;
		}
		buf_put_text(&why->line, "  ");
		put_address(why, one);
		buf_printf(&why->line, ": %lld message%s a minute; the next in ",
			   ctl_number(one, "rate"), plural(ctl_number(one, "rate")));
		ctl_put_seconds((ctl_number(one, "rated_ms") + 999) / 1000, &why->line);
		end_line(why);
	}
	say(why,
	    "It goes by itself in its turn. Only a higher rate (smarthost.rate) makes it sooner.");
}

static void say_retry(struct why *why)
{
	const json_t *m = why->message;

	buf_printf(&why->line, "It pauses; the next try is at %s, in ",
		   *ctl_field(m, "next") ? ctl_field(m, "next") : "-");
	ctl_put_seconds(ctl_number(m, "next_s"), &why->line);
	buf_put_char(&why->line, '.');
	end_line(why);
	say(why, "To try now: posternctl queue flush %s", ctl_field(m, "qid"));
}

static void say_future(struct why *why)
{
	const json_t *m = why->message;

	buf_printf(&why->line, "Its sender wants it to go at %s, in ",
		   *ctl_field(m, "release") ? ctl_field(m, "release") : "-");
	ctl_put_seconds(ctl_number(m, "next_s"), &why->line);
	buf_put_text(&why->line, "; until then nothing is tried, and its time does not run.");
	end_line(why);
	say(why, "To send it now all the same: posternctl queue flush %s", ctl_field(m, "qid"));
}

static void say_held(struct why *why)
{
	const json_t *m = why->message;

	say(why, "It is held by hand: nothing is tried, but its time runs.");
	if (ctl_number(m, "release_s") > 0)
		say(why, "Its sender wants it to go at %s, not sooner.", ctl_field(m, "release"));
	say(why, "To let it go now: posternctl queue release %s", ctl_field(m, "qid"));
}

static void say_notice(struct why *why)
{
	say(why, "A notice to its sender is being written; then it goes on, or is settled.");
}

static const struct {
	const char *word;
	void (*say)(struct why *why);
} stands[] = {
	{ "active", say_active }, { "line", say_line },	    { "no-smarthost", say_no_smarthost },
	{ "rate", say_rate },	  { "retry", say_retry },   { "held", say_held },
	{ "future", say_future }, { "notice", say_notice },
};

static void say_stand(struct why *why)
{
	const char *word = ctl_field(why->message, "stand");

	for (size_t i = 0; i < sizeof(stands) / sizeof(stands[0]); i++)
		if (strcmp(word, stands[i].word) == 0)
			stands[i].say(why);
}

static void say_due(struct why *why, const char *what, const char *when, const char *in)
{
	const json_t *m = why->message;

	if (*ctl_field(m, when) == '\0')
		return;
	buf_put_text(&why->line, what);
	if (ctl_number(m, in) == 0) {
		buf_put_text(&why->line, "at the next occasion.");
	} else {
		buf_put_text(&why->line, "in ");
		ctl_put_seconds(ctl_number(m, in), &why->line);
		buf_printf(&why->line, ", at %s.", ctl_field(m, when));
	}
	end_line(why);
}

static json_t *explain(const json_t *message)
{
	struct why why = { .message = message, .lines = json_array() };

	say_what(&why);
	say_form(&why);
	say_who(&why);
	say_tries(&why);
	say_stand(&why);
	if (ctl_is_true(message, "warned"))
		say(&why, "Its sender has had a delay notice.");
	say_due(&why, "Its sender gets a delay notice ", "warn", "warn_s");
	say_due(&why, "It is given up, with a notice to its sender, ", "expire", "expire_s");
	buf_fini(&why.line);
	return why.lines;
}

static void print_lines(const json_t *lines)
{
	json_t *line;
	size_t i;

	json_array_foreach(lines, i, line)
	{
		ctl_print_text(json_string_value(line), 0);
		putchar('\n');
	}
}

static void explain_all(json_t *messages, bool is_json)
{
	json_t *message;
	size_t i;

	json_array_foreach(messages, i, message)
	{
		json_object_set_new(message, "why", explain(message));
		if (i && !is_json)
			putchar('\n');
		if (!is_json)
			print_lines(json_object_get(message, "why"));
	}
}

int ctl_run_queue_why(const struct ctl_command *command)
{
	json_t *messages, *missing;
	int code = ctl_ask_whole(command, &messages, &missing);

	if (code == EX_OK) {
		explain_all(messages, command->is_json);
		if (command->is_json) {
			json_t *answer = json_pack("{sbsOsO}", "ok", 1, "messages", messages,
						   "missing", missing);

			ctl_print_json(answer);
			json_decref(answer);
		}
		code = ctl_tell_missing(missing);
	}
	json_decref(messages);
	json_decref(missing);
	return code;
}
