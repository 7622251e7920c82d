#include "conf/conf.h"

#include "check.h"
#include "read.h"
#include "value.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>

/* The struct of a section in `conf`; of those with titles the one at `index`. */
static void *section_base(struct conf *conf, const struct conf_section *section, size_t index)
{
	char *array;

	if (section->kind != CONF_MANY)
		return (char *)conf + section->at;
	memcpy(&array, (char *)conf + section->array.at, sizeof(array));
	return array + index * section->width;
}

static size_t section_instances(const struct conf *conf, const struct conf_section *section)
{
	size_t count;

	if (section->kind != CONF_MANY)
		return 1;
	memcpy(&count, (const char *)conf + section->array.count, sizeof(count));
	return count;
}

static int bad_value(const struct conf_section *section, const struct conf_setting *s,
		     struct buf *wrong, struct fault *fault)
{
	buf_put_char(wrong, '\0');
	fault_set(fault, -EINVAL, "%s:%d: %s%s%s = \"%s\" is not accepted; use %s", s->place.file,
		  s->place.line, section->name, *section->name ? "." : "", s->key->name, s->text,
		  (const char *)buf_span(wrong).at);
	buf_fini(wrong);
	return -EINVAL;
}

static void clear_list(const struct conf_key *key, void *base)
{
	if (conf_is_list(key->type))
		memset((char *)base + key->at, 0, key->width);
}

static int apply_setting(struct conf *conf, const struct conf_section *section, void *base,
			 const struct conf_setting *s, struct fault *fault)
{
	struct buf wrong = { 0 };

	if (!s->is_more)
		clear_list(s->key, base);
	if (s->text == NULL)
		return 0;
	if (conf_value_set(s->key, base, s->text, conf->store, &wrong) < 0)
		return bad_value(section, s, &wrong, fault);
	buf_fini(&wrong);
	return 0;
}

/* A preset of a list is its members with ", " between. */
static void preset_list(struct conf *conf, const struct conf_key *key, void *base)
{
	const char *at = key->preset;
	struct buf none = { 0 };

	while (*at) {
		size_t n = strcspn(at, ",");
		char *member = mem_text_n(at, n);

		conf_value_set(key, base, member, conf->store, &none);
		free(member);
		at += n + (at[n] ? 2 : 0);
	}
	buf_fini(&none);
}

/* What is derived is set when all is known: a text is "" until then, a number -1. */
static void apply_preset(struct conf *conf, const struct conf_key *key, void *base)
{
	struct buf none = { 0 };
	const char *empty = "";

	if (conf_is_list(key->type)) {
		preset_list(conf, key, base);
	} else if (key->is_derived && key->type == CONF_NUMBER) {
		*(long *)(void *)((char *)base + key->at) = -1;
	} else if (key->is_derived || key->preset == NULL) {
		memcpy((char *)base + key->at, &empty, sizeof(empty));
	} else {
		conf_value_set(key, base, key->preset, conf->store, &none);
	}
	buf_fini(&none);
}

static void apply_presets(struct conf *conf, const struct conf_section *section, void *base)
{
	for (const struct conf_key *k = section->keys; k->name; k++)
		apply_preset(conf, k, base);
}

static int check_title(const struct conf *conf, const struct conf_block *b, struct fault *fault)
{
	const struct conf_section *section = b->section;
	const char *accepted = conf_judge_title(b->title);

	if (accepted)
		return fault_set(fault, -EINVAL, "%s:%d: %s \"%s\": a title is %s", b->place.file,
				 b->place.line, section->name, b->title, accepted);
	for (size_t i = 0; i < section_instances(conf, section); i++) {
		const char *base = section_base((struct conf *)(uintptr_t)conf, section, i), *name;
		struct conf_place place;

		memcpy(&name, base + section->array.name, sizeof(name));
		memcpy(&place, base + section->place, sizeof(place));
		if (strcmp(name, b->title) == 0)
			return fault_set(fault, -EEXIST,
					 "%s:%d: %s \"%s\" is already there, in %s:%d",
					 b->place.file, b->place.line, section->name, name,
					 place.file, place.line);
	}
	return 0;
}

/* One more section of a kind that may stand many times. */
static void *section_add(struct conf *conf, const struct conf_block *b)
{
	const struct conf_section *section = b->section;
	size_t count = section_instances(conf, section), more = count + 1;
	char *array = conf_store_alloc(conf->store, more * section->width), *base;

	if (count)
		memcpy(array, section_base(conf, section, 0), count * section->width);
	memcpy((char *)conf + section->array.at, &array, sizeof(array));
	memcpy((char *)conf + section->array.count, &more, sizeof(more));
	base = array + count * section->width;
	memcpy(base + section->array.name, &b->title, sizeof(b->title));
	apply_presets(conf, section, base);
	return base;
}

static int apply_block(struct conf *conf, const struct conf_block *b, struct fault *fault)
{
	void *base;
	int r;

	if (b->section->kind == CONF_MANY) {
		r = check_title(conf, b, fault);
		if (r < 0)
			return r;
		base = section_add(conf, b);
	} else {
		base = section_base(conf, b->section, 0);
	}
	if (b->section->place != SIZE_MAX)
		memcpy((char *)base + b->section->place, &b->place, sizeof(b->place));
	for (size_t i = 0; i < b->count; i++) {
		r = apply_setting(conf, b->section, base, &b->settings[i], fault);
		if (r < 0)
			return r;
	}
	return 0;
}

static void derive(struct conf *conf, const char *hostname)
{
	const char *dot;

	if (*conf->hostname == '\0')
		conf->hostname = conf_store_text(conf->store, hostname);
	dot = strchr(conf->hostname, '.');
	if (*conf->company_domain == '\0')
		conf->company_domain = dot && strchr(dot + 1, '.') ? dot + 1 : conf->hostname;
	if (*conf->company == '\0')
		conf->company = conf->company_domain;
	for (size_t i = 0; i < conf->listen_count; i++) {
		struct conf_listen *l = &conf->listens[i];

		if (l->port < 0)
			l->port = l->tls == CONF_LISTEN_IMPLICIT ? 465 : 587;
	}
	for (size_t i = 0; i < conf->smarthost_count; i++) {
		struct conf_smarthost *s = &conf->smarthosts[i];
		static const long ports[] = {
			[CONF_SMARTHOST_STARTTLS] = 587,
			[CONF_SMARTHOST_IMPLICIT] = 465,
			[CONF_SMARTHOST_NONE] = 25,
		};

		if (s->port < 0)
			s->port = ports[s->tls];
	}
}

static struct conf *conf_new(void)
{
	struct conf_store *store = conf_store_new();
	struct conf *conf = conf_store_alloc(store, sizeof(*conf));

	conf->store = store;
	for (size_t i = 0; i < conf_section_count; i++)
		if (conf_sections[i].kind != CONF_MANY)
			apply_presets(conf, &conf_sections[i],
				      section_base(conf, &conf_sections[i], 0));
	return conf;
}

static int read_all(struct conf *conf, const struct conf_text *texts, size_t count,
		    struct conf_reading *reading, struct fault *fault)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = conf_read(&texts[i], reading, fault);
	for (size_t i = 0; i < reading->count && r == 0; i++)
		r = apply_block(conf, reading->blocks[i], fault);
	return r;
}

struct conf *conf_parse(const struct conf_text *texts, size_t count, const char *hostname,
			struct fault *fault)
{
	struct conf *conf = conf_new();
	struct conf_reading reading = { .store = conf->store };
	const char *file = count ? conf_store_text(conf->store, texts[0].file) : "configuration";
	int r;

	/* For sections that no text holds. */
	conf->login.place = conf->queue.place = (struct conf_place){ file, 1 };
	r = read_all(conf, texts, count, &reading, fault);
	if (r == 0) {
		derive(conf, hostname);
		conf->user_place = conf_place_of(&reading, "", "user", file);
		conf->login_user_place = conf_place_of(&reading, "", "login_user", file);
		conf->control_place = conf_place_of(&reading, "", "control", file);
		r = conf_check(conf, file, &reading, fault);
	}
	conf_reading_fini(&reading);
	if (r < 0)
		conf_free(&conf);
	return conf;
}

void conf_free(struct conf **conf)
{
	struct conf_store *store;

	if (*conf == NULL)
		return;
	store = (*conf)->store;
	*conf = NULL;
	conf_store_free(&store);
}
