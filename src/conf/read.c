#include "read.h"

#include "unknown.h"
#include "scan.h"

#include "base/mem.h"
#include "base/require.h"

#include <confuse.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* One text on its way. */
struct reader {
	struct conf_reading *reading;
	const char *file;
	const struct conf_scan *scan;
	size_t sections_begun;
	struct conf_block *top, *open; /* open: the section that is being read, or NULL */
	struct fault *fault;
};

/* libconfuse gives its callbacks no pointer of ours. The integer default of an option, unused in
 * options without a default, survives the copies that it makes, and carries one. */
struct hook {
	struct reader *reader;
	const struct conf_section *section;
	const struct conf_key *key; /* NULL: of the section itself */
};

#define TOP_SECTIONS 16
#define KEYS_MOST 32

struct options {
	cfg_opt_t top[TOP_SECTIONS + KEYS_MOST];
	cfg_opt_t keys[TOP_SECTIONS][KEYS_MOST];
	struct hook hooks[TOP_SECTIONS][KEYS_MOST];
};

static const struct hook *hook_of(const cfg_opt_t *opt)
{
	return (const struct hook *)(uintptr_t)opt->def.number;
}

static struct conf_block *block_new(struct reader *r, const struct conf_section *section, int line)
{
	struct conf_reading *all = r->reading;
	struct conf_block *b = mem_new(struct conf_block);

	b->section = section;
	b->place = (struct conf_place){ r->file, line };
	if (all->count == all->cap) {
		all->cap = all->cap ? all->cap * 2 : 16;
		all->blocks = mem_resize(all->blocks, all->cap * sizeof(struct conf_block *));
	}
	return all->blocks[all->count++] = b;
}

/* The block that a key of `section` belongs to; a section's begins with its first key. */
static struct conf_block *block_for(struct reader *r, const struct conf_section *section,
				    const char *title)
{
	int line = 0;

	if (section->kind == CONF_TOP)
		return r->top;
	if (r->open == NULL) {
		if (r->sections_begun < r->scan->section_count)
			line = r->scan->section_lines[r->sections_begun++];
		r->open = block_new(r, section, line);
		r->open->title = title ? conf_store_text(r->reading->store, title) : NULL;
	}
	return r->open;
}

static struct conf_setting *setting_new(struct conf_block *b)
{
	if (b->count == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 8;
		b->settings = mem_resize(b->settings, b->cap * sizeof(*b->settings));
	}
	b->settings[b->count] = (struct conf_setting){ 0 };
	return &b->settings[b->count++];
}

static const struct conf_setting *setting_find(const struct conf_block *b,
					       const struct conf_key *key)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->settings[i].key == key)
			return &b->settings[i];
	return NULL;
}

static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
	const struct hook *h = hook_of(opt);
	struct reader *r = h->reader;
	struct conf_block *b = block_for(r, h->section, cfg->title);
	bool is_more = conf_is_list(h->key->type) && opt->nvalues > 1;
	const struct conf_setting *before = setting_find(b, h->key);
	struct conf_setting *s;

	if (before && !is_more)
		return fault_set(r->fault, -EINVAL,
				 "%s:%d: %s is given twice; the first stands in line %d", r->file,
				 cfg->line, h->key->name, before->place.line);
	s = setting_new(b);
	s->key = h->key;
	s->text = conf_store_text(r->reading->store, value);
	s->is_more = is_more;
	s->place = (struct conf_place){ r->file, cfg->line };
	*(const char **)result = s->text;
	return 0;
}

/* An empty list has no values, so on_value() does not hear of it. */
static void note_empty_lists(struct reader *r, const struct conf_section *section, const cfg_t *cfg,
			     struct conf_block *b)
{
	for (const cfg_opt_t *opt = cfg->opts; opt->name; opt++) {
		const struct hook *h = hook_of(opt);
		struct conf_setting *s;

		if (h->section != section || h->key == NULL || !conf_is_list(h->key->type) ||
		    !(opt->flags & CFGF_MODIFIED) || setting_find(b, h->key))
			continue;
		s = setting_new(b);
		s->key = h->key;
		s->place = (struct conf_place){ r->file, b->place.line };
	}
}

/* A title given again takes the place of the first among the values: the section that ends in the
 * latest line is the one. */
static const cfg_t *section_last(cfg_opt_t *opt)
{
	const cfg_t *last = cfg_opt_getnsec(opt, 0);

	for (unsigned i = 1; i < opt->nvalues; i++) {
		const cfg_t *section = cfg_opt_getnsec(opt, i);

		if (section->line >= last->line)
			last = section;
	}
	return last;
}

/* After the closing brace. */
static int on_section(cfg_t *cfg, cfg_opt_t *opt)
{
	const struct hook *h = hook_of(opt);
	const cfg_t *section = section_last(opt);

	(void)cfg;
	note_empty_lists(h->reader, h->section, section,
			 block_for(h->reader, h->section, section->title));
	h->reader->open = NULL;
	return 0;
}

/* libconfuse's words, made ours where a person needs to know more. */
static void __attribute__((format(printf, 2, 0))) on_error(cfg_t *cfg, const char *fmt, va_list ap)
{
	const struct hook *h = hook_of(cfg->opts);
	struct reader *r = h->reader;
	char words[256], name[128] = "";

	if (r->fault == NULL || r->fault->code)
		return;
	vsnprintf(words, sizeof(words), fmt, ap);
	if (sscanf(words, "no such option '%127[^']'", name) == 1)
		conf_unknown_key(h->section, name, r->file, cfg->line, r->fault);
	else
		fault_set(r->fault, -EINVAL, "%s:%d: %s", r->file, cfg->line, words);
}

static void option_init(cfg_opt_t *opt, struct hook *hook, struct reader *r,
			const struct conf_section *section, const struct conf_key *key)
{
	*hook = (struct hook){ r, section, key };
	*opt = (cfg_opt_t){ .name = key ? key->name : section->name };
	opt->flags = CFGF_NODEFAULT;
	opt->def.number = (long)(uintptr_t)hook;
	if (key) {
		opt->type = CFGT_STR;
		opt->parsecb = on_value;
		opt->flags |= conf_is_list(key->type) ? CFGF_LIST : 0;
		return;
	}
	opt->type = CFGT_SEC;
	opt->validcb = on_section;
	/* A title that is given again is ours to see (libconfuse would name one place only): each
	 * section is read as new. */
	if (section->kind == CONF_MANY)
		opt->flags |= CFGF_MULTI | CFGF_TITLE;
}

static void options_init(struct options *o, struct reader *r)
{
	size_t n = 0;

	require(conf_section_count <= TOP_SECTIONS);
	for (size_t i = 0; i < conf_section_count; i++) {
		const struct conf_section *s = &conf_sections[i];
		cfg_opt_t *keys = s->kind == CONF_TOP ? o->top : o->keys[i];
		size_t k;

		for (k = 0; s->keys[k].name; k++) {
			require(k + 2 < KEYS_MOST);
			option_init(&keys[k], &o->hooks[i][k], r, s, &s->keys[k]);
		}
		if (s->kind == CONF_TOP) {
			n = k;
			continue;
		}
		option_init(&o->top[n], &o->hooks[i][k], r, s, NULL);
		o->top[n++].subopts = keys;
	}
}

static int parse(struct reader *r, struct options *o)
{
	cfg_t *cfg = cfg_init(o->top, CFGF_NONE);
	int result;

	require(cfg != NULL);
	cfg_set_error_function(cfg, on_error);
	result = cfg_parse_buf(cfg, (const char *)buf_span(&r->scan->text).at);
	if (result == CFG_SUCCESS)
		note_empty_lists(r, r->top->section, cfg, r->top);
	cfg_free(cfg);
	if (result == CFG_SUCCESS)
		return 0;
	if (r->fault->code == 0)
		fault_set(r->fault, -EINVAL, "%s: this is no configuration", r->file);
	return -EINVAL;
}

int conf_read(const struct conf_text *text, struct conf_reading *reading, struct fault *fault)
{
	struct options *options = mem_new(struct options);
	struct fault own = { 0 };
	struct conf_scan scan;
	struct reader r = { .reading = reading, .scan = &scan, .fault = &own };
	int result;

	r.file = conf_store_text(reading->store, text->file);
	r.top = block_new(&r, &conf_sections[0], 1);
	options_init(options, &r);
	result = conf_scan(text, &scan, &own);
	if (result == 0) {
		result = parse(&r, options);
		conf_scan_fini(&scan);
	}
	free(options);
	if (result < 0)
		fault_set(fault, own.code, "%s", own.text);
	return result;
}

void conf_reading_fini(struct conf_reading *reading)
{
	for (size_t i = 0; i < reading->count; i++) {
		free(reading->blocks[i]->settings);
		free(reading->blocks[i]);
	}
	free(reading->blocks);
	*reading = (struct conf_reading){ 0 };
}
