#include "tokens.h"

#include "smtp/idna.h"

enum kind { WORD, QUOTED, MARK };

struct token {
	enum kind kind;
	struct span gap, text;
	bool in_comment;
};

/* Reads tokens from the front. */
struct reader {
	struct span rest;
	unsigned depth; /* of comments */
};

static bool is_blank(unsigned char c)
{
	return c == ' ' || c == '\t';
}

static bool is_mark(unsigned char c, bool in_comment)
{
	if (in_comment)
		return c == '(' || c == ')';
	return c && strchr("()<>[]:;@,\"", c);
}

static size_t quoted_length(struct span s)
{
	size_t i = 1;

	while (i < s.len && s.at[i] != '"')
		i += s.at[i] == '\\' && i + 1 < s.len ? 2 : 1;
	return i < s.len ? i + 1 : s.len;
}

static size_t word_length(struct span s, bool in_comment)
{
	size_t i = 0;

	while (i < s.len && !is_blank(s.at[i]) && !is_mark(s.at[i], in_comment))
		i += in_comment && s.at[i] == '\\' && i + 1 < s.len ? 2 : 1;
	return i;
}

static size_t token_length(struct span s, struct token *t)
{
	if (s.at[0] == '"' && !t->in_comment) {
		t->kind = QUOTED;
		return quoted_length(s);
	}
	t->kind = is_mark(s.at[0], t->in_comment) ? MARK : WORD;
	return t->kind == MARK ? 1 : word_length(s, t->in_comment);
}

/* False: nothing is left but white space. */
static bool next_token(struct reader *r, struct token *out)
{
	size_t gap = 0, n;

	while (gap < r->rest.len && is_blank(r->rest.at[gap]))
		gap++;
	out->gap = span_first(r->rest, gap);
	r->rest = span_from(r->rest, gap);
	if (r->rest.len == 0)
		return false;
	out->in_comment = r->depth > 0;
	n = token_length(r->rest, out);
	out->text = span_first(r->rest, n);
	r->rest = span_from(r->rest, n);
	if (out->kind == MARK && out->text.at[0] == '(')
		r->depth++;
	else if (out->kind == MARK && out->text.at[0] == ')' && r->depth)
		r->depth--;
	return true;
}

void mail_unquote(struct span in, struct buf *out)
{
	bool is_quoted = in.len && in.at[0] == '"';
	size_t i = is_quoted;

	for (; i < in.len && !(is_quoted && in.at[i] == '"'); i++) {
		if (in.at[i] == '\\' && i + 1 < in.len)
			i++;
		buf_put_char(out, (char)in.at[i]);
	}
}

/* A quoted string may be folded at its blanks; they stay what they are. */
static void put_quoted(struct mail_words *w, struct span gap, struct span quoted)
{
	struct buf text = { 0 };

	mail_unquote(quoted, &text);
	if (span_is_ascii(quoted)) {
		while (quoted.len) {
			size_t n = 0;

			while (n < quoted.len && !is_blank(quoted.at[n]))
				n++;
			if (n)
				mail_words_put(w, gap, span_first(quoted, n), quoted);
			quoted = span_from(quoted, n);
			for (n = 0; n < quoted.len && is_blank(quoted.at[n]);)
				n++;
			gap = span_first(quoted, n);
			quoted = span_from(quoted, n);
		}
	} else {
		mail_words_put(w, gap, quoted, buf_span(&text));
	}
	buf_fini(&text);
}

static void put_token(struct mail_words *w, const struct token *t)
{
	struct buf text = { 0 };

	if (t->kind == MARK) {
		mail_words_mark(w, t->gap, t->text.at[0]);
	} else if (t->kind == QUOTED) {
		put_quoted(w, t->gap, t->text);
	} else if (t->in_comment && !span_is_ascii(t->text)) {
		mail_unquote(t->text, &text);
		mail_words_put(w, t->gap, t->text, buf_span(&text));
	} else {
		mail_words_put(w, t->gap, t->text, t->text);
	}
	buf_fini(&text);
}

void mail_tokens_put(struct mail_words *w, struct span value)
{
	struct reader r = { .rest = value };
	struct token t;

	while (next_token(&r, &t))
		put_token(w, &t);
}

/* Addresses */

/* What the tokens so far say of the next. */
struct place {
	bool in_angle, is_domain;
};

static void step_place(struct place *p, const struct token *t)
{
	unsigned char mark = t->kind == MARK && !t->in_comment ? t->text.at[0] : 0;

	if (mark == '<' || mark == '>')
		p->in_angle = mark == '<';
	p->is_domain = mark == '@';
}

static bool is_beyond_ascii(const struct token *t)
{
	return t->kind != MARK && !t->in_comment && !span_is_ascii(t->text);
}

static bool is_good_domain(struct span domain)
{
	struct buf ascii = { 0 };
	bool is_good = smtp_domain_to_ascii(domain, &ascii) == 0;

	buf_fini(&ascii);
	return is_good;
}

/* One mailbox or group member; whether its addr-spec can be written in ASCII. */
static bool is_writable(struct span item)
{
	struct reader r = { .rest = item };
	struct place place = { 0 };
	struct token t;

	while (next_token(&r, &t)) {
		bool is_local = place.in_angle || (r.rest.len && r.rest.at[0] == '@');

		if (is_beyond_ascii(&t) && place.is_domain && !is_good_domain(t.text))
			return false;
		if (is_beyond_ascii(&t) && !place.is_domain && is_local)
			return false;
		step_place(&place, &t);
	}
	return true;
}

static void put_domain(struct mail_words *w, const struct token *t)
{
	struct buf ascii = { 0 };

	(void)smtp_domain_to_ascii(t->text, &ascii);
	mail_words_put(w, t->gap, buf_span(&ascii), buf_span(&ascii));
	buf_fini(&ascii);
}

static void put_item(struct mail_words *w, struct span item)
{
	struct reader r = { .rest = item };
	struct place place = { 0 };
	struct token t;

	while (next_token(&r, &t)) {
		if (w->is_ascii && place.is_domain && is_beyond_ascii(&t))
			put_domain(w, &t);
		else
			put_token(w, &t);
		step_place(&place, &t);
	}
}

/* RFC 6857 3.1.8. */
static void put_unwritable(struct mail_words *w, struct span item)
{
	struct span text = span_trim(item);

	mail_words_put(w, span_text(" "), text, text);
	mail_words_mark(w, span_text(" "), ':');
	mail_words_mark(w, span_of(NULL, 0), ';');
}

/* Up to a comma that stands in no quotes, comment or angle brackets. */
static struct span next_item(struct span list)
{
	struct reader r = { .rest = list };
	struct place place = { 0 };
	struct token t;

	while (next_token(&r, &t)) {
		if (t.kind == MARK && !t.in_comment && !place.in_angle && t.text.at[0] == ',')
			return span_first(list, (size_t)(t.text.at - list.at));
		step_place(&place, &t);
	}
	return list;
}

bool mail_addresses_put(struct mail_words *w, struct span value)
{
	bool are_writable = true;

	while (value.len) {
		struct span item = next_item(value);

		if (w->is_ascii && !is_writable(item)) {
			put_unwritable(w, item);
			are_writable = false;
		} else {
			put_item(w, item);
		}
		value = span_from(value, item.len);
		if (value.len == 0)
			break;
		mail_words_mark(w, span_of(NULL, 0), ',');
		value = span_from(value, 1);
	}
	return are_writable;
}
