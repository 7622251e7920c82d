#include "help.h"

#include <stdio.h>
#include <stdlib.h>

static const char *etc; /* the directory of the committed files */

static char *read_etc(const char *name)
{
	struct buf out = { 0 };
	char path[4096];
	FILE *file;
	size_t n;

	snprintf(path, sizeof(path), "%s/%s", etc, name);
	file = fopen(path, "r");
	assert_non_null(file);
	while ((n = fread(buf_room(&out, 4096), 1, 4096, file)) > 0)
		buf_grew(&out, n);
	fclose(file);
	return buf_take_text(&out);
}

static char *made(void (*make)(struct buf *out))
{
	struct buf out = { 0 };

	make(&out);
	return buf_take_text(&out);
}

static char *shown(const struct conf *conf)
{
	struct buf out = { 0 };

	conf_show(conf, &out);
	return buf_take_text(&out);
}

/* "#key" becomes "key"; "# words" stays a comment. */
static void uncomment(char *text)
{
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		line += strspn(line, "\t");
		if (line[0] == '#' && line[1] >= 'a' && line[1] <= 'z')
			line[0] = ' ';
	}
}

static void the_committed_sample_is_current(void **state)
{
	char *committed = read_etc("postern.conf"), *now = made(conf_sample);

	(void)state;
	assert_string_equal(committed, now);
	free(committed);
	free(now);
}

static void commented_keys_stand_with_their_defaults(void **state)
{
	char *text = made(conf_sample), *plain, *full;
	struct conf *c = parse_good(text);

	(void)state;
	plain = shown(c);
	conf_free(&c);
	uncomment(text);
	c = parse_good(text);
	full = shown(c);
	conf_free(&c);
	assert_string_equal(plain, full);
	free(text);
	free(plain);
	free(full);
}

static size_t count_of(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what)) != NULL) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* What is shown holds every key, and means itself. */
static void what_is_shown_parses_to_itself(void **state)
{
	char *text = read_etc("postern.conf.small"), *once, *twice;
	struct conf *c = parse_good(text);

	(void)state;
	assert_true(count_of(text, "\n") < 15);
	once = shown(c);
	conf_free(&c);
	c = parse_good(once);
	twice = shown(c);
	assert_string_equal(once, twice);
	assert_non_null(strstr(once, "\n\tmechanisms = { \"PLAIN\", \"LOGIN\" }\n"));
	assert_non_null(strstr(once, "\n\tcommand_timeout = 5m\n"));
	conf_free(&c);
	free(text);
	free(once);
	free(twice);
}

static void octets_survive_being_shown(void **state)
{
	struct conf *c = parse_good(NEEDED "company = \"a \\\\ \\\" # { } \xc3\xbc\"\n");
	char *text = shown(c), *company = strdup(c->company);

	(void)state;
	conf_free(&c);
	c = parse_good(text);
	assert_string_equal(c->company, company);
	conf_free(&c);
	free(company);
	free(text);
}

/* As many as are shown where each section stands once. */
static void the_manual_has_every_key(void **state)
{
	struct conf *c = parse_good(NEEDED);
	char *text = shown(c), *manual = made(conf_manual);

	(void)state;
	assert_int_equal(count_of(manual, "* = _"), count_of(text, " = "));
	assert_non_null(strstr(manual, "*message\\_size* = _size_\n"));
	conf_free(&c);
	free(text);
	free(manual);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_committed_sample_is_current),
		cmocka_unit_test(commented_keys_stand_with_their_defaults),
		cmocka_unit_test(what_is_shown_parses_to_itself),
		cmocka_unit_test(octets_survive_being_shown),
		cmocka_unit_test(the_manual_has_every_key),
	};

	etc = argc > 1 ? argv[1] : "etc";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
