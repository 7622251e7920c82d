#include "mime.h"

enum { PIECES_MOST = 16 };

/* Reading a value from the front */

static bool is_space(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct span skip_comment(struct span s)
{
	unsigned depth = 0;

	do {
		if (s.at[0] == '\\')
			s = span_from(s, 1);
		else if (s.at[0] == '(')
			depth++;
		else if (s.at[0] == ')')
			depth--;
		s = span_from(s, 1);
	} while (s.len && depth);
	return s;
}

static struct span skip_space(struct span s)
{
	while (s.len && (is_space(s.at[0]) || s.at[0] == '('))
		s = s.at[0] == '(' ? skip_comment(s) : span_from(s, 1);
	return s;
}

/* Up to white space or one of `ends`. */
static struct span take_word(struct span *s, const char *ends)
{
	size_t n = 0;
	struct span word;

	while (n < s->len && !is_space(s->at[n]) && (s->at[n] == 0 || !strchr(ends, s->at[n])))
		n++;
	word = span_first(*s, n);
	*s = span_from(*s, n);
	return word;
}

static void take_quoted(struct span *s, struct buf *out)
{
	size_t i = 1;

	for (; i < s->len && s->at[i] != '"'; i++) {
		if (s->at[i] == '\\' && i + 1 < s->len)
			i++;
		if (s->at[i] != '\r' && s->at[i] != '\n')
			buf_put_char(out, (char)s->at[i]);
	}
	*s = span_from(*s, i + 1);
}

static void take_value(struct span *s, struct buf *out)
{
	*s = skip_space(*s);
	if (s->len && s->at[0] == '"')
		take_quoted(s, out);
	else
		buf_put_span(out, take_word(s, ";"));
}

/* To the octet behind the next ";" that stands in no comment and no quotes. */
static struct span next_parameter(struct span s)
{
	struct buf none = { 0 };

	while (s.len && s.at[0] != ';') {
		if (s.at[0] == '"')
			take_quoted(&s, &none);
		else if (s.at[0] == '(')
			s = skip_comment(s);
		else
			s = span_from(s, 1);
	}
	buf_fini(&none);
	return span_from(s, 1);
}

/* The boundary */

struct pieces {
	struct buf plain, piece[PIECES_MOST];
	bool has_plain;
	unsigned known; /* a bit for each piece */
};

static int hex_value(unsigned char c)
{
	unsigned char l = ascii_lower(c);

	if (ascii_is_digit(c))
		return c - '0';
	return l >= 'a' && l <= 'f' ? l - 'a' + 10 : -1;
}

/* RFC 2231 4: "us-ascii'en'a%20b"; only the first piece has the character set. */
static void decode(struct buf *value, bool is_first)
{
	struct span in = buf_span(value);
	struct buf out = { 0 };

	for (int marks = 0; is_first && marks < 2; marks++)
		in = span_from(in, span_find(in, '\'') + 1);
	while (in.len) {
		int high = in.at[0] == '%' && in.len > 2 ? hex_value(in.at[1]) : -1;
		int low = high >= 0 ? hex_value(in.at[2]) : -1;

		int octet = low >= 0 ? high << 4 | low : in.at[0];

		buf_put_char(&out, (char)octet);
		in = span_from(in, low >= 0 ? 3 : 1);
	}
	buf_fini(value);
	*value = out;
}

/* The number of a piece: of "boundary*1*" it is 1, and the value is encoded; "boundary*" is piece 0. */
static bool parse_piece(struct span name, unsigned *number, bool *is_encoded)
{
	uint64_t n = 0;

	if (!span_istarts(name, "boundary*"))
		return false;
	name = span_from(name, strlen("boundary*"));
	*is_encoded = name.len == 0 || name.at[name.len - 1] == '*';
	if (name.len && *is_encoded)
		name.len--;
	if (name.len && (span_number(name, &n) || n >= PIECES_MOST))
		return false;
	*number = (unsigned)n;
	return true;
}

/* Of a name that stands twice the first counts. */
static void note_parameter(struct pieces *p, struct span name, struct buf *value)
{
	bool is_encoded;
	unsigned number;

	if (span_ieq_text(name, "boundary") && !p->has_plain) {
		p->has_plain = true;
		buf_put_span(&p->plain, buf_span(value));
	} else if (parse_piece(name, &number, &is_encoded) && !(p->known & 1U << number)) {
		p->known |= 1U << number;
		if (is_encoded)
			decode(value, number == 0);
		buf_put_span(&p->piece[number], buf_span(value));
	}
}

static void gather(struct span s, struct pieces *p)
{
	struct buf value = { 0 };

	while (s.len) {
		struct span name;

		s = skip_space(s);
		name = take_word(&s, "=;\"(");
		s = skip_space(s);
		if (s.len && s.at[0] == '=') {
			s = span_from(s, 1);
			take_value(&s, &value);
			note_parameter(p, name, &value);
		}
		buf_clear(&value);
		s = next_parameter(s);
	}
	buf_fini(&value);
}

static void join(struct pieces *p)
{
	for (unsigned i = 0; !p->has_plain && i < PIECES_MOST && (p->known & 1U << i); i++)
		buf_put_span(&p->plain, buf_span(&p->piece[i]));
}

/* A delimiter line beyond ASCII, or with a control, could not be sent everywhere. */
static bool is_usable(struct span boundary)
{
	if (boundary.len == 0 || boundary.len > MAIL_BOUNDARY_MOST)
		return false;
	for (size_t i = 0; i < boundary.len; i++)
		if (boundary.at[i] < ' ' || boundary.at[i] > 126)
			return false;
	return true;
}

static void find_boundary(struct span parameters, struct buf *boundary)
{
	struct pieces p = { 0 };

	gather(parameters, &p);
	join(&p);
	/* White space at its end would be a gateway's (RFC 2046 5.1.1). */
	while (p.plain.len && is_space(p.plain.at[p.plain.from + p.plain.len - 1]))
		p.plain.len--;
	if (is_usable(buf_span(&p.plain)))
		buf_put_span(boundary, buf_span(&p.plain));
	for (unsigned i = 0; i < PIECES_MOST; i++)
		buf_fini(&p.piece[i]);
	buf_fini(&p.plain);
}

/* Types */

static enum mail_kind multipart_kind(struct span subtype)
{
	if (span_ieq_text(subtype, "signed"))
		return MAIL_KIND_SIGNED;
	return span_ieq_text(subtype, "digest") ? MAIL_KIND_DIGEST : MAIL_KIND_MULTIPART;
}

/* Of the others, such as message/delivery-status, the body is lines of text (RFC 3464, RFC 8098). */
static enum mail_kind message_kind(struct span subtype)
{
	if (span_ieq_text(subtype, "rfc822") || span_ieq_text(subtype, "global") ||
	    span_ieq_text(subtype, "news"))
		return MAIL_KIND_MESSAGE;
	if (span_ieq_text(subtype, "partial") || span_ieq_text(subtype, "external-body"))
		return MAIL_KIND_PARTIAL;
	return MAIL_KIND_TEXT;
}

enum mail_kind mail_mime_type(struct span value, struct buf *boundary)
{
	struct span s = skip_space(value), type = take_word(&s, "/;(\""), subtype;

	buf_clear(boundary);
	s = skip_space(s);
	if (type.len == 0 || s.len == 0 || s.at[0] != '/')
		return MAIL_KIND_TEXT;
	s = skip_space(span_from(s, 1));
	subtype = take_word(&s, ";(\"");
	if (subtype.len == 0 || span_ieq_text(type, "text"))
		return MAIL_KIND_TEXT;
	if (span_ieq_text(type, "message"))
		return message_kind(subtype);
	if (!span_ieq_text(type, "multipart"))
		return MAIL_KIND_OTHER;
	find_boundary(next_parameter(s), boundary);
	return multipart_kind(subtype);
}

enum mail_encoding mail_mime_encoding(struct span value)
{
	static const struct {
		const char *name;
		enum mail_encoding encoding;
	} names[] = { { "7bit", MAIL_ENCODING_7BIT },
		      { "8bit", MAIL_ENCODING_8BIT },
		      { "binary", MAIL_ENCODING_BINARY },
		      { "quoted-printable", MAIL_ENCODING_QUOTED },
		      { "base64", MAIL_ENCODING_BASE64 } };
	struct buf word = { 0 };
	enum mail_encoding found = MAIL_ENCODING_OTHER;

	value = skip_space(value);
	if (value.len && value.at[0] == '"')
		take_quoted(&value, &word);
	else
		buf_put_span(&word, take_word(&value, ";("));
	if (word.len == 0)
		found = MAIL_ENCODING_NONE;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (span_ieq_text(buf_span(&word), names[i].name))
			found = names[i].encoding;
	buf_fini(&word);
	return found;
}
