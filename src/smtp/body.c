#include "smtp/body.h"

#include "run.h"
#include "smtp/content.h"

/* Where in a line we are. In:
 *
 *   START  at the start of a line          DOT     behind a dot at the start of a line
 *   TEXT   within a line                   DOT_CR  behind that dot and a CR
 *   CR     behind a CR, which is held back
 *
 * RFC 5321 4.5.2: "When a line of mail text is received by the SMTP server, it checks the line. If
 * the line is composed of a single period, it is treated as the end of mail indicator. If the first
 * character is a period and there are other characters on the line, the first character is
 * deleted." A line begins behind a CRLF and nowhere else: not behind a bare LF that we mend.
 *
 * In chunks a dot means nothing: START is TEXT, and only CR is told from it. */
enum { START, TEXT, CR, DOT, DOT_CR };

static const unsigned char crlf[2] = { '\r', '\n' };

bool smtp_body_is_bad(const struct smtp_body_decoder *d)
{
	return d->has_bare_cr || d->has_nul || (d->has_bare_lf && d->refuse_bare_lf);
}

/* In what is given, each LF has its CR before it. Sought is, from the start of a line, the last LF that
 * may be the line's own: there is one, however many others stand before it, or the line is too long. */
static void measure_lines(struct smtp_body_decoder *d, struct span chunk)
{
	while (chunk.len && !d->has_long_lines) {
		struct span reach = span_first(chunk, SMTP_LINE_MOST + 2 - d->line);
		const unsigned char *lf = memrchr(reach.at, '\n', reach.len);

		if (lf) {
			d->line = 0;
			chunk = span_from(chunk, (size_t)(lf - chunk.at) + 1);
		} else {
			d->line += reach.len;
			d->has_long_lines = d->line > SMTP_LINE_MOST;
			chunk = span_from(chunk, reach.len);
		}
	}
}

static enum smtp_body_step give(struct smtp_body_decoder *d, struct span chunk, struct span *out)
{
	if (smtp_body_is_bad(d))
		return SMTP_BODY_MORE;
	d->octets += chunk.len;
	measure_lines(d, chunk);
	*out = chunk;
	return SMTP_BODY_CHUNK;
}

/* A bare LF is content as CRLF, or spoils it. A dot behind it is content too, and now begins a line. */
static enum smtp_body_step mend_lf(struct smtp_body_decoder *d, struct span *out)
{
	d->has_bare_lf = d->has_dot_lines = true;
	d->state = TEXT;
	return give(d, span_of(crlf, sizeof(crlf)), out);
}

/* The one octet c, in the states and cases that smtp_run_length() leaves. */
static enum smtp_body_step step_octet(struct smtp_body_decoder *d, bool has_dots, unsigned char c,
				      struct span *out)
{
	bool is_behind_cr = d->state == CR || d->state == DOT_CR;

	if (c == '\n' && d->state == DOT_CR) {
		d->state = START;
		d->is_dotless = !d->has_dot_lines && !smtp_body_is_bad(d);
		return SMTP_BODY_END;
	}
	if (c == '\n' && d->state == CR) {
		d->state = START;
		return give(d, span_of(crlf, sizeof(crlf)), out);
	}
	d->has_bare_cr |= is_behind_cr;
	if (c == '\n')
		return mend_lf(d, out);
	d->has_nul |= c == 0;
	if (c == '\r')
		d->state = d->state == DOT ? DOT_CR : CR;
	else if (c == '.' && d->state == START && has_dots)
		d->state = DOT;
	else
		d->state = TEXT;
	return SMTP_BODY_MORE;
}

static bool may_run(const struct smtp_body_decoder *d, unsigned char c)
{
	if (d->state == DOT)
		return c != '\r';
	return d->state == START || d->state == TEXT;
}

static enum smtp_body_step decode(struct smtp_body_decoder *d, bool has_dots, struct span *in,
				  struct span *out)
{
	while (in->len) {
		enum smtp_body_step step;
		struct span run = span_first(*in, 0);

		d->has_dot_lines |= d->state == DOT && in->at[0] != '\r';
		if (may_run(d, in->at[0])) {
			bool is_start = d->state == START;

			run = span_first(*in, smtp_run_length(*in, has_dots, &is_start));
			if (run.len)
				d->state = is_start ? START : TEXT;
		}
		if (run.len) {
			*in = span_from(*in, run.len);
			step = give(d, run, out);
		} else {
			step = step_octet(d, has_dots, in->at[0], out);
			*in = span_from(*in, 1);
		}
		if (step != SMTP_BODY_MORE)
			return step;
	}
	return SMTP_BODY_MORE;
}

enum smtp_body_step smtp_body_decode(struct smtp_body_decoder *d, struct span *in, struct span *out)
{
	return decode(d, true, in, out);
}

enum smtp_body_step smtp_chunk_decode(struct smtp_body_decoder *d, struct span *in,
				      struct span *out)
{
	return decode(d, false, in, out);
}

void smtp_chunk_decode_end(struct smtp_body_decoder *d)
{
	d->has_bare_cr |= d->state == CR;
}

/* Out: START, TEXT, and CR behind a CR that went out as CRLF already. */

static void put_octet(struct smtp_body_encoder *e, unsigned char c, struct buf *out)
{
	int before = e->state;

	if (c == 0)
		return;
	e->state = c == '\r' ? CR : c == '\n' ? START : TEXT;
	if (c == '\n' && before == CR)
		return;
	if (c == '\r' || c == '\n') {
		buf_put(out, crlf, sizeof(crlf));
		return;
	}
	if (c == '.' && before != TEXT)
		buf_put_char(out, '.');
	buf_put_char(out, (char)c);
}

/* The octets from the front that go out as they stand. */
static struct span take_run(struct smtp_body_encoder *e, struct span *content)
{
	bool is_start = e->state != TEXT;
	struct span run = span_first(*content, 0);

	if (e->is_dotless) {
		run = *content;
		is_start = run.at[run.len - 1] == '\n';
	} else if (e->state != CR || content->at[0] != '\n') {
		run = span_first(*content, smtp_run_length(*content, true, &is_start));
	}
	if (run.len)
		e->state = is_start ? START : TEXT;
	*content = span_from(*content, run.len);
	return run;
}

struct span smtp_body_pass(struct smtp_body_encoder *e, struct span *content, struct buf *out)
{
	while (content->len) {
		struct span run = take_run(e, content);

		if (run.len >= SMTP_BODY_RUN)
			return run;
		buf_put_span(out, run);
		if (run.len == 0) {
			put_octet(e, content->at[0], out);
			*content = span_from(*content, 1);
		}
	}
	return span_first(*content, 0);
}

void smtp_body_encode(struct smtp_body_encoder *e, struct span content, struct buf *out)
{
	while (content.len)
		buf_put_span(out, smtp_body_pass(e, &content, out));
}

void smtp_body_encode_end(struct smtp_body_encoder *e, struct buf *out)
{
	if (e->state == TEXT)
		buf_put(out, crlf, sizeof(crlf));
	buf_put(out, ".\r\n", 3);
	e->state = START;
}
