#include "conf/conf.h"

#include "value.h"

#define WRAP 96

/* As comment lines of at most WRAP columns. */
static void put_comment(const char *text, const char *indent, struct buf *out)
{
	size_t column = 0;

	while (*text) {
		size_t word = strcspn(text, " ");

		if (column && column + 1 + word > WRAP) {
			buf_put_char(out, '\n');
			column = 0;
		}
		if (column == 0) {
			buf_printf(out, "%s#", indent);
			column = strlen(indent) * 8 + 1;
		}
		buf_put_char(out, ' ');
		buf_put(out, text, word);
		column += word + 1;
		text += word + strspn(text + word, " ");
	}
	buf_put_char(out, '\n');
}

static void sample_key(const struct conf_key *key, const char *indent, struct buf *out)
{
	const char *value = key->preset;
	struct buf accepted = { 0 };

	if (key->example && (key->is_shown || key->is_derived))
		value = key->example;
	put_comment(key->help, indent, out);
	if (key->type == CONF_WORD) {
		conf_value_put_accepted(key, &accepted);
		buf_printf(out, "%s# One of: %.*s\n", indent, (int)accepted.len,
			   (const char *)buf_span(&accepted).at);
		buf_fini(&accepted);
	}
	buf_printf(out, "%s%s%s = ", indent, key->is_shown ? "" : "#", key->name);
	conf_value_put_given(key, value, out);
	buf_put_char(out, '\n');
}

static void sample_section(const struct conf_section *section, struct buf *out)
{
	const char *indent = section->kind == CONF_TOP ? "" : "\t";

	buf_put_char(out, '\n');
	if (section->help)
		put_comment(section->help, "", out);
	if (section->kind == CONF_SINGLE)
		buf_printf(out, "%s {\n", section->name);
	if (section->kind == CONF_MANY)
		buf_printf(out, "%s \"%s\" {\n", section->name, section->title);
	for (const struct conf_key *k = section->keys; k->name; k++)
		sample_key(k, indent, out);
	if (section->kind != CONF_TOP)
		buf_put_text(out, "}\n");
	if (section->more)
		buf_put_text(out, section->more);
}

void conf_sample(struct buf *out)
{
	buf_put_text(out,
		     "# The configuration of Postern; postern.conf(5) tells more. \"posternd -t\" "
		     "checks it.\n"
		     "#\n"
		     "# A key behind \"#\" without a space stands there with its default. "
		     "Durations are written 500ms,\n"
		     "# 30s, 5m, 4h, 2d; sizes 64K, 50M, 2G. Further files may stand in conf.d "
		     "beside this one.\n");
	for (size_t i = 0; i < conf_section_count; i++)
		sample_section(&conf_sections[i], out);
}

/* What scdoc would take for markup is marked as text. */
static void put_scdoc(const char *text, struct buf *out)
{
	for (; *text; text++) {
		if (strchr("\\*_#~<>[]", *text))
			buf_put_char(out, '\\');
		buf_put_char(out, *text);
	}
}

static void put_scdoc_buf(struct buf *text, struct buf *out)
{
	buf_put_char(text, '\0');
	put_scdoc((const char *)buf_span(text).at, out);
	buf_fini(text);
}

static const char *type_name(const struct conf_key *key)
{
	switch (key->type) {
	case CONF_LIST:
		return "list";
	case CONF_WORD:
		return "word";
	case CONF_YESNO:
		return "yes or no";
	case CONF_NUMBER:
		return "number";
	case CONF_DURATION:
		return "duration";
	case CONF_DURATIONS:
		return "list of durations";
	case CONF_SIZE:
		return "size";
	default:
		return "text";
	}
}

static bool has_range(const struct conf_key *key)
{
	return key->type == CONF_NUMBER || key->type == CONF_DURATION || key->type == CONF_SIZE ||
	       key->type == CONF_WORD;
}

static void manual_key(const struct conf_key *key, struct buf *out)
{
	struct buf text = { 0 };

	buf_put_char(out, '*');
	put_scdoc(key->name, out);
	buf_printf(out, "* = _%s_\n\t", type_name(key));
	put_scdoc(key->help, out);
	buf_put_text(out, ".");
	if (has_range(key)) {
		conf_value_put_accepted(key, &text);
		buf_put_text(out, " Accepted: ");
		put_scdoc_buf(&text, out);
		buf_put_text(out, ".");
	}
	if (key->preset == NULL) {
		buf_put_text(out, " Must be given.");
	} else if (!key->is_derived) {
		conf_value_put_given(key, key->preset, &text);
		buf_put_text(out, " Default: ");
		put_scdoc_buf(&text, out);
		buf_put_text(out, ".");
	}
	buf_put_text(out, "\n\n");
}

void conf_manual(struct buf *out)
{
	buf_put_text(out, "# KEYS\n\n");
	for (size_t i = 0; i < conf_section_count; i++) {
		const struct conf_section *s = &conf_sections[i];

		if (s->kind == CONF_TOP)
			buf_put_text(out, "## Outside of any section\n\n");
		else
			buf_printf(out, "## Section %s%s\n\n", s->name,
				   s->kind == CONF_MANY ? " \"NAME\"" : "");
		if (s->help) {
			put_scdoc(s->help, out);
			buf_put_text(out, s->kind == CONF_MANY ? ". At least one is needed.\n\n"
							       : ".\n\n");
		}
		for (const struct conf_key *k = s->keys; k->name; k++)
			manual_key(k, out);
	}
}

static void show_keys(const struct conf_section *section, const void *base, const char *indent,
		      struct buf *out)
{
	for (const struct conf_key *k = section->keys; k->name; k++) {
		buf_printf(out, "%s%s = ", indent, k->name);
		conf_value_put(k, base, out);
		buf_put_char(out, '\n');
	}
}

static void show_many(const struct conf_section *section, const struct conf *conf, struct buf *out)
{
	const char *array, *name;
	size_t count;

	memcpy(&array, (const char *)conf + section->array.at, sizeof(array));
	memcpy(&count, (const char *)conf + section->array.count, sizeof(count));
	for (size_t i = 0; i < count; i++) {
		const char *base = array + i * section->width;

		memcpy(&name, base + section->array.name, sizeof(name));
		buf_printf(out, "%s \"%s\" {\n", section->name, name);
		show_keys(section, base, "\t", out);
		buf_put_text(out, "}\n");
	}
}

void conf_show(const struct conf *conf, struct buf *out)
{
	for (size_t i = 0; i < conf_section_count; i++) {
		const struct conf_section *s = &conf_sections[i];

		if (s->kind == CONF_TOP) {
			show_keys(s, (const char *)conf + s->at, "", out);
		} else if (s->kind == CONF_SINGLE) {
			buf_printf(out, "%s {\n", s->name);
			show_keys(s, (const char *)conf + s->at, "\t", out);
			buf_put_text(out, "}\n");
		} else {
			show_many(s, conf, out);
		}
	}
}
