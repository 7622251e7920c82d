/* base/buf.h: octets that grow at the end and are used up at the front.
 *
 * Shape    buf_put(...) appends, buf_span() looks, buf_drop() uses up
 * Owns     its octets; a span from buf_span() lives until the next change of the buf
 * Errors   growing aborts when memory ends: bound what a peer sends before it comes here
 */
#pragma once

#include "base/span.h"

#include <stdarg.h>

struct buf {
	unsigned char *at; /* start of the allocation */
	size_t from;	   /* octets already used up */
	size_t len;	   /* octets in use after `from` */
	size_t cap;	   /* size of the allocation */
};

/* A zeroed struct buf is an empty one. */
void buf_fini(struct buf *b);
void buf_clear(struct buf *b);
/* Wipes what it held, then frees it. For secrets. */
void buf_wipe(struct buf *b);

static inline struct span buf_span(const struct buf *b)
{
	return span_of(b->at ? b->at + b->from : NULL, b->len);
}

/* buf_room() where there is no room yet. */
unsigned char *buf_make_room(struct buf *b, size_t n);

/* Room for n octets behind what is in use; write there, then buf_grew(). */
static inline unsigned char *buf_room(struct buf *b, size_t n)
{
	if (b->at == NULL || b->cap - b->from - b->len < n)
		return buf_make_room(b, n);
	return b->at + b->from + b->len;
}

void buf_grew(struct buf *b, size_t n);

static inline void buf_put(struct buf *b, const void *at, size_t n)
{
	if (n == 0)
		return;
	memcpy(buf_room(b, n), at, n);
	b->len += n;
}

static inline void buf_put_span(struct buf *b, struct span s)
{
	buf_put(b, s.at, s.len);
}

static inline void buf_put_text(struct buf *b, const char *text)
{
	buf_put(b, text, strlen(text));
}

static inline void buf_put_char(struct buf *b, char c)
{
	*buf_room(b, 1) = (unsigned char)c;
	b->len++;
}

/* In decimal digits. */
void buf_put_number(struct buf *b, uint64_t n);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Uses up n octets at the front; n <= b->len. */
void buf_drop(struct buf *b, size_t n);
/* The content as text of its own (free() it); the content holds no NUL. Empties the buf. */
char *buf_take_text(struct buf *b);
