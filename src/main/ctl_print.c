/* posternctl: text of peers on a terminal. */
#include "ctl.h"

#include <stdio.h>

/* C0, DEL, and C1 in UTF-8 (C2 80 to C2 9F). */
static size_t control_octets(const unsigned char *at)
{
	if (at[0] < 0x20 || at[0] == 0x7f)
		return 1;
	return at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f ? 2 : 0;
}

void ctl_print_text(const char *text, int width)
{
	const unsigned char *at = (const unsigned char *)text;
	int column = 0;

	while (*at) {
		size_t n = control_octets(at);

		if (*at == '\n') {
			putchar(' ');
		} else if (n) {
			column += printf("\\x%02X", n == 2 ? at[1] : at[0]) - 1;
		} else {
			putchar(*at);
		}
		/* The further octets of a character take no column. */
		column += (*at & 0xc0) != 0x80;
		at += n ? n : 1;
	}
	for (; column < width; column++)
		putchar(' ');
}
