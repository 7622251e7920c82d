#include "encoded.h"

#include "text.h"

/* Of 75 (RFC 2047 2.), so that a folded line stays below 78 columns. */
#define WORD_MOST 66
#define WORD_START "=?UTF-8?Q?"
#define WORD_END "?="

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

static void put_plain(struct mail_fold *f, const struct marks *m, struct span text)
{
	struct buf word = { 0 };

	buf_put_text(&word, m->open);
	while (text.len) {
		size_t end = span_find(text, ' ');

		for (size_t i = 0; i < end; i++) {
			if (strchr(m->escaped, text.at[i]))
				buf_put_char(&word, '\\');
			buf_put_char(&word, (char)text.at[i]);
		}
		text = span_from(text, end + 1);
		if (text.len == 0)
			buf_put_text(&word, m->close);
		mail_fold_word(f, buf_span(&word));
		buf_clear(&word);
	}
	buf_fini(&word);
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

static void put_encoded(struct mail_fold *f, const struct marks *m, struct span text)
{
	struct buf word = { 0 };

	buf_put_text(&word, m->encoded_open);
	buf_put_text(&word, WORD_START);
	while (text.len) {
		size_t n = mail_text_char(text);
		struct span c = span_first(text, n ? n : 1);

		/* Four octets may need twelve; a character is never split (RFC 2047 5.). */
		if (word.len + 3 * c.len + strlen(WORD_END) > WORD_MOST) {
			buf_put_text(&word, WORD_END);
			mail_fold_word(f, buf_span(&word));
			buf_clear(&word);
			buf_put_text(&word, WORD_START);
		}
		put_q(c, &word);
		text = span_from(text, c.len);
	}
	buf_put_text(&word, WORD_END);
	buf_put_text(&word, m->encoded_close);
	mail_fold_word(f, buf_span(&word));
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
