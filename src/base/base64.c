#include "base/base64.h"

#include <errno.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct span in, struct buf *out)
{
	unsigned char *p = buf_room(out, (in.len + 2) / 3 * 4), *start = p;

	for (size_t i = 0; i < in.len; i += 3) {
		size_t left = in.len - i;
		uint32_t v = (uint32_t)in.at[i] << 16;

		if (left > 1)
			v |= (uint32_t)in.at[i + 1] << 8;
		if (left > 2)
			v |= in.at[i + 2];
		*p++ = (unsigned char)alphabet[v >> 18];
		*p++ = (unsigned char)alphabet[v >> 12 & 63];
		*p++ = left > 1 ? (unsigned char)alphabet[v >> 6 & 63] : '=';
		*p++ = left > 2 ? (unsigned char)alphabet[v & 63] : '=';
	}
	buf_grew(out, (size_t)(p - start));
}

static int value_of(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* One group of four; returns how many octets it stands for, or -EINVAL. */
static int decode_group(const unsigned char *in, bool is_last, unsigned char out[3])
{
	int pad = 0, v[4];

	for (int i = 0; i < 4; i++) {
		v[i] = value_of(in[i]);
		if (in[i] == '=' && is_last && i >= 2) {
			pad++;
			v[i] = 0;
		} else if (v[i] < 0 || pad) {
			return -EINVAL;
		}
	}
	/* Bits that are not part of an octet must be zero (RFC 4648 section 3.5). */
	if ((pad == 1 && (v[2] & 3)) || (pad == 2 && (v[1] & 15)))
		return -EINVAL;
	out[0] = (unsigned char)(v[0] << 2 | v[1] >> 4);
	out[1] = (unsigned char)((v[1] & 15) << 4 | v[2] >> 2);
	out[2] = (unsigned char)((v[2] & 3) << 6 | v[3]);
	return 3 - pad;
}

int base64_decode(struct span in, struct buf *out)
{
	unsigned char *p = buf_room(out, in.len / 4 * 3), *start = p;

	if (in.len % 4)
		return -EINVAL;
	for (size_t i = 0; i < in.len; i += 4) {
		unsigned char group[3];
		int n = decode_group(in.at + i, i + 4 == in.len, group);

		if (n < 0)
			return n;
		memcpy(p, group, (size_t)n);
		p += n;
	}
	buf_grew(out, (size_t)(p - start));
	return 0;
}
