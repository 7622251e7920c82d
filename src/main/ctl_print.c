/* posternctl: text of peers on a terminal. */
#include "ctl.h"

#include <stdio.h>
#include <string.h>

/* C0, DEL, and C1 in UTF-8 (C2 80 to C2 9F). */
static size_t control_octets(const unsigned char *at)
{
	if (at[0] < 0x20 || at[0] == 0x7f)
		return 1;
	return at[0] == 0xc2 && at[1] >= 0x80 && at[1] <= 0x9f ? 2 : 0;
}

static void print(const char *text, int width, bool is_word)
{
	const unsigned char *at = (const unsigned char *)text;
	int column = 0;

	while (*at) {
		size_t n = control_octets(at);

		if (is_word && *at == ' ')
			n = 1;
		if (*at == '\n' && !is_word) {
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

void ctl_print_text(const char *text, int width)
{
	print(text, width, false);
}

void ctl_print_word(const char *text, int width)
{
	print(*text ? text : "-", width, true);
}

void ctl_put_seconds(long long seconds, struct buf *out)
{
	long long minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (seconds < 120)
		buf_printf(out, "%lld s", seconds);
	else if (minutes < 120)
		buf_printf(out, "%lld min", minutes);
	else if (hours < 48)
		buf_printf(out, "%lld h %lld min", hours, minutes % 60);
	else
		buf_printf(out, "%lld days %lld h", days, hours % 24);
}

void ctl_put_reply(const json_t *object, const char *text, struct buf *out)
{
	const char *status = ctl_field(object, "status"), *words = ctl_field(object, text);

	if (ctl_number(object, "code"))
		buf_printf(out, "%lld%s", ctl_number(object, "code"), *status || *words ? " " : "");
	if (ctl_number(object, "code") && *status)
		buf_printf(out, "%s%s", status, *words ? " " : "");
	buf_put_text(out, words);
}

const char *ctl_reason_of(const json_t *smarthost)
{
	const char *reason = ctl_field(smarthost, "reason");
	struct buf address = { 0 };
	size_t n;

	buf_printf(&address, "%s:%lld: ", ctl_field(smarthost, "host"),
		   ctl_number(smarthost, "port"));
	n = address.len;
	if (strncmp(reason, (const char *)buf_span(&address).at, n) == 0)
		reason += n;
	buf_fini(&address);
	return reason;
}
