#include "smtp/body.h"

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

/* The octets from the front that are above CR: eight at a time, as nearly all of a message is. The
 * difference, where the top bit was clear before, has it set for the first octet below 14; for those
 * behind it it may lie, but where there is none no bit is set. */
static size_t plain_length(struct span in)
{
	const uint64_t ones = UINT64_MAX / 255, tops = ones * 128;
	size_t n = 0;

	while (in.len - n >= sizeof(uint64_t)) {
		uint64_t eight;

		memcpy(&eight, in.at + n, sizeof(eight));
		if ((eight - ones * ('\r' + 1)) & ~eight & tops)
			break;
		n += sizeof(eight);
	}
	while (n < in.len && in.at[n] > '\r')
		n++;
	return n;
}

/* The octets from the front that are content as they stand: whole lines that do not begin with a
 * dot (where dots mean something), and text. *state is that behind them. */
static size_t run_length(struct span in, bool has_dots, int *state)
{
	size_t n = 0;

	while (n < in.len) {
		unsigned char c = in.at[n];

		if (c > '\r' && (c != '.' || *state != START || !has_dots)) {
			*state = TEXT;
			n += plain_length(span_from(in, n));
		} else if (c == '\r' && n + 1 < in.len && in.at[n + 1] == '\n') {
			*state = START;
			n += 2;
		} else if (c == '\r' || c == '\n' || c == 0 || c == '.') {
			break;
		} else {
			*state = TEXT;
			n++;
		}
	}
	return n;
}

/* In what is given, each LF has its CR before it. */
static void measure_lines(struct smtp_body_decoder *d, struct span chunk)
{
	while (chunk.len && !d->has_long_lines) {
		size_t n = span_find(chunk, '\n');
		bool is_ended = n < chunk.len;

		d->line += n - is_ended;
		d->has_long_lines = d->line > SMTP_LINE_MOST;
		if (is_ended)
			d->line = 0;
		chunk = span_from(chunk, n + 1);
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

/* A bare LF is content as CRLF, or spoils it. */
static enum smtp_body_step mend_lf(struct smtp_body_decoder *d, struct span *out)
{
	d->has_bare_lf = true;
	d->state = TEXT;
	return give(d, span_of(crlf, sizeof(crlf)), out);
}

/* The one octet c, in the states and cases that run_length() leaves. */
static enum smtp_body_step step_octet(struct smtp_body_decoder *d, bool has_dots, unsigned char c,
				      struct span *out)
{
	bool is_behind_cr = d->state == CR || d->state == DOT_CR;

	if (c == '\n' && d->state == DOT_CR) {
		d->state = START;
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

		if (may_run(d, in->at[0])) {
			int state = d->state == DOT ? TEXT : d->state;

			run = span_first(*in, run_length(*in, has_dots, &state));
			if (run.len)
				d->state = state;
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

void smtp_body_encode(struct smtp_body_encoder *e, struct span content, struct buf *out)
{
	while (content.len) {
		int state = e->state == CR ? START : e->state;
		size_t n = 0;

		if (e->state != CR || content.at[0] != '\n')
			n = run_length(content, true, &state);
		if (n) {
			buf_put(out, content.at, n);
			e->state = state;
		} else {
			put_octet(e, content.at[0], out);
			n = 1;
		}
		content = span_from(content, n);
	}
}

void smtp_body_encode_end(struct smtp_body_encoder *e, struct buf *out)
{
	if (e->state == TEXT)
		buf_put(out, crlf, sizeof(crlf));
	buf_put(out, ".\r\n", 3);
	e->state = START;
}
