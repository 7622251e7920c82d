/* text.h: SMTP text that comes in pieces: lines, and the dot that ends a content. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum { LINE_OCTETS = 512 };

/* A line under way; all zero when nothing has come. What does not fit is dropped. */
struct line {
	size_t len;
	bool is_whole;
	char text[LINE_OCTETS]; /* NUL-terminated without its line end, once whole */
};

/* Takes octets up to the next line end; answers how many. After a whole line the next begins. */
size_t line_take(struct line *l, const char *at, size_t n);

/* How much of CR LF . CR LF the octets seen so far end with. */
enum { DOT_START = 2, DOT_END = 5 };

/* Takes octets of a content; answers how many: fewer than n only when *seen is DOT_END. */
size_t dot_take(unsigned *seen, const char *at, size_t n);
