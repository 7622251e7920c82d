#include "mail/convert.h"

#include "base/mem.h"
#include "base/require.h"
#include "field.h"
#include "lines64.h"
#include "loose.h"
#include "plan.h"
#include "quoted.h"

#include <stdlib.h>

struct mail_convert {
	const struct mail_survey *survey;
	unsigned takes;
	struct mail_plan *plan;
	struct mail_walk *walk;
	struct buf *out; /* during a call */

	/* The header section */
	unsigned part;
	enum mail_field_class kind;
	bool is_dropped;   /* the field that is passing */
	bool is_rewritten; /* and so is what is still to come of it */
	bool has_field, has_added, has_label, has_type;

	/* The body; what was begun is ended before another begins */
	struct mail_quoted quoted;
	struct mail_lines64 lines64;
	struct mail_loose loose;
	enum mail_change change; /* whose encoder has octets; NONE: no encoder has */
};

/* A content that is not the one surveyed is passed on. */
static const struct mail_plan *plan_of(const struct mail_convert *c, unsigned part)
{
	static const struct mail_plan none = { 0 };

	return part < c->survey->count ? &c->plan[part] : &none;
}

/* Header sections */

static void on_begin(void *user, unsigned part, unsigned parent)
{
	struct mail_convert *c = user;

	(void)parent;
	c->part = part;
	c->has_field = c->has_added = c->has_label = c->has_type = false;
}

static void put_added(struct mail_convert *c)
{
	if (!c->has_added && c->part < c->survey->count)
		mail_plan_put_added(plan_of(c, c->part), &c->survey->parts[c->part].head, c->out);
	c->has_added = true;
}

/* Of two fields of a name the first is what was acted on; no reader is to find another in the second. */
static bool is_second_type(struct mail_convert *c, struct span name)
{
	bool is_second = c->has_type;

	if (!span_ieq_text(name, "Content-Type"))
		return false;
	c->has_type = true;
	return is_second && plan_of(c, c->part)->label != MAIL_ENCODING_NONE;
}

static bool is_relabelled(struct mail_convert *c, struct span name)
{
	const struct mail_plan *plan = plan_of(c, c->part);

	if (plan->label == MAIL_ENCODING_NONE || !span_ieq_text(name, "Content-Transfer-Encoding"))
		return false;
	if (!c->has_label)
		mail_plan_put_label(plan, c->out);
	c->has_label = true;
	return true;
}

static void begin_field(struct mail_convert *c, enum mail_piece piece, struct span name)
{
	name = span_trim(name);
	c->kind = mail_field_class(name);
	c->is_rewritten = false;
	/* To some readers the body begins there; but not with an mbox "From " line in front. */
	if (piece == MAIL_PIECE_JUNK && c->has_field)
		put_added(c);
	c->has_field = c->has_field || piece != MAIL_PIECE_JUNK;
	c->is_dropped = is_relabelled(c, name) || is_second_type(c, name);
}

static void on_field(void *user, enum mail_piece piece, struct span name, struct span field)
{
	struct mail_convert *c = user;
	struct mail_facts facts = { 0 };

	if (piece != MAIL_PIECE_NEXT)
		begin_field(c, piece, name);
	if (c->is_dropped)
		return;
	mail_facts_feed(&facts, field);
	mail_facts_end(&facts);
	c->is_rewritten = c->is_rewritten || mail_plan_is_field_dirty(&facts, c->takes);
	if (c->is_rewritten)
		(void)mail_field_write(c->kind, piece, field, mail_plan_is_ascii(c->takes), c->out);
	else
		buf_put_span(c->out, field);
}

static void on_head(void *user, const struct mail_head *head, struct span blank)
{
	struct mail_convert *c = user;
	size_t before = c->out->len;

	(void)head;
	put_added(c);
	if (c->out->len > before && blank.len == 0)
		buf_put_text(c->out, "\r\n");
	buf_put_span(c->out, blank);
}

/* Bodies */

static void end_body(struct mail_convert *c, bool is_last)
{
	switch (c->change) {
	case MAIL_CHANGE_NONE:
		break;
	case MAIL_CHANGE_QUOTED:
	case MAIL_CHANGE_MEND_QUOTED:
		mail_quoted_end(&c->quoted, is_last, c->out);
		break;
	case MAIL_CHANGE_BASE64:
	case MAIL_CHANGE_MEND_BASE64:
		mail_lines64_end(&c->lines64, is_last, c->out);
		break;
	case MAIL_CHANGE_LOOSE:
		mail_loose_end(&c->loose, c->out);
		break;
	}
	c->change = MAIL_CHANGE_NONE;
}

static void on_body(void *user, unsigned part, struct span octets)
{
	struct mail_convert *c = user;

	c->change = plan_of(c, part)->change;
	switch (c->change) {
	case MAIL_CHANGE_NONE:
		buf_put_span(c->out, octets);
		break;
	case MAIL_CHANGE_QUOTED:
	case MAIL_CHANGE_MEND_QUOTED:
		c->quoted.is_mending = c->change == MAIL_CHANGE_MEND_QUOTED;
		mail_quoted_put(&c->quoted, octets, c->out);
		break;
	case MAIL_CHANGE_BASE64:
	case MAIL_CHANGE_MEND_BASE64:
		c->lines64.is_mending = c->change == MAIL_CHANGE_MEND_BASE64;
		mail_lines64_put(&c->lines64, octets, c->out);
		break;
	case MAIL_CHANGE_LOOSE:
		mail_loose_put(&c->loose, octets, c->out);
		break;
	}
}

static void on_end(void *user, unsigned part)
{
	(void)user;
	(void)part;
}

static void on_delimiter(void *user, struct span line)
{
	struct mail_convert *c = user;

	end_body(c, false);
	buf_put_span(c->out, line);
}

static const struct mail_walk_calls calls = { on_begin, on_field, on_head,
					      on_body,	on_end,	  on_delimiter };

/* The whole */

struct mail_convert *mail_convert_new(const struct mail_survey *survey, unsigned takes)
{
	struct mail_convert *c = mem_new(struct mail_convert);
	struct smtp_reply why;

	c->survey = survey;
	c->takes = takes;
	c->plan = mem_array(survey->count, sizeof(*c->plan));
	require(mail_plan_make(survey, takes, c->plan, &why) == 0);
	c->walk = mail_walk_new(&calls, c);
	return c;
}

void mail_convert_free(struct mail_convert **convert)
{
	struct mail_convert *c = *convert;

	if (!c)
		return;
	mail_walk_free(&c->walk);
	free(c->plan);
	free(c);
	*convert = NULL;
}

void mail_convert_feed(struct mail_convert *c, struct span content, struct buf *out)
{
	c->out = out;
	mail_walk_feed(c->walk, content);
}

void mail_convert_end(struct mail_convert *c, struct buf *out)
{
	c->out = out;
	mail_walk_end(c->walk);
	end_body(c, true);
}
