#include "encoded.h"

#include "text.h"

struct marks {
	const char *open, *close; /* around plain text */
	const char *escaped;
	const char *encoded_open, *encoded_close;
};

/* An encoded word must not stand within a quoted-string (RFC 2047 5. (3)). */
static const struct marks marks[] = {
	[MAIL_ENCODED_TEXT] = { "", "", "", "", "" },
	[MAIL_ENCODED_COMMENT] = { "(", ")", "()\\", "(", ")" },
	[MAIL_ENCODED_PHRASE] = { "\"", "\"", "\"\\", "", "" },
};

static bool is_escaped(const struct marks *m, unsigned char c)
{
	for (const char *escaped = m->escaped; *escaped; escaped++)
		if (c == (unsigned char)*escaped)
			return true;
	return false;
}

static void put_plain(struct mail_fold *f, const struct marks *m, struct span text)
{
	mail_fold_open(f);
	buf_put_text(f->out, m->open);
	while (text.len) {
		size_t end = span_find(text, ' ');

		for (size_t i = 0; i < end; i++) {
			if (is_escaped(m, text.at[i]))
				buf_put_char(f->out, '\\');
			buf_put_char(f->out, (char)text.at[i]);
		}
		text = span_from(text, end + 1);
		if (text.len == 0)
			buf_put_text(f->out, m->close);
		mail_fold_close(f);
		mail_fold_open(f);
	}
}

/* One character, as it stands within an encoded word anywhere in a header (RFC 2047 5. (3)). */
static void put_q(struct span c, struct buf *out)
{
	for (size_t i = 0; i < c.len; i++) {
		if (c.at[i] == ' ')
			buf_put_char(out, '_');
		else if (ascii_is_alnum(c.at[i]))
			buf_put_char(out, (char)c.at[i]);
		else
			buf_printf(out, "=%02X", c.at[i]);
	}
}

size_t mail_encoded_word(const char *charset, struct span text, size_t most, struct buf *out)
{
	size_t start = out->len, used = 0;

	buf_printf(out, "=?%s?Q?", charset);
	while (used < text.len) {
		struct span rest = span_from(text, used);
		size_t n = mail_text_char(rest), before = out->len;

		n = n ? n : 1;
		put_q(span_first(rest, n), out);
		/* A character is never split (RFC 2047 5.). */
		if (used && out->len - start + 2 > most) {
			out->len = before;
			break;
		}
		used += n;
	}
	buf_put_text(out, "?=");
	return used;
}

static void put_encoded(struct mail_fold *f, const struct marks *m, struct span text)
{
	struct buf word = { 0 };
	size_t open = strlen(m->encoded_open);

	buf_put_text(&word, m->encoded_open);
	while (text.len) {
		size_t n = mail_encoded_word("UTF-8", text, MAIL_ENCODED_MOST - open, &word);

		text = span_from(text, n);
		if (text.len == 0)
			buf_put_text(&word, m->encoded_close);
		mail_fold_word(f, buf_span(&word));
		buf_clear(&word);
		open = 0;
	}
	buf_fini(&word);
}

static bool looks_encoded(struct span text)
{
	return memmem(text.at, text.len, "=?", 2) != NULL;
}

void mail_encoded_put(struct mail_fold *f, enum mail_encoded_place place, struct span text)
{
	if (text.len == 0)
		return;
	if (span_is_ascii(text) && !looks_encoded(text))
		put_plain(f, &marks[place], text);
	else
		put_encoded(f, &marks[place], text);
}
