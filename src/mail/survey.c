#include "survey.h"

#include "base/mem.h"

#include <stdlib.h>

static struct mail_part *part_of(struct mail_survey *s)
{
	return &s->parts[s->part];
}

static void on_begin(void *user, unsigned part, unsigned parent)
{
	struct mail_survey *s = user;

	if (s->count == s->room) {
		s->room = s->room ? 2 * s->room : 4;
		s->parts = mem_resize(s->parts, s->room * sizeof(*s->parts));
	}
	s->parts[part] = (struct mail_part){ .parent = parent };
	s->parts[part].is_message = part == 0 || s->parts[parent].head.kind == MAIL_KIND_MESSAGE;
	s->count = part + 1;
	s->part = part;
	/* What stands before a part and what stands behind it are not one line. */
	mail_facts_end(&s->parts[parent].body);
}

/* How much longer the field may get. */
static uint64_t growth_of(struct mail_survey *s, enum mail_piece piece, struct span field)
{
	size_t most = field.len;

	for (int is_ascii = 0; is_ascii < 2; is_ascii++) {
		buf_clear(&s->scratch);
		if (!mail_field_write(s->kind, piece, field, is_ascii, &s->scratch))
			part_of(s)->is_unwritable = true;
		if (s->scratch.len > most)
			most = s->scratch.len;
	}
	return most - field.len;
}

static void on_field(void *user, enum mail_piece piece, struct span name, struct span field)
{
	struct mail_survey *s = user;
	struct mail_part *p = part_of(s);
	struct mail_facts facts = { 0 };

	mail_facts_feed(&facts, field);
	mail_facts_end(&facts);
	p->has_8bit = p->has_8bit || facts.is_8bit;
	p->has_long = p->has_long || facts.is_long;
	p->has_binary = p->has_binary || facts.is_binary;
	if (piece != MAIL_PIECE_NEXT) {
		s->kind = mail_field_class(name);
		s->is_dirty = false;
	}
	s->is_dirty = s->is_dirty || facts.is_8bit || facts.is_long || facts.is_binary;
	if (s->is_dirty)
		p->growth += growth_of(s, piece, field);
}

static void on_head(void *user, const struct mail_head *head, struct span blank)
{
	struct mail_survey *s = user;

	(void)blank;
	part_of(s)->head = *head;
	s->has_body = false;
}

static void on_body(void *user, unsigned part, struct span octets)
{
	struct mail_survey *s = user;

	mail_facts_feed(&s->parts[part].body, octets);
	s->body = part;
	s->has_body = true;
}

static void on_end(void *user, unsigned part)
{
	struct mail_survey *s = user;

	mail_facts_end(&s->parts[part].body);
}

static void on_delimiter(void *user, struct span line)
{
	struct mail_survey *s = user;

	(void)line;
	s->has_body = false;
}

static const struct mail_walk_calls calls = { on_begin, on_field, on_head,
					      on_body,	on_end,	  on_delimiter };

struct mail_survey *mail_survey_new(bool is_binary)
{
	struct mail_survey *s = mem_new(struct mail_survey);

	s->is_binary = is_binary;
	s->walk = mail_walk_new(&calls, s);
	return s;
}

void mail_survey_free(struct mail_survey **survey)
{
	struct mail_survey *s = *survey;

	if (!s)
		return;
	mail_walk_free(&s->walk);
	buf_fini(&s->scratch);
	free(s->parts);
	free(s);
	*survey = NULL;
}

void mail_survey_feed(struct mail_survey *s, struct span content)
{
	s->octets += content.len;
	mail_walk_feed(s->walk, content);
}

void mail_survey_end(struct mail_survey *s)
{
	mail_walk_end(s->walk);
	mail_walk_free(&s->walk);
	s->parts[s->body].is_last = s->has_body;
}
