/* base/span.h: octets borrowed from somebody else.
 *
 * Shape    a pointer and a length; never NUL-terminated, may hold any octet
 * Owns     nothing: each header that hands out a span says how long it lives
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
	const unsigned char *at;
	size_t len;
};

static inline struct span span_of(const void *at, size_t len)
{
	return (struct span){ (const unsigned char *)at, len };
}

static inline struct span span_text(const char *text)
{
	return span_of(text, text ? strlen(text) : 0);
}

static inline bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* The octets from `from` on; empty when there are none. */
static inline struct span span_from(struct span s, size_t from)
{
	size_t n = from < s.len ? from : s.len;

	return n ? span_of(s.at + n, s.len - n) : s;
}

/* The first n octets, or all when there are fewer. */
static inline struct span span_first(struct span s, size_t n)
{
	return span_of(s.at, n < s.len ? n : s.len);
}

/* The place of the first `octet`, or s.len. */
size_t span_find(struct span s, unsigned char octet);
/* `word` is one of `words`, which stand one space apart. */
bool span_has_word(struct span words, struct span word);
/* Equal but for the case of ASCII letters. */
bool span_ieq(struct span a, struct span b);

/* The compiler knows the length of a literal. */
static inline bool span_ieq_text(struct span a, const char *text)
{
	size_t n = strlen(text);

	return a.len == n && span_ieq(a, span_of(text, n));
}

static inline bool span_istarts(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.len >= n && span_ieq(span_of(s.at, n), span_of(prefix, n));
}

/* Without leading and trailing SP and HTAB. */
struct span span_trim(struct span s);
bool span_is_ascii(struct span s);
/* ASCII without controls, as nearly all that the protocol says is; true of nothing, too. */
bool span_is_printable(struct span s);
/* The octets of the character that it begins with in well-formed UTF-8; 0: it begins with none. */
size_t span_character(struct span s);
/* Of one character: a control (C0, DEL, C1), or one that changes how those around it are shown: what ends a
 * line or a paragraph, and what turns the direction of writing (Unicode's Bidi_Control). */
bool span_is_control(struct span character);
/* Well-formed UTF-8 (RFC 3629): no surrogates, no overlong forms. */
bool span_is_utf8(struct span s);
/* Decimal digits only, at least one; -EINVAL, or -ERANGE above UINT64_MAX. */
int span_number(struct span s, uint64_t *out);

static inline unsigned char ascii_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

static inline bool ascii_is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static inline bool ascii_is_alnum(unsigned char c)
{
	unsigned char l = ascii_lower(c);

	return (l >= 'a' && l <= 'z') || ascii_is_digit(c);
}
