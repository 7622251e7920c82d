/* posternctl: which messages are meant. */
#include "ctl.h"

#include "base/id.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

bool ctl_read_duration(const char *text, long long *ms_out)
{
	static const struct {
		char letter;
		int seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 7 * 86400 } };
	struct span s = span_text(text);
	uint64_t number;

	if (s.len < 2 || span_number(span_first(s, s.len - 1), &number) < 0 || number > 1000000)
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (units[i].letter == (char)s.at[s.len - 1]) {
			*ms_out = (long long)number * units[i].seconds * 1000;
			return true;
		}
	return false;
}

static json_t *value_of(const char *key, const char *text)
{
	long long ms;

	if (strcmp(key, "held") == 0)
		return json_true();
	if (strcmp(key, "older_ms") != 0 && strcmp(key, "newer_ms") != 0)
		return json_string(text);
	if (ctl_read_duration(text, &ms))
		return json_integer(ms);
	fprintf(stderr, "posternctl: %s: an age is a number with s, m, h, d or w: 90s, 4h, 2d\n",
		text);
	return NULL;
}

int ctl_filter_add(struct ctl_command *command, const char *key, const char *text)
{
	json_t *value = value_of(key, text);

	if (value == NULL && strcmp(key, "older_ms") != 0 && strcmp(key, "newer_ms") != 0)
		fprintf(stderr, "posternctl: what follows --%s is not UTF-8\n", key);
	if (value == NULL)
		return -EINVAL;
	if (command->filter == NULL)
		command->filter = json_object();
	json_object_set_new(command->filter, key, value);
	return 0;
}

bool ctl_are_qids(char **words, int count)
{
	uint64_t id;

	for (int i = 0; i < count; i++)
		if (id_parse(span_text(words[i]), &id) < 0) {
			fprintf(stderr,
				"posternctl: a QID is 13 letters and digits, as in the log\n");
			return false;
		}
	return true;
}

json_t *ctl_qids(char **words, int count, int most)
{
	json_t *out = json_array();

	for (int i = 0; i < count && i < most; i++)
		json_array_append_new(out, json_string(words[i]));
	return out;
}
