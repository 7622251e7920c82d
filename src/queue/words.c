/* queue/words.c: what a peer said, as it is kept, logged and told on. */
#include "inside.h"

#include "base/mem.h"

enum { WORDS_MOST = 512 };

char *queued_text(struct span words)
{
	char *text;

	/* Cut where a character begins. */
	if (words.len > WORDS_MOST) {
		size_t n = WORDS_MOST;

		while (n > WORDS_MOST - 4 && (words.at[n] & 0xC0) == 0x80)
			n--;
		words = span_first(words, n);
	}
	text = mem_alloc(words.len + 1);
	for (size_t i = 0; i < words.len; i++)
		text[i] = words.at[i] < 0x20 || words.at[i] == 0x7F ? '?' : (char)words.at[i];
	return text;
}
