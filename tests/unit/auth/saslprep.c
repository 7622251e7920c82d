#include "test.h"

#include "saslprep.h"

/* The first five are those of RFC 4013 section 3 that are not refused; the others show each rule. */
static const struct {
	const char *name, *in, *out;
} cases[] = {
	{ "SOFT HYPHEN mapped to nothing", "I\xC2\xADX", "IX" },
	{ "no transformation", "user", "user" },
	{ "case preserved", "USER", "USER" },
	{ "output is NFKC, input in ISO 8859-1", "\xC2\xAA", "a" },
	{ "output is NFKC, will match #1", "\xE2\x85\xA8", "IX" },
	{ "precomposed", "p\xC3\xA4ssw\xC3\xB6rd", "p\xC3\xA4ssw\xC3\xB6rd" },
	{ "decomposed, as from a Mac", "pa\xCC\x88sswo\xCC\x88rd", "p\xC3\xA4ssw\xC3\xB6rd" },
	{ "NO-BREAK SPACE",
	  "a\xC2\xA0"
	  "b",
	  "a b" },
	{ "IDEOGRAPHIC SPACE",
	  "a\xE3\x80\x80"
	  "b",
	  "a b" },
	{ "EM QUAD",
	  "a\xE2\x80\x81"
	  "b",
	  "a b" },
	{ "ZERO WIDTH JOINER",
	  "a\xE2\x80\x8D"
	  "b",
	  "ab" },
	{ "VARIATION SELECTOR-16", "\xE2\x98\x83\xEF\xB8\x8F", "\xE2\x98\x83" },
	{ "BYTE ORDER MARK", "\xEF\xBB\xBF\xC3\xA4", "\xC3\xA4" },
	{ "full width letters", "\xEF\xBC\xA1\xEF\xBC\xA2", "AB" },
	{ "a ligature",
	  "o\xEF\xAC\x83"
	  "ce",
	  "office" },
	{ "beyond the basic plane", "\xF0\x9D\x94\x9E\xF0\x9F\x94\x91", "a\xF0\x9F\x94\x91" },
	{ "nothing would be left", "\xC2\xAD", "\xC2\xAD" },
	{ "not UTF-8", "p\xE4ss", "p\xE4ss" },
	{ "cut off", "p\xC3", "p\xC3" },
	{ "empty", "", "" },
};

static void has_the_form_of_rfc_4013(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };

		saslprep(span_text(cases[i].in), &out);
		if (!span_eq(buf_span(&out), span_text(cases[i].out)))
			fail_msg("%s: \"%.*s\"", cases[i].name, (int)out.len,
				 (const char *)buf_span(&out).at);
		buf_wipe(&out);
	}
}

/* The character that normalization makes longest, as often as a password has room for it. */
static void the_longest_fits(void **state)
{
	unsigned char in[511];
	struct buf out = { 0 };

	(void)state;
	for (size_t i = 0; i + 3 <= sizeof(in); i += 3)
		memcpy(in + i, "\xEF\xB7\xBA", 3);
	saslprep(span_of(in, 510), &out);
	assert_int_equal(out.len, 170 * 33);
	buf_wipe(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(has_the_form_of_rfc_4013),
		cmocka_unit_test(the_longest_fits),
	};

	return cmocka_run_group_tests_name("auth/saslprep", tests, NULL, NULL);
}
