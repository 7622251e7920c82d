/* queue/words.c: what a peer said, as it is kept, logged and told on. */
#include "inside.h"

#include "base/mem.h"

enum { WORDS_MOST = 512 };

/* C0 and DEL, and C1, which is U+0080 to U+009F: a terminal obeys them as well. */
static bool is_control(struct span c)
{
	if (c.len == 1)
		return c.at[0] < 0x20 || c.at[0] == 0x7F;
	return c.len == 2 && c.at[0] == 0xC2 && c.at[1] < 0xA0;
}

char *queued_text(struct span words)
{
	size_t len = 0;
	char *text;

	/* Cut where a character begins. */
	if (words.len > WORDS_MOST) {
		size_t n = WORDS_MOST;

		while (n > WORDS_MOST - 4 && (words.at[n] & 0xC0) == 0x80)
			n--;
		words = span_first(words, n);
	}
	text = mem_alloc(words.len + 1);
	if (span_is_printable(words)) {
		if (words.len)
			memcpy(text, words.at, words.len);
		return text;
	}
	while (words.len) {
		size_t n = span_character(words);
		bool is_plain = n && !is_control(span_first(words, n));

		n = n ? n : 1;
		for (size_t i = 0; i < n; i++)
			text[len++] = is_plain ? (char)words.at[i] : '?';
		words = span_from(words, n);
	}
	return text;
}
