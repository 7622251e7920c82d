#include "smtp/path.h"

#include <errno.h>

/* xtext = *( xchar / hexchar )
 * xchar = any ASCII CHAR between "!" (33) and "~" (126) inclusive, except for "+" and "="
 * hexchar = ASCII "+" immediately followed by two upper case hexadecimal digits (RFC 3461 4) */

static int hex_value(unsigned char c)
{
	if (ascii_is_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int decode(struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = in.at[i];

		if (c == '+') {
			int high = i + 2 < in.len ? hex_value(in.at[i + 1]) : -1;
			int low = i + 2 < in.len ? hex_value(in.at[i + 2]) : -1;

			if (high < 0 || low < 0)
				return -EINVAL;
			c = (unsigned char)(high << 4 | low);
			i += 2;
			if (c < ' ' || c == 127)
				return -EINVAL;
		} else if (c < '!' || c > '~' || c == '=') {
			return -EINVAL;
		}
		buf_put_char(out, (char)c);
	}
	return 0;
}

int smtp_xtext_decode(struct span in, struct buf *out)
{
	size_t start = out->len;
	int rc = decode(in, out);

	if (rc < 0)
		out->len = start;
	return rc;
}

void smtp_xtext_encode(struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = in.at[i];

		if (c < '!' || c > '~' || c == '+' || c == '=')
			buf_printf(out, "+%02X", c);
		else
			buf_put_char(out, (char)c);
	}
}
