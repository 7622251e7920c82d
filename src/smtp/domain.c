#include "domain.h"

enum { LABEL_MOST = 63 };

static bool is_let_dig(unsigned char c)
{
	return ascii_is_alnum(c) || c == '_' || c >= 128;
}

/* sub-domain = Let-dig [Ldh-str] ; or a U-label, whose length counts in its ASCII form (RFC 5890
 * 2.3.2.1), which is not for here. */
static size_t label_length(struct span in)
{
	size_t n = 0;

	while (n < in.len && (is_let_dig(in.at[n]) || in.at[n] == '-'))
		n++;
	if (n == 0 || in.at[0] == '-' || in.at[n - 1] == '-')
		return 0;
	return n > LABEL_MOST && span_is_ascii(span_first(in, n)) ? 0 : n;
}

/* Domain = sub-domain *("." sub-domain) */
size_t smtp_domain_length(struct span in)
{
	size_t n = 0;

	for (;;) {
		size_t label = label_length(span_from(in, n));

		if (label == 0)
			return 0;
		n += label;
		if (n == in.len || in.at[n] != '.')
			return n;
		n++;
	}
}

/* Snum 3("." Snum) ; Snum = 1*3DIGIT, 0 to 255 */
static bool is_ipv4(struct span in)
{
	for (int i = 0; i < 4; i++) {
		size_t n = i < 3 ? span_find(in, '.') : in.len;
		uint64_t value;

		if (n > 3 || (i < 3 && n == in.len) || span_number(span_first(in, n), &value) < 0 ||
		    value > 255)
			return false;
		in = span_from(in, n + 1);
	}
	return true;
}

static bool is_hex_group(struct span in)
{
	if (in.len == 0 || in.len > 4)
		return false;
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = ascii_lower(in.at[i]);

		if (!ascii_is_digit(c) && (c < 'a' || c > 'f'))
			return false;
	}
	return true;
}

/* Groups of 16 bits with ":" between them, from 1 on; the last may be an IPv4 address, which counts
 * for two. Returns how many, or -1. */
static int count_groups(struct span in, bool may_end_in_ipv4)
{
	int count = 0;

	for (;;) {
		size_t n = span_find(in, ':');
		bool is_last = n == in.len;

		if (is_last && may_end_in_ipv4 && is_ipv4(in))
			return count + 2;
		if (!is_hex_group(span_first(in, n)) || ++count > 8)
			return -1;
		if (is_last)
			return count;
		in = span_from(in, n + 1);
	}
}

/* The place of "::", or in.len. */
static size_t find_gap(struct span in)
{
	for (size_t i = 0; i + 1 < in.len; i++)
		if (in.at[i] == ':' && in.at[i + 1] == ':')
			return i;
	return in.len;
}

static bool is_ipv6(struct span in)
{
	size_t gap = find_gap(in);
	struct span before = span_first(in, gap), after = span_from(in, gap + 2);
	int left = before.len ? count_groups(before, gap == in.len) : 0;
	int right = after.len ? count_groups(after, true) : 0;

	if (left < 0 || right < 0)
		return false;
	return gap == in.len ? left == 8 : left + right <= 7;
}

/* General-address-literal = Standardized-tag ":" 1*dcontent ; dcontent = %d33-90 / %d94-126, here
 * without angle brackets and quotes, which mean something to the path around it. */
static bool is_general(struct span in)
{
	size_t tag = span_find(in, ':');

	if (tag == 0 || tag + 1 >= in.len || in.at[tag - 1] == '-')
		return false;
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = in.at[i];

		if (i < tag ? !ascii_is_alnum(c) && c != '-'
			    : c < 33 || c > 126 || strchr("<>\"\\", c))
			return false;
	}
	return true;
}

size_t smtp_literal_length(struct span in)
{
	size_t end = span_find(in, ']');
	struct span inner;
	bool is_good;

	if (in.len == 0 || in.at[0] != '[' || end == in.len)
		return 0;
	inner = span_of(in.at + 1, end - 1);
	if (span_find(inner, '[') < inner.len)
		return 0;
	if (span_istarts(inner, "IPv6:"))
		is_good = is_ipv6(span_from(inner, 5));
	else
		is_good = is_ipv4(inner) || is_general(inner);
	return is_good ? end + 1 : 0;
}
