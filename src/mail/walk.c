#include "walk.h"

#include "base/mem.h"
#include "text.h"

#include <stdlib.h>

enum {
	LEVELS = MAIL_NESTING_MOST + 1,
	LINE_MOST = SMTP_LINE_MOST + 2, /* with its CRLF */
};

enum state {
	HEADER,
	BODY,
	REST, /* behind MAIL_PARTS_MOST parts */
};

struct level {
	unsigned part;
	struct buf boundary; /* empty: no delimiters, or the last of them has come */
	bool is_digest;
};

struct mail_walk {
	const struct mail_walk_calls *calls;
	void *user;
	enum state state;
	struct level levels[LEVELS];
	unsigned depth; /* levels in use; the last is where we are */
	unsigned parts; /* begun so far */
	unsigned open;	/* levels with a boundary */

	/* HEADER */
	struct mail_head head;
	struct buf line;     /* that has no end yet */
	struct buf field;    /* whole lines of the last field, or of its last piece */
	struct buf boundary; /* that the Content-Type named */
	bool has_field;	     /* `field` may be continued */
	bool is_piece;	     /* and pieces of it were handed on */
	bool is_cut;	     /* the start of this line was handed on already */
	bool is_first;	     /* no line of this header section has come yet */
	bool is_headless;    /* there is none, and its first line is the body's */
	bool is_message;     /* it is one of a message, as against a part of a multipart */

	/* BODY */
	struct buf held; /* what may be a delimiter, with the CRLF in front of it */
	bool at_line;	 /* the body, or what is behind a delimiter, begins: no CRLF in front */
};

static struct level *here(struct mail_walk *w)
{
	return &w->levels[w->depth - 1];
}

static bool ends_line(struct span s)
{
	return s.len >= 2 && memcmp(s.at + s.len - 2, "\r\n", 2) == 0;
}

static void set_boundary(struct mail_walk *w, struct level *level, struct span boundary)
{
	w->open -= level->boundary.len != 0;
	buf_clear(&level->boundary);
	buf_put_span(&level->boundary, boundary);
	w->open += level->boundary.len != 0;
}

/* Parts begin and end */

static void begin_part(struct mail_walk *w, bool is_message)
{
	unsigned parent = w->depth ? here(w)->part : 0;
	struct mail_head many = { .opacity = MAIL_OPAQUE_MANY };

	w->levels[w->depth++].part = w->parts++;
	w->calls->begin(w->user, here(w)->part, parent);
	w->state = HEADER;
	w->head = (struct mail_head){ .kind = MAIL_KIND_TEXT };
	w->is_first = true;
	w->is_message = is_message;
	w->is_headless = false;
	if (w->parts == MAIL_PARTS_MOST) {
		w->state = REST;
		w->calls->head(w->user, &many, span_of(NULL, 0));
	}
}

static void end_parts(struct mail_walk *w, unsigned depth)
{
	while (w->depth > depth) {
		set_boundary(w, here(w), span_of(NULL, 0));
		w->calls->end(w->user, here(w)->part);
		w->depth--;
	}
}

/* Delimiters */

/* line: without its CRLF. The level that it is of, or NULL. */
static struct level *find_delimiter(struct mail_walk *w, struct span line, bool *closes_out)
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

static void pass_delimiter(struct mail_walk *w, struct level *level, bool closes, struct span whole)
{
	end_parts(w, (unsigned)(level - w->levels) + 1);
	w->calls->delimiter(w->user, whole);
	w->state = BODY;
	w->at_line = true;
	if (closes)
		set_boundary(w, level, span_of(NULL, 0));
	else
		begin_part(w, false);
}

/* Header sections */

static bool is_identity(enum mail_encoding encoding)
{
	return encoding != MAIL_ENCODING_QUOTED && encoding != MAIL_ENCODING_BASE64;
}

static enum mail_opacity multipart_opacity(const struct mail_walk *w)
{
	if (!is_identity(w->head.encoding))
		return MAIL_OPAQUE_ENCODED;
	if (w->depth == LEVELS)
		return MAIL_OPAQUE_DEEP;
	return w->boundary.len ? MAIL_OPAQUE_NOT : MAIL_OPAQUE_BOUNDARY;
}

/* RFC 6532 3.7 lets a message/global be encoded as a whole: then it is a part like any other. */
static void judge_message(struct mail_walk *w)
{
	if (!is_identity(w->head.encoding))
		w->head.kind = MAIL_KIND_OTHER;
	else if (w->head.kind == MAIL_KIND_PARTIAL)
		w->head.opacity = MAIL_OPAQUE_PARTIAL;
	else if (w->depth == LEVELS)
		w->head.opacity = MAIL_OPAQUE_DEEP;
}

static void judge_head(struct mail_walk *w)
{
	bool in_digest = w->depth > 1 && !w->is_message && w->levels[w->depth - 2].is_digest;

	if (!w->head.has_type && in_digest && !w->is_headless)
		w->head.kind = MAIL_KIND_MESSAGE;
	switch (w->head.kind) {
	case MAIL_KIND_TEXT:
	case MAIL_KIND_OTHER:
		break;
	case MAIL_KIND_SIGNED:
		w->head.opacity = MAIL_OPAQUE_SIGNED;
		break;
	case MAIL_KIND_MULTIPART:
	case MAIL_KIND_DIGEST:
		w->head.opacity = multipart_opacity(w);
		break;
	case MAIL_KIND_MESSAGE:
	case MAIL_KIND_PARTIAL:
		judge_message(w);
		break;
	}
}

/* is_over: nothing comes behind it that would be the body. */
static void end_head(struct mail_walk *w, struct span blank, bool is_over)
{
	bool is_composite;

	judge_head(w);
	w->calls->head(w->user, &w->head, blank);
	is_composite = w->head.opacity == MAIL_OPAQUE_NOT && !is_over;
	here(w)->is_digest = w->head.kind == MAIL_KIND_DIGEST;
	w->state = BODY;
	w->at_line = true;
	if (is_composite &&
	    (w->head.kind == MAIL_KIND_MULTIPART || w->head.kind == MAIL_KIND_DIGEST))
		set_boundary(w, here(w), buf_span(&w->boundary));
	else if (is_composite && w->head.kind == MAIL_KIND_MESSAGE)
		begin_part(w, true);
}

/* Of fields that stand twice the first counts. */
static void note_field(struct mail_walk *w, struct span name, struct span value)
{
	if (span_ieq_text(name, "MIME-Version")) {
		w->head.has_mime_version = true;
	} else if (span_ieq_text(name, "Content-Type") && !w->head.has_type) {
		w->head.has_type = true;
		w->head.kind = mail_mime_type(value, &w->boundary);
	} else if (span_ieq_text(name, "Content-Transfer-Encoding") && !w->head.has_encoding) {
		w->head.has_encoding = true;
		w->head.encoding = mail_mime_encoding(value);
	}
}

static void flush_field(struct mail_walk *w, bool goes_on)
{
	struct span field = buf_span(&w->field), name = { 0 };
	enum mail_piece piece = w->is_piece ? MAIL_PIECE_NEXT
				: goes_on   ? MAIL_PIECE_FIRST
					    : MAIL_PIECE_WHOLE;

	if (w->has_field && !w->is_piece) {
		name = span_first(field, span_find(field, ':'));
		note_field(w, span_trim(name), span_from(field, name.len + 1));
	}
	if (field.len)
		w->calls->field(w->user, piece, name, field);
	buf_clear(&w->field);
	w->has_field = w->is_piece = goes_on;
}

/* RFC 5322 3.6.8, and 4.5.8 for white space before the colon. */
static bool begins_field(struct span line)
{
	size_t n = 0;

	while (n < line.len && line.at[n] > ' ' && line.at[n] < 127 && line.at[n] != ':')
		n++;
	if (n == 0)
		return false;
	while (n < line.len && (line.at[n] == ' ' || line.at[n] == '\t'))
		n++;
	return n < line.len && line.at[n] == ':';
}

static void continue_field(struct mail_walk *w, struct span line)
{
	if (!w->has_field) {
		w->calls->field(w->user, MAIL_PIECE_JUNK, span_of(NULL, 0), line);
		return;
	}
	if (w->field.len + line.len > MAIL_FIELD_MOST)
		flush_field(w, true);
	buf_put_span(&w->field, line);
}

static bool begins_mbox(struct span line)
{
	return span_istarts(line, "From ") || span_istarts(line, ">From ");
}

static void feed_body(struct mail_walk *w, struct span *in);

/* A header section that begins with no field is an empty one. */
static void take_first_junk(struct mail_walk *w, struct span line)
{
	w->is_headless = true;
	end_head(w, span_of(NULL, 0), false);
	while (line.len)
		feed_body(w, &line);
}

static void take_header_line(struct mail_walk *w, struct span line)
{
	bool closes, is_blank = line.at[0] == ' ' || line.at[0] == '\t', is_first = w->is_first;
	size_t end = ends_line(line) ? 2 : 0;
	struct level *level = find_delimiter(w, span_first(line, line.len - end), &closes);

	w->is_first = false;
	if (w->is_cut || (is_blank && w->has_field)) {
		continue_field(w, line);
	} else if (level) {
		flush_field(w, false);
		end_head(w, span_of(NULL, 0), true);
		pass_delimiter(w, level, closes, line);
	} else if (span_eq(line, span_text("\r\n"))) {
		flush_field(w, false);
		end_head(w, line, false);
	} else if (begins_field(line)) {
		flush_field(w, false);
		w->has_field = true;
		buf_put_span(&w->field, line);
	} else if (is_first && !(w->is_message && begins_mbox(line))) {
		take_first_junk(w, line);
	} else {
		flush_field(w, false);
		continue_field(w, line);
	}
}

static void take_line(struct mail_walk *w, size_t octets, bool is_whole)
{
	struct buf line = w->line;

	w->line = (struct buf){ 0 };
	take_header_line(w, span_first(buf_span(&line), octets));
	w->is_cut = !is_whole && w->state == HEADER;
	mail_walk_feed(w, span_from(buf_span(&line), octets));
	buf_clear(&line);
	if (w->line.len == 0) {
		buf_fini(&w->line);
		w->line = line;
	} else {
		buf_fini(&line);
	}
}

/* A character or a CRLF is not taken apart. */
static void cut_line(struct mail_walk *w)
{
	struct span line = mail_text_first(buf_span(&w->line), MAIL_FIELD_MOST - 4);

	if (line.at[line.len - 1] == '\r')
		line.len--;
	take_line(w, line.len, false);
}

static void feed_header(struct mail_walk *w, struct span *in)
{
	size_t end = span_find(*in, '\n'), room = MAIL_FIELD_MOST - w->line.len;
	struct span part = span_first(span_first(*in, end < in->len ? end + 1 : end), room);
	struct span line;

	buf_put_span(&w->line, part);
	*in = span_from(*in, part.len);
	line = buf_span(&w->line);
	if (ends_line(line))
		take_line(w, line.len, true);
	else if (line.len == MAIL_FIELD_MOST)
		cut_line(w);
}

/* Bodies */

static void pass_body(struct mail_walk *w, struct span octets)
{
	if (octets.len)
		w->calls->body(w->user, here(w)->part, octets);
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
	struct level *level;

	line = w->at_line ? line : span_from(line, 2);
	level = find_delimiter(w, span_first(line, line.len - 2), &closes);
	if (!level) {
		pass_held(w, 2);
		return;
	}
	w->held = (struct buf){ 0 };
	pass_delimiter(w, level, closes, buf_span(&held));
	buf_fini(&held);
}

static void hold_line(struct mail_walk *w, struct span *in)
{
	size_t end = span_find(*in, '\n'), room = LINE_MOST + 2 - w->held.len;
	struct span part = span_first(span_first(*in, end < in->len ? end + 1 : end), room), held;

	buf_put_span(&w->held, part);
	*in = span_from(*in, part.len);
	held = buf_span(&w->held);
	if (ends_line(held))
		take_held_line(w);
	else if (held.at[held.len - 1] == '\n')
		pass_held(w, 0);
	else if (held.len == LINE_MOST + 2)
		pass_held(w, held.at[held.len - 1] == '\r');
}

static void feed_body(struct mail_walk *w, struct span *in)
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
static void end_body(struct mail_walk *w)
{
	struct span held = buf_span(&w->held);
	struct span line = w->at_line ? held : span_from(held, 2);
	bool closes;
	struct level *level = find_delimiter(w, line, &closes);
	struct buf whole = w->held;

	if (!level) {
		pass_held(w, 0);
		return;
	}
	w->held = (struct buf){ 0 };
	pass_delimiter(w, level, closes, buf_span(&whole));
	buf_fini(&whole);
}

/* The whole */

struct mail_walk *mail_walk_new(const struct mail_walk_calls *calls, void *user)
{
	struct mail_walk *w = mem_new(struct mail_walk);

	w->calls = calls;
	w->user = user;
	begin_part(w, false);
	return w;
}

void mail_walk_free(struct mail_walk **walk)
{
	struct mail_walk *w = *walk;

	if (!w)
		return;
	for (unsigned i = 0; i < LEVELS; i++)
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
		case HEADER:
			feed_header(w, &content);
			break;
		case BODY:
			feed_body(w, &content);
			break;
		case REST:
			w->calls->body(w->user, here(w)->part, content);
			return;
		}
	}
}

void mail_walk_end(struct mail_walk *w)
{
	if (w->state == HEADER && w->line.len)
		take_line(w, w->line.len, true);
	if (w->state == BODY)
		end_body(w);
	if (w->state == HEADER) {
		flush_field(w, false);
		end_head(w, span_of(NULL, 0), true);
	}
	end_parts(w, 0);
}
