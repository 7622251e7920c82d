#include "base/buf.h"

#include "base/digits.h"
#include "base/mem.h"
#include "base/require.h"

#include <stdio.h>
#include <stdlib.h>

void buf_fini(struct buf *b)
{
	if (b->at == NULL)
		return;
	free(b->at);
	*b = (struct buf){ 0 };
}

void buf_clear(struct buf *b)
{
	b->from = 0;
	b->len = 0;
}

void buf_wipe(struct buf *b)
{
	if (b->at == NULL)
		return;
	mem_wipe(b->at, b->cap);
	buf_fini(b);
}

static void move_to_front(struct buf *b)
{
	if (b->from && b->len)
		memmove(b->at, b->at + b->from, b->len);
	b->from = 0;
}

/* Longer than any login: what is larger is content, and wiping it would only cost. */
enum { SECRET_MOST = 32 * 1024 };

/* A new block instead of realloc(), so that no copy of a secret stays behind. */
static void grow(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : 64;
	unsigned char *at;

	while (cap < need)
		require(!__builtin_mul_overflow(cap, (size_t)2, &cap));
	at = mem_resize(NULL, cap);
	if (b->len)
		memcpy(at, b->at + b->from, b->len);
	mem_wipe(b->at, b->cap <= SECRET_MOST ? b->cap : 0);
	free(b->at);
	b->at = at;
	b->from = 0;
	b->cap = cap;
}

unsigned char *buf_make_room(struct buf *b, size_t n)
{
	size_t need;

	require(!__builtin_add_overflow(b->len, n, &need));
	if (b->at && b->cap >= need && b->from >= b->len)
		move_to_front(b);
	else
		grow(b, need);
	return b->at + b->from + b->len;
}

void buf_grew(struct buf *b, size_t n)
{
	require(b->cap - b->from - b->len >= n);
	b->len += n;
}

void buf_put_number(struct buf *b, uint64_t n)
{
	char room[DIGITS_MAX];

	if (n < 10)
		buf_put_char(b, (char)('0' + n));
	else
		buf_put_span(b, digits_of(n, room));
}

/* vsnprintf writes a NUL behind the text: room for it, but it is not part of the content. Most texts
 * are short, and written at the first go. */
void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	enum { GUESS = 64 };
	char *at = (char *)buf_room(b, GUESS);
	size_t room = b->cap - b->from - b->len;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(at, room, fmt, again);
	va_end(again);
	require(n >= 0);
	if ((size_t)n >= room)
		vsnprintf((char *)buf_room(b, (size_t)n + 1), (size_t)n + 1, fmt, ap);
	b->len += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_drop(struct buf *b, size_t n)
{
	require(n <= b->len);
	b->from += n;
	b->len -= n;
	if (b->len == 0)
		b->from = 0;
}

char *buf_take_text(struct buf *b)
{
	char *text = mem_text_n(b->at ? b->at + b->from : NULL, b->len);

	buf_fini(b);
	return text;
}
