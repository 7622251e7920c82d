#include "unknown.h"

#include <errno.h>

#define NAME_OCTETS 32

static size_t least_of(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Levenshtein's distance. */
static size_t distance(const char *a, const char *b)
{
	size_t row[NAME_OCTETS + 1], n = strlen(b);

	if (strlen(a) > NAME_OCTETS || n > NAME_OCTETS)
		return SIZE_MAX;
	for (size_t j = 0; j <= n; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t corner = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < n; j++) {
			size_t above = row[j + 1];

			row[j + 1] = least_of(above + 1, row[j] + 1, corner + (a[i] != b[j]));
			corner = above;
		}
	}
	return row[n];
}

static bool has_key(const struct conf_section *section, const char *name)
{
	for (const struct conf_key *k = section->keys; k->name; k++)
		if (strcmp(k->name, name) == 0)
			return true;
	return false;
}

static void consider(const char *candidate, const char *name, const char **best, size_t *least)
{
	size_t d = distance(candidate, name);

	if (d < *least) {
		*least = d;
		*best = candidate;
	}
}

static const char *nearest(const struct conf_section *section, const char *name)
{
	const char *best = NULL;
	size_t least = 3;

	for (const struct conf_key *k = section->keys; k->name; k++)
		consider(k->name, name, &best, &least);
	for (size_t i = 1; section->kind == CONF_TOP && i < conf_section_count; i++)
		consider(conf_sections[i].name, name, &best, &least);
	return best;
}

static void put_accepted(const struct conf_section *section, struct buf *out)
{
	const char *before = "accepted here: ";

	for (const struct conf_key *k = section->keys; k->name; k++, before = ", ")
		buf_printf(out, "%s%s", before, k->name);
	if (section->kind != CONF_TOP)
		return;
	before = "; sections: ";
	for (size_t i = 1; i < conf_section_count; i++, before = ", ")
		buf_printf(out, "%s%s", before, conf_sections[i].name);
}

static void put_hint(const struct conf_section *section, const char *name, struct buf *out)
{
	const char *near = nearest(section, name);

	if (strcmp(name, "include") == 0) {
		buf_put_text(out, "further files go into conf.d beside this one; ");
		return;
	}
	for (size_t i = 0; i < conf_section_count; i++)
		if (&conf_sections[i] != section && has_key(&conf_sections[i], name)) {
			if (conf_sections[i].kind == CONF_TOP)
				buf_put_text(out, "it belongs outside of any section; ");
			else
				buf_printf(out, "it belongs into section %s; ",
					   conf_sections[i].name);
			return;
		}
	if (near)
		buf_printf(out, "did you mean \"%s\"? ", near);
}

void conf_unknown_key(const struct conf_section *section, const char *name, const char *file,
		      int line, struct fault *fault)
{
	struct buf text = { 0 };
	char *words;

	buf_printf(&text, "unknown key \"%s\"", name);
	if (section->kind != CONF_TOP)
		buf_printf(&text, " in section %s", section->name);
	buf_put_text(&text, ": ");
	put_hint(section, name, &text);
	put_accepted(section, &text);
	buf_put_char(&text, '\0');
	words = (char *)(uintptr_t)buf_span(&text).at;
	fault_set(fault, -EINVAL, "%s:%d: %s", file, line, words);
	buf_fini(&text);
}
