#include "walk_private.h"

#include "text.h"

static bool is_identity(enum mail_encoding encoding)
{
	return encoding != MAIL_ENCODING_QUOTED && encoding != MAIL_ENCODING_BASE64;
}

static enum mail_opacity multipart_opacity(const struct mail_walk *w)
{
	if (!is_identity(w->head.encoding))
		return MAIL_OPAQUE_ENCODED;
	if (w->depth == WALK_LEVELS)
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
	else if (w->depth == WALK_LEVELS)
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
	walk_here(w)->is_digest = w->head.kind == MAIL_KIND_DIGEST;
	w->state = WALK_BODY;
	w->at_line = true;
	if (is_composite &&
	    (w->head.kind == MAIL_KIND_MULTIPART || w->head.kind == MAIL_KIND_DIGEST))
		walk_set_boundary(w, walk_here(w), buf_span(&w->boundary));
	else if (is_composite && w->head.kind == MAIL_KIND_MESSAGE)
		walk_begin_part(w, true);
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

/* A header section that begins with no field is an empty one. */
static void take_first_junk(struct mail_walk *w, struct span line)
{
	w->is_headless = true;
	end_head(w, span_of(NULL, 0), false);
	while (line.len)
		walk_feed_body(w, &line);
}

static void take_header_line(struct mail_walk *w, struct span line)
{
	bool closes, is_blank = line.at[0] == ' ' || line.at[0] == '\t', is_first = w->is_first;
	size_t end = walk_ends_line(line) ? 2 : 0;
	struct walk_level *level =
		walk_find_delimiter(w, span_first(line, line.len - end), &closes);

	w->is_first = false;
	if (w->is_cut || (is_blank && w->has_field)) {
		continue_field(w, line);
	} else if (level) {
		flush_field(w, false);
		end_head(w, span_of(NULL, 0), true);
		walk_pass_delimiter(w, level, closes, line);
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
	w->is_cut = !is_whole && w->state == WALK_HEADER;
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

void walk_feed_head(struct mail_walk *w, struct span *in)
{
	size_t end = span_find(*in, '\n'), room = MAIL_FIELD_MOST - w->line.len;
	struct span part = span_first(span_first(*in, end < in->len ? end + 1 : end), room);
	struct span line;

	buf_put_span(&w->line, part);
	*in = span_from(*in, part.len);
	line = buf_span(&w->line);
	if (walk_ends_line(line))
		take_line(w, line.len, true);
	else if (line.len == MAIL_FIELD_MOST)
		cut_line(w);
}

void walk_end_line(struct mail_walk *w)
{
	if (w->line.len)
		take_line(w, w->line.len, true);
}

void walk_end_head(struct mail_walk *w)
{
	flush_field(w, false);
	end_head(w, span_of(NULL, 0), true);
}
