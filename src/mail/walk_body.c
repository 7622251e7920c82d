#include "walk_private.h"

static void pass_body(struct mail_walk *w, struct span octets)
{
	if (octets.len)
		w->calls->body(w->user, walk_here(w)->part, octets);
}

/* Of what is held only the last n octets are still to be decided. */
static void pass_held(struct mail_walk *w, size_t n)
{
	pass_body(w, span_first(buf_span(&w->held), w->held.len - n));
	buf_drop(&w->held, w->held.len - n);
	w->at_line = false;
}

/* How many octets at the end of s may begin "\r\n--". */
static size_t open_end(struct span s)
{
	for (size_t n = 3; n > 0; n--)
		if (s.len >= n && memcmp(s.at + s.len - n, "\r\n-", n) == 0)
			return n;
	return 0;
}

static void search(struct mail_walk *w, struct span *in)
{
	const unsigned char *found = memmem(in->at, in->len, "\r\n--", 4);
	size_t n = found ? (size_t)(found - in->at) : in->len - open_end(*in);
	size_t held = found ? 4 : in->len - n;

	pass_body(w, span_first(*in, n));
	buf_put_span(&w->held, span_first(span_from(*in, n), held));
	*in = span_from(*in, n + held);
}

static void take_held_line(struct mail_walk *w)
{
	struct buf held = w->held;
	struct span line = buf_span(&held);
	bool closes;
	struct walk_level *level;

	line = w->at_line ? line : span_from(line, 2);
	level = walk_find_delimiter(w, span_first(line, line.len - 2), &closes);
	if (!level) {
		pass_held(w, 2);
		return;
	}
	w->held = (struct buf){ 0 };
	walk_pass_delimiter(w, level, closes, buf_span(&held));
	buf_fini(&held);
}

static void hold_line(struct mail_walk *w, struct span *in)
{
	size_t end = span_find(*in, '\n'), room = WALK_LINE_MOST + 2 - w->held.len;
	struct span part = span_first(span_first(*in, end < in->len ? end + 1 : end), room), held;

	buf_put_span(&w->held, part);
	*in = span_from(*in, part.len);
	held = buf_span(&w->held);
	if (walk_ends_line(held))
		take_held_line(w);
	else if (held.at[held.len - 1] == '\n')
		pass_held(w, 0);
	else if (held.len == WALK_LINE_MOST + 2)
		pass_held(w, held.at[held.len - 1] == '\r');
}

void walk_feed_body(struct mail_walk *w, struct span *in)
{
	const char *start = w->at_line ? "--" : "\r\n--";

	if (w->open == 0) {
		pass_held(w, 0);
		pass_body(w, *in);
		*in = span_from(*in, in->len);
	} else if (w->held.len == 0 && !w->at_line) {
		search(w, in);
	} else if (w->held.len >= strlen(start)) {
		hold_line(w, in);
	} else if (in->at[0] == (unsigned char)start[w->held.len]) {
		buf_put_span(&w->held, span_first(*in, 1));
		*in = span_from(*in, 1);
	} else {
		pass_held(w, 0);
	}
}

/* A last line may be a delimiter without a CRLF behind it. */
void walk_end_body(struct mail_walk *w)
{
	struct span held = buf_span(&w->held);
	struct span line = w->at_line ? held : span_from(held, 2);
	bool closes;
	struct walk_level *level = walk_find_delimiter(w, line, &closes);
	struct buf whole = w->held;

	if (!level) {
		pass_held(w, 0);
		return;
	}
	w->held = (struct buf){ 0 };
	walk_pass_delimiter(w, level, closes, buf_span(&whole));
	buf_fini(&whole);
}
