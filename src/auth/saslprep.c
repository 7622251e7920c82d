#include "saslprep.h"

#include "base/mem.h"

#include <stdlib.h>
#include <uninorm.h>
#include <unistr.h>

/* RFC 3454 table C.1.2: space characters that are not ASCII. They become U+0020. */
static bool is_space(ucs4_t c)
{
	return c == 0x00A0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200B) || c == 0x202F ||
	       c == 0x205F || c == 0x3000;
}

/* Table B.1: commonly mapped to nothing. */
static bool is_nothing(ucs4_t c)
{
	return c == 0x00AD || c == 0x034F || c == 0x1806 || (c >= 0x180B && c <= 0x180D) ||
	       (c >= 0x200C && c <= 0x200D) || c == 0x2060 || (c >= 0xFE00 && c <= 0xFE0F) ||
	       c == 0xFEFF;
}

static void map(struct span password, struct buf *out)
{
	while (password.len) {
		struct span one = span_first(password, span_character(password));
		ucs4_t c;

		u8_mbtouc_unsafe(&c, one.at, one.len);
		if (is_space(c))
			buf_put_char(out, ' ');
		else if (!is_nothing(c))
			buf_put_span(out, one);
		password = span_from(password, one.len);
	}
}

void saslprep(struct span password, struct buf *out)
{
	struct buf mapped = { 0 };
	uint8_t *normal = NULL;
	size_t octets = 0;

	if (!span_is_ascii(password) && span_is_utf8(password)) {
		map(password, &mapped);
		normal =
			u8_normalize(UNINORM_NFKC, buf_span(&mapped).at, mapped.len, NULL, &octets);
	}
	buf_put_span(out, octets ? span_of(normal, octets) : password);
	if (normal)
		mem_wipe(normal, octets);
	free(normal);
	buf_wipe(&mapped);
}
