#include "test.h"

#include "smtp/reply.h"

#include <stdio.h>

static void formats(void **state)
{
	static const struct {
		struct smtp_reply reply;
		const char *suffix, *line;
	} cases[] = {
		{ SMTP_REPLY(250, 2, 1, 0, "Sender accepted"), "",
		  "250 2.1.0 Sender accepted\r\n" },
		{ SMTP_REPLY(354, 0, 0, 0, "Go ahead"), "", "354 Go ahead\r\n" },
		{ SMTP_REPLY(535, 5, 7, 8, "No"), " (ref 7F-3)", "535 5.7.8 No (ref 7F-3)\r\n" },
		{ SMTP_REPLY(550, 5, 0, 0, "a\r\nb\tc\033\177"), "", "550 5.0.0 a??b?c??\r\n" },
		{ SMTP_REPLY(250, 2, 0, 0, ""), "", "250 2.0.0 \r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };

		smtp_reply_format(&cases[i].reply, span_text(cases[i].suffix), &out);
		assert_span_text(buf_span(&out), cases[i].line);
		buf_fini(&out);
	}
}

/* Characters of two octets, at both alignments against the limit. */
static void cuts_long_text_at_a_character(void **state)
{
	static const char suffix[] = " (ref AB-12)";
	unsigned char text[2000];

	(void)state;
	for (size_t shift = 0; shift < 4; shift++) {
		struct buf out = { 0 };
		struct smtp_reply reply = { 554, { 5, 0, 0 }, { text, sizeof(text) } };
		struct span line;

		memset(text, 'x', shift);
		for (size_t i = shift; i < sizeof(text); i++)
			text[i] = (i - shift) % 2 ? 0xA9 : 0xC3;
		smtp_reply_format(&reply, span_text(suffix), &out);
		line = buf_span(&out);
		assert_true(line.len <= 512 && line.len > 508);
		assert_true(span_is_utf8(line));
		assert_memory_equal(line.at + line.len - 2 - strlen(suffix), suffix,
				    strlen(suffix));
		buf_fini(&out);
	}
}

static void parses_status(void **state)
{
	static const struct {
		const char *text;
		int code;
		bool found;
		unsigned subject, detail;
		const char *rest;
	} cases[] = {
		{ "5.7.1 no", 550, true, 7, 1, "no" },	   { "2.0.0", 250, true, 0, 0, "" },
		{ "4.7.123  x", 451, true, 7, 123, " x" }, { "5.7.1 stale", 450, false, 0, 0, "" },
		{ "5.7.1234 x", 550, false, 0, 0, "" },	   { "5.7", 550, false, 0, 0, "" },
		{ "5.7.", 550, false, 0, 0, "" },	   { "5.7.1: x", 550, false, 0, 0, "" },
		{ "3.0.0 x", 354, false, 0, 0, "" },	   { "", 550, false, 0, 0, "" },
		{ "5..1 x", 550, false, 0, 0, "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_status status;
		struct span rest;
		bool found =
			smtp_status_parse(span_text(cases[i].text), cases[i].code, &status, &rest);

		assert_int_equal(found, cases[i].found);
		if (!found)
			continue;
		assert_int_equal(status.class, cases[i].code / 100);
		assert_int_equal(status.subject, cases[i].subject);
		assert_int_equal(status.detail, cases[i].detail);
		assert_span_text(rest, cases[i].rest);
	}
}

/* Feeds in pieces that end at a and b; *used_out counts what was taken. */
static enum smtp_parse parse_split(struct smtp_reply_parser *p, struct span in, size_t a, size_t b,
				   size_t *used_out)
{
	size_t ends[3] = { a, b, in.len }, from = 0;
	enum smtp_parse step = SMTP_PARSE_MORE;

	*used_out = 0;
	for (size_t i = 0; i < 3 && step == SMTP_PARSE_MORE; i++) {
		struct span part = span_of(in.at + from, ends[i] - from);

		step = smtp_reply_parse(p, &part);
		*used_out = ends[i] - part.len;
		from = ends[i];
	}
	return step;
}

struct vector {
	const char *name;
	struct span in;
	enum smtp_parse step;
	int code;
	const char *text;
	size_t used;
};

#define IN(t)                                                                                      \
	{                                                                                          \
		(const unsigned char *)(t), sizeof(t) - 1                                          \
	}

static const struct vector vectors[] = {
	{ "one line", IN("250 ok\r\n"), SMTP_PARSE_DONE, 250, "ok", 8 },
	{ "code alone", IN("250\r\n"), SMTP_PARSE_DONE, 250, "", 5 },
	{ "lines", IN("250-a\r\n250-\r\n250 b\r\n"), SMTP_PARSE_DONE, 250, "a\n\nb", 20 },
	{ "last without text", IN("553-\r\n553\r\n"), SMTP_PARSE_DONE, 553, "\n", 11 },
	{ "stops at its end", IN("220 a\r\n250 b\r\n"), SMTP_PARSE_DONE, 220, "a", 7 },
	{ "lone LF", IN("250-a\n250 b\n"), SMTP_PARSE_DONE, 250, "a\nb", 12 },
	{ "not complete", IN("250-a\r\n250 b\r"), SMTP_PARSE_MORE, 0, "", 0 },
	{ "codes differ", IN("250-a\r\n251 b\r\n"), SMTP_PARSE_BAD, 0, "", 0 },
	{ "two digits", IN("25\r\n"), SMTP_PARSE_BAD, 0, "", 0 },
	{ "space within", IN("2 50 x\r\n"), SMTP_PARSE_BAD, 0, "", 0 },
	{ "class 9", IN("999 x\r\n"), SMTP_PARSE_BAD, 0, "", 0 },
	{ "class 1", IN("150 x\r\n"), SMTP_PARSE_BAD, 0, "", 0 },
	{ "no separator", IN("250x\r\n"), SMTP_PARSE_BAD, 0, "", 0 },
	{ "NUL", IN("250 a\0b\r\n"), SMTP_PARSE_BAD, 0, "", 0 },
	{ "empty line", IN("\r\n"), SMTP_PARSE_BAD, 0, "", 0 },
	{ "HTTP", IN("HTTP/1.1 400 Bad\r\n"), SMTP_PARSE_BAD, 0, "", 0 },
};

static void check(const struct vector *v, size_t a, size_t b)
{
	struct smtp_reply_parser p = { 0 };
	size_t used;
	enum smtp_parse step = parse_split(&p, v->in, a, b, &used);

	if (step != v->step)
		fail_msg("%s at %zu, %zu: step %d", v->name, a, b, step);
	if (step == SMTP_PARSE_DONE) {
		assert_int_equal(p.code, v->code);
		assert_span_text(buf_span(&p.text), v->text);
		assert_int_equal(used, v->used);
	}
	smtp_reply_parser_reset(&p);
	assert_int_equal(p.octets, 0);
	smtp_reply_parser_fini(&p);
}

static void check_by_octet(const struct vector *v)
{
	struct smtp_reply_parser p = { 0 };
	enum smtp_parse step = SMTP_PARSE_MORE;

	for (size_t i = 0; i < v->in.len && step == SMTP_PARSE_MORE; i++) {
		struct span one = span_of(v->in.at + i, 1);

		step = smtp_reply_parse(&p, &one);
	}
	assert_int_equal(step, v->step);
	if (step == SMTP_PARSE_DONE)
		assert_span_text(buf_span(&p.text), v->text);
	smtp_reply_parser_fini(&p);
}

static void parses_replies_however_split(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		for (size_t a = 0; a <= vectors[i].in.len; a++)
			for (size_t b = a; b <= vectors[i].in.len; b++)
				check(&vectors[i], a, b);
		check_by_octet(&vectors[i]);
	}
}

static enum smtp_parse parse_all(struct span in)
{
	struct smtp_reply_parser p = { 0 };
	enum smtp_parse step = smtp_reply_parse(&p, &in);

	smtp_reply_parser_fini(&p);
	return step;
}

static void bounds_lines(void **state)
{
	char line[1101];

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "250 ", 4);
	memcpy(line + 998, "\r\n", 2);
	assert_int_equal(parse_all(span_of(line, 1000)), SMTP_PARSE_DONE);
	memcpy(line + 998, "xx", 2);
	assert_int_equal(parse_all(span_of(line, 1000)), SMTP_PARSE_MORE);
	assert_int_equal(parse_all(span_of(line, 1001)), SMTP_PARSE_BAD);
	memcpy(line + 999, "\r\n", 2);
	assert_int_equal(parse_all(span_of(line, 1001)), SMTP_PARSE_BAD);
}

static void bounds_replies(void **state)
{
	struct smtp_reply_parser p = { 0 };
	enum smtp_parse step = SMTP_PARSE_MORE;
	size_t lines = 0;

	(void)state;
	while (step == SMTP_PARSE_MORE && lines < 100000) {
		struct span in = span_text("250-x\r\n");

		step = smtp_reply_parse(&p, &in);
		lines++;
	}
	assert_int_equal(step, SMTP_PARSE_BAD);
	assert_int_equal(lines, 100000 / 7 + 1);
	assert_true(p.text.cap <= 200000);
	smtp_reply_parser_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(formats),	 cmocka_unit_test(cuts_long_text_at_a_character),
		cmocka_unit_test(parses_status), cmocka_unit_test(parses_replies_however_split),
		cmocka_unit_test(bounds_lines),	 cmocka_unit_test(bounds_replies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
