#include "smtp/path.h"

#include <errno.h>

/* esmtp-param = esmtp-keyword ["=" esmtp-value]
 * esmtp-keyword = (ALPHA / DIGIT) *(ALPHA / DIGIT / "-")
 * esmtp-value = 1*(%d33-60 / %d62-126), and UTF-8 beyond ASCII (RFC 6531 section 3.3)
 * An empty value is left for its keyword to judge: Thunderbird sends "ENVID=". */

static size_t keyword_length(struct span in)
{
	size_t n = 0;

	while (n < in.len && (ascii_is_alnum(in.at[n]) || (n && in.at[n] == '-')))
		n++;
	return n;
}

static size_t value_length(struct span in)
{
	size_t n = 0;

	while (n < in.len && in.at[n] > ' ' && in.at[n] != '=' && in.at[n] != 127)
		n++;
	return n;
}

int smtp_param_next(struct span *in, struct span *keyword, struct span *value)
{
	struct span rest = *in;
	size_t n;

	while (rest.len && rest.at[0] == ' ')
		rest = span_from(rest, 1);
	if (rest.len == 0) {
		*in = rest;
		return 0;
	}
	n = keyword_length(rest);
	if (n == 0)
		return -EINVAL;
	*keyword = span_first(rest, n);
	*value = span_of(NULL, 0);
	rest = span_from(rest, n);
	if (rest.len && rest.at[0] == '=') {
		n = value_length(span_from(rest, 1));
		*value = span_of(rest.at + 1, n);
		rest = span_from(rest, n + 1);
	}
	if (rest.len && rest.at[0] != ' ')
		return -EINVAL;
	*in = rest;
	return 1;
}
