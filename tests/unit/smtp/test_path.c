#include "test.h"

#include "smtp/path.h"

#include <stdio.h>

struct vector {
	const char *in;
	enum smtp_path_kind kind;
	const char *mailbox; /* NULL: refused */
	const char *local, *domain, *rest;
	bool has_route, is_utf8;
};

#define F SMTP_PATH_FORWARD
#define R SMTP_PATH_REVERSE
#define L16 "abcdefghijklmnop"
#define L63 "a12345678901234567890123456789012345678901234567890123456789012"

static const struct vector vectors[] = {
	{ "<a@b.c>", F, "a@b.c", "a", "b.c", "", false, false },
	{ " <a@b> SIZE=1", R, "a@b", "a", "b", " SIZE=1", false, false },
	{ "a@b X", R, "a@b", "a", "b", " X", false, false },
	{ "<>", R, "", "", "", "", false, false },
	{ "<> AUTH=<>", R, "", "", "", " AUTH=<>", false, false },
	{ "<PostMaster>", F, "PostMaster", "PostMaster", "", "", false, false },
	{ "<u%d!x@us>", F, "u%d!x@us", "u%d!x", "us", "", false, false },
	{ "<\"a b>\\\"\"@c.d>", F, "\"a b>\\\"\"@c.d", "\"a b>\\\"\"", "c.d", "", false, false },
	{ "<\"\"@d>", F, "\"\"@d", "\"\"", "d", "", false, false },
	{ "<\"\\\"@\"@c>", F, "\"\\\"@\"@c", "\"\\\"@\"", "c", "", false, false },
	{ "<@a,@b:c@d>", F, "c@d", "c", "d", "", true, false },
	{ "<a@[127.0.0.1]>", F, "a@[127.0.0.1]", "a", "[127.0.0.1]", "", false, false },
	{ "<a@[IPv6:::1]>", F, "a@[IPv6:::1]", "a", "[IPv6:::1]", "", false, false },
	{ "<a@[IPv6:1:2:3:4:5:6:7:8]>", F, "a@[IPv6:1:2:3:4:5:6:7:8]", "a",
	  "[IPv6:1:2:3:4:5:6:7:8]", "", false, false },
	{ "<a@[ipv6:fe80::1:10.0.0.1]>", F, "a@[ipv6:fe80::1:10.0.0.1]", "a",
	  "[ipv6:fe80::1:10.0.0.1]", "", false, false },
	{ "<a@[x-tag:foo!bar]>", F, "a@[x-tag:foo!bar]", "a", "[x-tag:foo!bar]", "", false, false },
	{ "<\303\274@b\303\274.de>", F, "\303\274@b\303\274.de", "\303\274", "b\303\274.de", "",
	  false, true },
	{ "<a@my_host.example>", F, "a@my_host.example", "a", "my_host.example", "", false, false },
	{ "<" L16 L16 L16 L16 "@b>", F, L16 L16 L16 L16 "@b", L16 L16 L16 L16, "b", "", false,
	  false },
	{ "<a@" L63 ".b>", F, "a@" L63 ".b", "a", L63 ".b", "", false, false },

	{ "<>", F, NULL, "", "", "", false, false },
	{ "", R, NULL, "", "", "", false, false },
	{ "  ", R, NULL, "", "", "", false, false },
	{ "< >", R, NULL, "", "", "", false, false },
	{ "<;sleep 66;>", F, NULL, "", "", "", false, false },
	{ "<a\\>", F, NULL, "", "", "", false, false },
	{ "<\"a\\>", F, NULL, "", "", "", false, false },
	{ "<\"a\\", F, NULL, "", "", "", false, false },
	{ "<a@b>junk", F, NULL, "", "", "", false, false },
	{ "<a@b", F, NULL, "", "", "", false, false },
	{ "<a@b> >", F, "a@b", "a", "b", " >", false, false },
	{ "<<a@b>>", F, NULL, "", "", "", false, false },
	{ "<alice>", R, NULL, "", "", "", false, false },
	{ "<postmaster>", R, NULL, "", "", "", false, false },
	{ "<a@>", F, NULL, "", "", "", false, false },
	{ "<@b>", F, NULL, "", "", "", false, false },
	{ "<a@@b>", F, NULL, "", "", "", false, false },
	{ "<u@d@us>", F, NULL, "", "", "", false, false },
	{ "<.a@b>", F, NULL, "", "", "", false, false },
	{ "<a.@b>", F, NULL, "", "", "", false, false },
	{ "<a..b@c>", F, NULL, "", "", "", false, false },
	{ "<a b@c>", F, NULL, "", "", "", false, false },
	{ "<a@b c>", F, NULL, "", "", "", false, false },
	{ "<a@b..c>", F, NULL, "", "", "", false, false },
	{ "<a@b.>", F, NULL, "", "", "", false, false },
	{ "<a@-b>", F, NULL, "", "", "", false, false },
	{ "<a@b->", F, NULL, "", "", "", false, false },
	{ "<a\tb@c>", F, NULL, "", "", "", false, false },
	{ "<\"a\tb\"@c>", F, NULL, "", "", "", false, false },
	{ "<\"a\"b@c>", F, NULL, "", "", "", false, false },
	{ "<a@[127.0.0.256]>", F, NULL, "", "", "", false, false },
	{ "<a@[127.0.0]>", F, NULL, "", "", "", false, false },
	{ "<a@[1.2.3.4>", F, NULL, "", "", "", false, false },
	{ "<a@[1.2.3.4]x>", F, NULL, "", "", "", false, false },
	{ "a@[x:>]", F, NULL, "", "", "", false, false },
	{ "<a@[]>", F, NULL, "", "", "", false, false },
	{ "<a@[IPv6:1:2:3]>", F, NULL, "", "", "", false, false },
	{ "<a@[IPv6:1::2::3]>", F, NULL, "", "", "", false, false },
	{ "<a@[IPv6:12345::]>", F, NULL, "", "", "", false, false },
	{ "<a@[IPv6:1:2:3:4:5:6:7:8:9]>", F, NULL, "", "", "", false, false },
	{ "<@a:>", F, NULL, "", "", "", false, false },
	{ "<@a,b:c@d>", F, NULL, "", "", "", false, false },
	{ "<@a", F, NULL, "", "", "", false, false },
	{ "<\303@b>", F, NULL, "", "", "", false, false },
	{ "<\300\256@b>", F, NULL, "", "", "", false, false },
	{ "<" L16 L16 L16 L16 "x@b>", F, NULL, "", "", "", false, false },
	{ "<a@" L63 "x.b>", F, NULL, "", "", "", false, false },
};

static void parses_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		const struct vector *v = &vectors[i];
		struct span in = span_text(v->in);
		struct smtp_path path;
		struct smtp_reply why = { 0 };
		int rc = smtp_path_parse(&in, v->kind, &path, &why);

		if ((rc == 0) != (v->mailbox != NULL))
			fail_msg("%s: %d", v->in, rc);
		if (rc < 0) {
			assert_int_equal(why.code, 501);
			assert_int_equal(why.status.subject, 1);
			assert_int_equal(why.status.detail, v->kind == R ? 7 : 3);
			assert_true(why.text.len > 10);
			assert_ptr_equal(in.at, v->in);
			continue;
		}
		assert_span_text(path.mailbox, v->mailbox);
		assert_span_text(path.local, v->local);
		assert_span_text(path.domain, v->domain);
		assert_span_text(in, v->rest);
		assert_int_equal(path.has_source_route, v->has_route);
		assert_int_equal(path.is_utf8, v->is_utf8);
	}
}

/* The longest path is of 256 octets, with its brackets. */
static void bounds_paths(void **state)
{
	char text[300];

	(void)state;
	for (size_t n = 250; n < 262; n++) {
		struct span in = span_of(text, n);
		struct smtp_path path;
		struct smtp_reply why;

		memset(text, 'x', sizeof(text));
		memcpy(text, "<local@", 7);
		for (size_t i = 60; i + 2 < n; i += 60)
			text[i] = '.';
		text[n - 1] = '>';
		assert_int_equal(smtp_path_parse(&in, F, &path, &why) == 0, n <= 256);
	}
}

static void parses_params(void **state)
{
	static const struct {
		const char *in, *found; /* "keyword[value]"..., then "!" for an error */
	} cases[] = {
		{ "", "" },
		{ "  ", "" },
		{ " SIZE=1", "SIZE[1]" },
		{ " SIZE=1  BODY=8BITMIME SMTPUTF8 ", "SIZE[1]BODY[8BITMIME]SMTPUTF8[]" },
		{ " AUTH=<>", "AUTH[<>]" },
		{ " X-a-1=+2B", "X-a-1[+2B]" },
		{ " =", "!" },
		{ " SIZE=", "SIZE[]" },
		{ " SIZE= BODY=", "SIZE[]BODY[]" },
		{ " SIZE==1", "!" },
		{ " -A", "!" },
		{ " A=b=c", "!" },
		{ " A\tB", "!" },
		{ " A=b\tc", "!" },
		{ " A=\303\274", "A[\303\274]" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span in = span_text(cases[i].in), keyword, value;
		struct buf found = { 0 };
		int rc;

		while ((rc = smtp_param_next(&in, &keyword, &value)) > 0) {
			buf_put_span(&found, keyword);
			buf_put_char(&found, '[');
			buf_put_span(&found, value);
			buf_put_char(&found, ']');
		}
		if (rc < 0)
			buf_put_char(&found, '!');
		assert_span_text(buf_span(&found), cases[i].found);
		buf_fini(&found);
	}
}

static void decodes_xtext(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
		{ "", "" },	    { "abc", "abc" },	      { "e+3Dx@y", "e=x@y" },
		{ "+2B+20", "+ " }, { "+C3+BC", "\303\274" }, { "+", NULL },
		{ "+4", NULL },	    { "+zz", NULL },	      { "+3d", NULL },
		{ "+G1", NULL },    { "a+0Ab", NULL },	      { "+0D+0A", NULL },
		{ "+00", NULL },    { "+7F", NULL },	      { "a=b", NULL },
		{ "a b", NULL },    { "\303\274", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };
		int rc;

		buf_put_text(&out, "before:");
		rc = smtp_xtext_decode(span_text(cases[i].in), &out);
		assert_int_equal(rc == 0, cases[i].out != NULL);
		assert_span_text(span_from(buf_span(&out), 7), cases[i].out ? cases[i].out : "");
		buf_fini(&out);
	}
}

static void xtext_comes_back(void **state)
{
	struct buf all = { 0 }, encoded = { 0 }, decoded = { 0 };

	(void)state;
	for (int c = 255; c >= ' '; c--)
		if (c != 127)
			buf_put_char(&all, (char)c);
	smtp_xtext_encode(buf_span(&all), &encoded);
	assert_true(span_is_ascii(buf_span(&encoded)));
	assert_int_equal(smtp_xtext_decode(buf_span(&encoded), &decoded), 0);
	assert_true(span_eq(buf_span(&decoded), buf_span(&all)));
	buf_clear(&encoded);
	smtp_xtext_encode(span_text("a+b=c d"), &encoded);
	assert_span_text(buf_span(&encoded), "a+2Bb+3Dc+20d");
	buf_fini(&all);
	buf_fini(&encoded);
	buf_fini(&decoded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_paths),	    cmocka_unit_test(bounds_paths),
		cmocka_unit_test(parses_params),    cmocka_unit_test(decodes_xtext),
		cmocka_unit_test(xtext_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
