#include "walk_private.h"

#include "base/mem.h"

#include <stdlib.h>

struct walk_level *walk_here(struct mail_walk *w)
{
	return &w->levels[w->depth - 1];
}

bool walk_ends_line(struct span s)
{
	return s.len >= 2 && memcmp(s.at + s.len - 2, "\r\n", 2) == 0;
}

void walk_set_boundary(struct mail_walk *w, struct walk_level *level, struct span boundary)
{
	w->open -= level->boundary.len != 0;
	buf_clear(&level->boundary);
	buf_put_span(&level->boundary, boundary);
	w->open += level->boundary.len != 0;
}

/* Parts begin and end */

void walk_begin_part(struct mail_walk *w, bool is_message)
{
	unsigned parent = w->depth ? walk_here(w)->part : 0;
	struct mail_head many = { .opacity = MAIL_OPAQUE_MANY };

	w->levels[w->depth++].part = w->parts++;
	w->calls->begin(w->user, walk_here(w)->part, parent);
	w->state = WALK_HEADER;
	w->head = (struct mail_head){ .kind = MAIL_KIND_TEXT };
	w->is_first = true;
	w->is_message = is_message;
	w->is_headless = false;
	if (w->parts == MAIL_PARTS_MOST) {
		w->state = WALK_REST;
		w->calls->head(w->user, &many, span_of(NULL, 0));
	}
}

static void end_parts(struct mail_walk *w, unsigned depth)
{
	while (w->depth > depth) {
		walk_set_boundary(w, walk_here(w), span_of(NULL, 0));
		w->calls->end(w->user, walk_here(w)->part);
		w->depth--;
	}
}

/* Delimiters */

struct walk_level *walk_find_delimiter(struct mail_walk *w, struct span line, bool *closes_out)
{
	if (w->open == 0 || line.len < 3 || line.len > SMTP_LINE_MOST || memcmp(line.at, "--", 2))
		return NULL;
	line = span_from(span_trim(line), 2);
	for (unsigned i = w->depth; i-- > 0;) {
		struct span boundary = buf_span(&w->levels[i].boundary);
		struct span rest = span_from(line, boundary.len);

		if (boundary.len == 0 || !span_eq(span_first(line, boundary.len), boundary))
			continue;
		*closes_out = span_eq(rest, span_text("--"));
		if (rest.len == 0 || *closes_out)
			return &w->levels[i];
	}
	return NULL;
}

void walk_pass_delimiter(struct mail_walk *w, struct walk_level *level, bool closes,
			 struct span whole)
{
	end_parts(w, (unsigned)(level - w->levels) + 1);
	w->calls->delimiter(w->user, whole);
	w->state = WALK_BODY;
	w->at_line = true;
	if (closes)
		walk_set_boundary(w, level, span_of(NULL, 0));
	else
		walk_begin_part(w, false);
}

/* The whole */

struct mail_walk *mail_walk_new(const struct mail_walk_calls *calls, void *user)
{
	struct mail_walk *w = mem_new(struct mail_walk);

	w->calls = calls;
	w->user = user;
	walk_begin_part(w, false);
	return w;
}

void mail_walk_free(struct mail_walk **walk)
{
	struct mail_walk *w = *walk;

	if (!w)
		return;
	for (unsigned i = 0; i < WALK_LEVELS; i++)
		buf_fini(&w->levels[i].boundary);
	buf_fini(&w->line);
	buf_fini(&w->field);
	buf_fini(&w->boundary);
	buf_fini(&w->held);
	free(w);
	*walk = NULL;
}

void mail_walk_feed(struct mail_walk *w, struct span content)
{
	while (content.len) {
		switch (w->state) {
		case WALK_HEADER:
			walk_feed_head(w, &content);
			break;
		case WALK_BODY:
			walk_feed_body(w, &content);
			break;
		case WALK_REST:
			w->calls->body(w->user, walk_here(w)->part, content);
			return;
		}
	}
}

void mail_walk_end(struct mail_walk *w)
{
	if (w->state == WALK_HEADER)
		walk_end_line(w);
	if (w->state == WALK_BODY)
		walk_end_body(w);
	if (w->state == WALK_HEADER)
		walk_end_head(w);
	end_parts(w, 0);
}
