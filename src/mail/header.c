#include "mail/header.h"

#define ID_MAX 250

enum state {
	LINE_START, /* of the header section */
	NAME,	    /* octets that may be a field name; they are held back */
	NAME_BLANK, /* white space behind it; held back too */
	BLANK_CR,   /* a CR at the start of a line; held back */
	LINE,	    /* up to the line's end, passed on or dropped */
	BODY,
};

void mail_scan_init(struct mail_scan *s, const struct mail_scan_conf *conf)
{
	*s = (struct mail_scan){ .conf = *conf, .state = LINE_START };
}

void mail_scan_restart(struct mail_scan *s, const struct mail_scan_conf *conf)
{
	struct buf held = s->held, id = s->id;

	buf_clear(&held);
	buf_clear(&id);
	*s = (struct mail_scan){ .conf = *conf, .state = LINE_START, .held = held, .id = id };
}

void mail_scan_fini(struct mail_scan *s)
{
	buf_fini(&s->held);
	buf_fini(&s->id);
}

static void look_for_8bit(struct mail_scan *s, struct span octets)
{
	bool is_sought = s->is_in_body ? !s->has_8bit : !s->has_8bit_header;

	if (is_sought && !span_is_ascii(octets)) {
		s->has_8bit = true;
		s->has_8bit_header = s->has_8bit_header || !s->is_in_body;
	}
}

static void pass(struct mail_scan *s, struct span octets, struct buf *out)
{
	look_for_8bit(s, octets);
	buf_put_span(out, octets);
}

static void pass_held(struct mail_scan *s, struct buf *out)
{
	pass(s, buf_span(&s->held), out);
	buf_clear(&s->held);
}

static void add_field(struct buf *out, const char *name, const char *value)
{
	buf_put_text(out, name);
	buf_put_text(out, value);
	buf_put_text(out, "\r\n");
}

static bool is_complete(const struct mail_scan *s)
{
	return s->is_completed || ((s->has_date || s->conf.date == NULL) &&
				   (s->has_message_id || s->conf.message_id == NULL));
}

static void add_missing(struct mail_scan *s, struct buf *out)
{
	if (s->is_completed)
		return;
	if (!s->has_date && s->conf.date)
		add_field(out, "Date: ", s->conf.date);
	if (!s->has_message_id && s->conf.message_id) {
		add_field(out, "Message-ID: ", s->conf.message_id);
		buf_clear(&s->id);
		buf_put_span(&s->id, span_first(span_text(s->conf.message_id), ID_MAX));
	}
	s->is_completed = true;
}

static void end_capture(struct mail_scan *s)
{
	if (s->is_capturing)
		s->id.len = span_trim(buf_span(&s->id)).len;
	s->is_capturing = false;
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

static bool is_line_end(unsigned char c)
{
	return c == '\r' || c == '\n';
}

static void capture(struct mail_scan *s, struct span part)
{
	while (part.len && s->id.len < ID_MAX) {
		size_t n = 0;

		if (is_line_end(part.at[0]) || (s->id.len == 0 && is_blank(part.at[0]))) {
			part = span_from(part, 1);
			continue;
		}
		while (n < part.len && !is_line_end(part.at[n]))
			n++;
		buf_put_span(&s->id, span_first(span_first(part, n), ID_MAX - s->id.len));
		part = span_from(part, n);
	}
}

static void note_name(struct mail_scan *s, struct span name)
{
	bool is_id = span_ieq_text(name, "Message-ID");

	s->is_dropping = span_ieq_text(name, "Bcc") || span_ieq_text(name, "Resent-Bcc");
	if (span_ieq_text(name, "Received"))
		s->received++;
	/* Behind a line that is no field, Date and Message-ID have been added already. */
	if (s->is_completed)
		return;
	s->is_capturing = is_id && !s->has_message_id;
	s->has_message_id = s->has_message_id || is_id;
	s->has_date = s->has_date || span_ieq_text(name, "Date");
	s->has_from = s->has_from || span_ieq_text(name, "From");
}

/* name: with the white space behind it, before the colon. */
static void begin_field(struct mail_scan *s, struct span name)
{
	end_capture(s);
	note_name(s, span_trim(name));
	s->is_after_first = true;
	s->state = LINE;
}

/* The colon behind a name that was held has come; it is still in the input. */
static void begin_held_field(struct mail_scan *s, struct buf *out)
{
	begin_field(s, buf_span(&s->held));
	if (s->is_dropping)
		buf_clear(&s->held);
	else
		pass_held(s, out);
}

/* What has been put out since the last call belongs to the header section. */
static void count_header(struct mail_scan *s, const struct buf *out)
{
	s->header_put += out->len - s->counted;
	s->counted = out->len;
}

/* What is held, and the octet that is next, begin a line that is no header field. */
static void begin_other_line(struct mail_scan *s, struct buf *out)
{
	end_capture(s);
	add_missing(s, out);
	s->is_dropping = false;
	s->state = LINE;
	if (!s->is_after_first) {
		count_header(s, out);
		buf_put_text(out, "\r\n");
		s->is_in_body = true;
		s->state = BODY;
	}
	pass_held(s, out);
}

static void begin_body(struct mail_scan *s, struct buf *out)
{
	end_capture(s);
	add_missing(s, out);
	count_header(s, out);
	pass_held(s, out);
	s->is_in_body = true;
	s->state = BODY;
}

/* RFC 5322 3.6.8: ftext is any printable ASCII but the colon. */
static bool is_name_octet(unsigned char c)
{
	return c > ' ' && c < 127 && c != ':';
}

static void hold(struct mail_scan *s, unsigned char c, int state)
{
	buf_put_char(&s->held, (char)c);
	s->state = state;
}

/* Each step takes octets from the front of *in, or changes the state, or both. */

/* A name that the input holds whole, as nearly all do. 0: there is none. */
static size_t take_name(struct mail_scan *s, struct span in, struct buf *out)
{
	size_t n = 0;

	while (n < in.len && is_name_octet(in.at[n]))
		n++;
	while (n && n < in.len && is_blank(in.at[n]))
		n++;
	if (n == 0 || n == in.len || in.at[n] != ':' || n > MAIL_SCAN_HELD)
		return 0;
	begin_field(s, span_first(in, n));
	if (!s->is_dropping)
		pass(s, span_first(in, n + 1), out);
	return n + 1;
}

static size_t step_line_start(struct mail_scan *s, struct span in, struct buf *out)
{
	size_t taken = take_name(s, in, out);
	unsigned char c = in.at[0];

	if (taken)
		return taken;
	if (is_blank(c) && s->is_after_first) {
		s->state = LINE;
		return 0;
	}
	if (c == '\r' || is_name_octet(c)) {
		hold(s, c, c == '\r' ? BLANK_CR : NAME);
		return 1;
	}
	if (c == '\n') {
		hold(s, c, BODY);
		begin_body(s, out);
		return 1;
	}
	begin_other_line(s, out);
	return 0;
}

static size_t step_name(struct mail_scan *s, struct span in, struct buf *out)
{
	unsigned char c = in.at[0];

	if (c == ':') {
		begin_held_field(s, out);
		if (!s->is_dropping)
			pass(s, span_first(in, 1), out);
		return 1;
	}
	if (s->held.len < MAIL_SCAN_HELD &&
	    (is_blank(c) || (s->state == NAME && is_name_octet(c)))) {
		hold(s, c, is_blank(c) ? NAME_BLANK : NAME);
		return 1;
	}
	begin_other_line(s, out);
	return 0;
}

static size_t step_blank_cr(struct mail_scan *s, struct span in, struct buf *out)
{
	if (in.at[0] != '\n') {
		begin_other_line(s, out);
		return 0;
	}
	hold(s, '\n', BODY);
	begin_body(s, out);
	return 1;
}

static size_t step_line(struct mail_scan *s, struct span in, struct buf *out)
{
	size_t end = span_find(in, '\n');
	struct span line = span_first(in, end < in.len ? end + 1 : end);

	if (s->is_capturing)
		capture(s, line);
	if (!s->is_dropping)
		pass(s, line, out);
	if (end < in.len)
		s->state = LINE_START;
	return line.len;
}

static size_t step(struct mail_scan *s, struct span in, struct buf *out)
{
	switch ((enum state)s->state) {
	case LINE_START:
		return step_line_start(s, in, out);
	case NAME:
	case NAME_BLANK:
		return step_name(s, in, out);
	case BLANK_CR:
		return step_blank_cr(s, in, out);
	case LINE:
		return step_line(s, in, out);
	case BODY:
		break;
	}
	return 0;
}

struct span mail_scan_feed(struct mail_scan *s, struct span content, struct buf *out)
{
	while (content.len && s->state != BODY) {
		size_t used;

		s->counted = out->len;
		used = step(s, content, out);
		s->header_octets += used;
		if (!s->is_in_body)
			count_header(s, out);
		content = span_from(content, used);
	}
	if (s->header_octets > s->conf.header_octets)
		s->is_too_long = true;
	look_for_8bit(s, content);
	return content;
}

void mail_scan_end(struct mail_scan *s, struct buf *out)
{
	s->counted = out->len;
	if (s->state == NAME || s->state == NAME_BLANK || s->state == BLANK_CR)
		begin_other_line(s, out);
	end_capture(s);
	if (!is_complete(s)) {
		/* A dropped line leaves the output at the start of one. */
		if (s->state == LINE && !s->is_dropping)
			buf_put_text(out, "\r\n");
		add_missing(s, out);
	}
	if (!s->is_in_body)
		count_header(s, out);
}
