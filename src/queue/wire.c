#include "wire.h"

#include "base/mem.h"
#include "base/require.h"

#include <errno.h>

void wire_put_number(struct buf *out, uint64_t value, unsigned octets)
{
	for (unsigned i = 0; i < octets; i++)
		buf_put_char(out, (char)(unsigned char)(value >> (8 * i)));
}

void wire_put_text(struct buf *out, const char *text)
{
	size_t n = text ? strlen(text) : 0;

	require(n <= UINT32_MAX);
	wire_put_number(out, n, 4);
	buf_put(out, text, n);
}

uint64_t wire_take_number(struct wire *w, unsigned octets)
{
	uint64_t value = 0;

	if (w->left.len < octets) {
		w->is_bad = true;
		return 0;
	}
	for (unsigned i = 0; i < octets; i++)
		value |= (uint64_t)w->left.at[i] << (8 * i);
	w->left = span_from(w->left, octets);
	return value;
}

char *wire_take_text(struct wire *w)
{
	uint64_t n = wire_take_number(w, 4);
	struct span text;

	if (w->is_bad || n > w->left.len) {
		w->is_bad = true;
		return NULL;
	}
	text = span_first(w->left, (size_t)n);
	if (span_find(text, 0) != text.len) {
		w->is_bad = true;
		return NULL;
	}
	w->left = span_from(w->left, text.len);
	return mem_text_n(text.at, text.len);
}

size_t wire_take_count(struct wire *w, size_t least)
{
	uint64_t n = wire_take_number(w, 4);

	if (n > w->left.len / least) {
		w->is_bad = true;
		return 0;
	}
	return (size_t)n;
}

int wire_begin(struct wire *w, struct span in, uint64_t newest)
{
	*w = (struct wire){ .left = in };
	w->version = wire_take_number(w, 1);
	if (w->is_bad || w->version == 0)
		return -EINVAL;
	return w->version <= newest ? 0 : -ENOTSUP;
}

bool wire_is_whole(const struct wire *w)
{
	return !w->is_bad && w->left.len == 0;
}
