/* posternctl: text of peers on a terminal. */
#include "ctl.h"

#include <stdio.h>
#include <string.h>

static size_t control_octets(const unsigned char *at)
{
	struct span some = span_of(at, strnlen((const char *)at, 4));
	size_t n = span_character(some);

	return span_is_control(span_first(some, n)) ? n : 0;
}

/* The columns it takes. */
static int print_control(const unsigned char *at, size_t n)
{
	int columns = 0;

	/* C1 by its number, which is that of its second octet. */
	for (size_t i = n == 2 && at[0] == 0xC2; i < n; i++)
		columns += printf("\\x%02X", at[i]);
	return columns;
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
			column += print_control(at, n) - 1;
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
