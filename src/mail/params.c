#include "params.h"

#include "text.h"
#include "tokens.h"

enum {
	COLUMNS = 74,	/* of 76: a blank in front, and ";" */
	NAME_MOST = 40, /* with a longer one nothing is taken to pieces */
};

/* Up to a ";" outside of quotes and comments. */
static struct span next_segment(struct span s)
{
	bool in_quotes = false;
	unsigned depth = 0;
	size_t i = 0;

	for (; i < s.len && (in_quotes || depth || s.at[i] != ';'); i++) {
		if (s.at[i] == '\\')
			i++;
		else if (s.at[i] == '"' && !depth)
			in_quotes = !in_quotes;
		else if (s.at[i] == '(' && !in_quotes)
			depth++;
		else if (s.at[i] == ')' && depth)
			depth--;
	}
	return span_first(s, i);
}

static bool is_attribute_char(unsigned char c)
{
	return ascii_is_alnum(c) || (c && strchr("-._~+!#$^`{}|", c));
}

static void put_percent(struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		if (is_attribute_char(in.at[i]))
			buf_put_char(out, (char)in.at[i]);
		else
			buf_printf(out, "%%%02X", in.at[i]);
	}
}

static const char *charset_of(struct span value)
{
	return span_is_utf8(value) ? "UTF-8''" : "unknown-8bit''";
}

/* Neither types nor names are beyond ASCII. */
static void put_name(struct span name, struct buf *out)
{
	for (size_t i = 0; i < name.len; i++)
		buf_put_char(out, name.at[i] < 0x80 ? (char)name.at[i] : '_');
}

static void put_segment(struct mail_words *w, struct buf *segment, bool is_last)
{
	if (!is_last)
		buf_put_char(segment, ';');
	mail_words_put(w, span_text(" "), buf_span(segment), buf_span(segment));
	buf_clear(segment);
}

/* As much of the value as fits a line, a character at least. */
static size_t put_piece(struct span value, struct buf *out)
{
	size_t used = 0;

	while (used < value.len) {
		struct span rest = span_from(value, used);
		size_t n = mail_text_char(rest), before = out->len;

		n = n ? n : 1;
		put_percent(span_first(rest, n), out);
		if (used && out->len > COLUMNS) {
			out->len = before;
			break;
		}
		used += n;
	}
	return used;
}

static void put_pieces(struct mail_words *w, struct span name, struct span value, bool is_last)
{
	struct buf out = { 0 };
	const char *charset = charset_of(value);

	for (unsigned i = 0; value.len; i++) {
		put_name(name, &out);
		buf_printf(&out, "*%u*=%s", i, i == 0 ? charset : "");
		value = span_from(value, put_piece(value, &out));
		put_segment(w, &out, is_last && value.len == 0);
	}
	buf_fini(&out);
}

/* "name*=UTF-8''..." where that fits a line; else "name*0*=UTF-8''...", "name*1*=...". */
static void put_value(struct mail_words *w, struct span name, struct span value, bool is_last)
{
	struct buf out = { 0 };

	put_name(name, &out);
	buf_printf(&out, "*=%s", charset_of(value));
	put_percent(value, &out);
	if (out.len > COLUMNS && name.len <= NAME_MOST)
		put_pieces(w, name, value, is_last);
	else
		put_segment(w, &out, is_last);
	buf_fini(&out);
}

/* A field that had such parameters already */

/* "name*1", whose value is as it stands; "name*" and "name*1*" are encoded. */
static bool is_plain_piece(struct span name)
{
	size_t star = span_find(name, '*');

	return star < name.len && name.at[name.len - 1] != '*';
}

static bool is_first_piece(struct span name)
{
	return name.len > 2 && memcmp(name.at + name.len - 2, "*0", 2) == 0;
}

/* The first piece has the character set, so it is encoded once any of them is. */
static bool has_piece_beyond_ascii(struct span value)
{
	while (value.len) {
		struct span segment = next_segment(value);
		size_t equals = span_find(segment, '=');

		if (is_plain_piece(span_trim(span_first(segment, equals))) &&
		    !span_is_ascii(span_from(segment, equals)))
			return true;
		value = span_from(value, segment.len + 1);
	}
	return false;
}

static void put_plain_piece(struct mail_words *w, struct span name, struct span value,
			    const char *charset, bool is_last)
{
	struct buf out = { 0 };

	put_name(name, &out);
	buf_printf(&out, "*=%s", is_first_piece(name) ? charset : "");
	put_percent(value, &out);
	put_segment(w, &out, is_last);
	buf_fini(&out);
}

static void put_encoded_piece(struct mail_words *w, struct span name, struct span value,
			      bool is_last)
{
	struct buf out = { 0 };

	put_name(name, &out);
	buf_put_char(&out, '=');
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < 0x80)
			buf_put_char(&out, (char)value.at[i]);
		else
			buf_printf(&out, "%%%02X", value.at[i]);
	}
	put_segment(w, &out, is_last);
	buf_fini(&out);
}

/* The whole */

/* What stays is put as it is; also what is no parameter, such as the type itself. */
static void put_as_it_is(struct mail_words *w, struct span segment, bool is_last)
{
	struct buf out = { 0 };

	segment = span_trim(segment);
	if (w->is_ascii)
		put_name(segment, &out);
	else
		buf_put_span(&out, segment);
	put_segment(w, &out, is_last);
	buf_fini(&out);
}

static void put_parameter(struct mail_words *w, struct span segment, const char *charset,
			  bool has_pieces, bool is_last)
{
	size_t equals = span_find(segment, '=');
	struct span name = span_trim(span_first(segment, equals));
	struct span raw = span_trim(span_from(segment, equals + 1));
	struct buf value = { 0 };

	mail_unquote(raw, &value);
	/* The delimiters stay what they are, so what is read as their boundary must too. */
	if (span_istarts(name, "boundary"))
		put_as_it_is(w, segment, is_last);
	else if (is_plain_piece(name) &&
		 (!span_is_ascii(raw) || (has_pieces && is_first_piece(name))))
		put_plain_piece(w, name, buf_span(&value), charset, is_last);
	else if (equals == segment.len || span_is_ascii(raw))
		put_as_it_is(w, segment, is_last);
	else if (name.len && name.at[name.len - 1] == '*')
		put_encoded_piece(w, name, raw, is_last);
	else
		put_value(w, name, buf_span(&value), is_last);
	buf_fini(&value);
}

void mail_params_put(struct mail_words *w, struct span value)
{
	bool has_pieces = w->is_ascii && has_piece_beyond_ascii(value);
	const char *charset = charset_of(value);

	while (value.len) {
		struct span segment = next_segment(value);
		bool is_last = segment.len == value.len;

		if (w->is_ascii)
			put_parameter(w, segment, charset, has_pieces, is_last);
		else
			put_as_it_is(w, segment, is_last);
		value = span_from(value, segment.len + 1);
	}
}
