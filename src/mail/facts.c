#include "facts.h"

#define EACH(c) (UINT64_C(0x0101010101010101) * (c))
#define HIGH EACH(0x80)

/* An octet that quoted-printable writes as itself wherever in a line it stands; blanks count as such. */
static bool is_plain(unsigned char c)
{
	return (c >= ' ' && c < 127 && c != '=') || c == '\t';
}

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

/* Some of these are written otherwise at the start of a line (mail/quoted.h), as are blanks at its end. */
static void note_start(struct mail_facts *f, unsigned char c)
{
	if (f->column == 0 && (c == '.' || c == '-' || c == 'F'))
		f->width += 2;
}

/* RFC 3629 4: which octet may follow the first, so that neither overlong forms nor surrogates pass. */
static void begin_character(struct mail_facts *f, unsigned char c)
{
	f->low = 0x80;
	f->high = 0xBF;
	if (c >= 0xC2 && c <= 0xDF) {
		f->wanted = 1;
	} else if (c >= 0xE0 && c <= 0xEF) {
		f->wanted = 2;
		f->low = c == 0xE0 ? 0xA0 : 0x80;
		f->high = c == 0xED ? 0x9F : 0xBF;
	} else if (c >= 0xF0 && c <= 0xF4) {
		f->wanted = 3;
		f->low = c == 0xF0 ? 0x90 : 0x80;
		f->high = c == 0xF4 ? 0x8F : 0xBF;
	} else {
		f->is_broken = true;
	}
}

static void check_utf8(struct mail_facts *f, unsigned char c)
{
	if (f->wanted == 0) {
		if (c >= 0x80)
			begin_character(f, c);
		return;
	}
	if (c < f->low || c > f->high) {
		f->is_broken = true;
		f->wanted = 0;
		return;
	}
	f->wanted--;
	f->low = 0x80;
	f->high = 0xBF;
}

static void end_line(struct mail_facts *f)
{
	if (f->column > SMTP_LINE_MOST)
		f->is_long = true;
	f->width += is_blank(f->last) ? 2 : 0;
	f->column = 0;
	f->last = 0;
}

static void take_cr_alone(struct mail_facts *f)
{
	f->has_cr = false;
	f->last = '\r';
	f->is_binary = true;
	f->column++;
	f->width += 3;
}

static void take(struct mail_facts *f, unsigned char c)
{
	if (f->has_cr && c == '\n') {
		f->has_cr = false;
		f->lines++;
		end_line(f);
		return;
	}
	if (f->has_cr)
		take_cr_alone(f);
	check_utf8(f, c);
	if (c == '\r') {
		f->has_cr = true;
		return;
	}
	note_start(f, c);
	f->column++;
	f->last = c;
	f->width += is_plain(c) ? 1 : 3;
	f->is_8bit = f->is_8bit || c >= 0x80;
	f->is_binary = f->is_binary || c == 0 || c == '\n';
}

/* No control, none of "=", DEL and what is above it; may err for a CR's neighbours, on the safe side. */
static bool are_plain(uint64_t eight)
{
	uint64_t equals = eight ^ EACH('='), del = eight ^ EACH(127);
	uint64_t found = (eight - EACH(' ')) | (equals - EACH(1)) | (del - EACH(1)) | eight;

	return (found & HIGH) == 0;
}

/* Nothing more can be learned of it than how long it is. */
static bool is_known(const struct mail_facts *f)
{
	return f->is_binary && f->is_8bit && f->is_long;
}

void mail_facts_feed(struct mail_facts *f, struct span octets)
{
	uint64_t eight;
	size_t i = 0;

	f->octets += octets.len;
	while (i < octets.len && !is_known(f)) {
		if (octets.len - i >= sizeof(eight) && !f->has_cr && f->wanted == 0) {
			memcpy(&eight, octets.at + i, sizeof(eight));
			if (are_plain(eight)) {
				note_start(f, octets.at[i]);
				f->last = octets.at[i + sizeof(eight) - 1];
				f->column += sizeof(eight);
				f->width += sizeof(eight);
				i += sizeof(eight);
				continue;
			}
		}
		take(f, octets.at[i++]);
	}
}

void mail_facts_end(struct mail_facts *f)
{
	if (f->has_cr)
		take_cr_alone(f);
	f->is_broken = f->is_broken || f->wanted;
	f->wanted = 0;
	f->is_ragged = f->column > 0;
	end_line(f);
}
