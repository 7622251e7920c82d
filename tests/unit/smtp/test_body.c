#include "test.h"

#include "body_reference.h"
#include "smtp/body.h"

#include <stdio.h>

static const unsigned char alphabet[] = { '\r', '\n', '.', 0, 'x' };

enum { LETTERS = sizeof(alphabet), LENGTH_MOST = 7 };

struct outcome {
	bool is_ended, is_bad, is_dotless;
	size_t used, length;
	unsigned char content[400];
};

typedef enum smtp_body_step decode_step(struct smtp_body_decoder *d, struct span *in,
					struct span *out);

static void take(decode_step *decode_next, struct smtp_body_decoder *d, struct span in,
		 struct outcome *o)
{
	struct span rest = in, chunk;
	enum smtp_body_step step = SMTP_BODY_CHUNK;

	while (!o->is_ended && (step = decode_next(d, &rest, &chunk)) != SMTP_BODY_MORE) {
		if (step == SMTP_BODY_END) {
			o->is_ended = true;
			break;
		}
		memcpy(o->content + o->length, chunk.at, chunk.len);
		o->length += chunk.len;
	}
	o->used += in.len - rest.len;
}

/* In two pieces that meet at `cut`. */
static struct outcome decode(struct span in, size_t cut, bool refuse_bare_lf)
{
	struct smtp_body_decoder d = { .refuse_bare_lf = refuse_bare_lf };
	struct outcome o = { 0 };

	take(smtp_body_decode, &d, span_first(in, cut), &o);
	if (!o.is_ended)
		take(smtp_body_decode, &d, span_from(in, cut), &o);
	o.is_bad = smtp_body_is_bad(&d);
	o.is_dotless = d.is_dotless;
	if (d.octets != o.length)
		fail_msg("counted %llu of %zu", (unsigned long long)d.octets, o.length);
	return o;
}

static struct outcome decode_chunks(struct span in, size_t cut, bool refuse_bare_lf)
{
	struct smtp_body_decoder d = { .refuse_bare_lf = refuse_bare_lf };
	struct outcome o = { 0 };

	take(smtp_chunk_decode, &d, span_first(in, cut), &o);
	take(smtp_chunk_decode, &d, span_from(in, cut), &o);
	smtp_chunk_decode_end(&d);
	o.is_bad = smtp_body_is_bad(&d);
	o.is_dotless = d.is_dotless;
	if (d.octets != o.length)
		fail_msg("counted %llu of %zu", (unsigned long long)d.octets, o.length);
	return o;
}

static struct buf encode_in_two(struct span content, size_t cut, bool is_dotless)
{
	struct smtp_body_encoder e = { .is_dotless = is_dotless };
	struct buf out = { 0 };

	smtp_body_encode(&e, span_first(content, cut), &out);
	smtp_body_encode(&e, span_from(content, cut), &out);
	smtp_body_encode_end(&e, &out);
	return out;
}

/* What is known of a content that came whole: without a look at it the same goes out. */
static bool may_go_unlooked_at(const struct outcome *o, size_t cut)
{
	struct span content = span_of(o->content, o->length);
	struct buf looked_at, unlooked_at;
	bool is_same;

	if (!o->is_dotless)
		return true;
	looked_at = encode_in_two(content, cut, false);
	unlooked_at = encode_in_two(content, cut, true);
	is_same = span_eq(buf_span(&looked_at), buf_span(&unlooked_at));
	buf_fini(&looked_at);
	buf_fini(&unlooked_at);
	return is_same;
}

static bool agrees(const struct outcome *o, const struct body_reference *r, size_t used)
{
	return o->is_ended == r->is_ended && o->is_bad == r->is_bad && o->used == used &&
	       span_eq(span_of(o->content, o->length), buf_span(&r->content));
}

static void compare_one(struct span in, bool is_chunked, bool refuse_bare_lf)
{
	struct body_reference r = { .is_chunked = is_chunked, .refuse_bare_lf = refuse_bare_lf };
	size_t used = body_reference_run(&r, in);

	if (is_chunked)
		body_reference_end(&r);
	for (size_t cut = 0; cut <= in.len; cut++) {
		struct outcome o = is_chunked ? decode_chunks(in, cut, refuse_bare_lf)
					      : decode(in, cut, refuse_bare_lf);

		if (agrees(&o, &r, used) && may_go_unlooked_at(&o, cut < o.length ? cut : 0))
			continue;
		for (size_t i = 0; i < in.len; i++)
			fprintf(stderr, "%02x ", in.at[i]);
		fail_msg("differs, %s cut at %zu", is_chunked ? "in chunks" : "as lines", cut);
	}
	buf_fini(&r.content);
}

static void compare(struct span in, bool refuse_bare_lf)
{
	compare_one(in, false, refuse_bare_lf);
	compare_one(in, true, refuse_bare_lf);
}

/* All strings of up to seven octets, behind a line's start and behind text, whole and in two. */
static void every_short_content(void **state)
{
	unsigned char in[1 + LENGTH_MOST];
	size_t count = 1;

	(void)state;
	for (size_t length = 0; length <= LENGTH_MOST; length++, count *= LETTERS) {
		for (size_t number = 0; number < count; number++) {
			size_t rest = number;

			in[0] = 'x';
			for (size_t i = 1; i <= length; i++, rest /= LETTERS)
				in[i] = alphabet[rest % LETTERS];
			compare(span_of(in + 1, length), false);
			compare(span_of(in, length + 1), number % 2);
			compare(span_of(in + 1, length), true);
		}
	}
}

/* Pairs of them at every distance, among octets of all kinds. */
static void within_long_lines(void **state)
{
	static const unsigned char others[] = { 'x', '\t', 1, 14, 127, 128, 255 };
	unsigned char in[24];

	(void)state;
	for (size_t number = 0; number < sizeof(others) * LETTERS * LETTERS; number++) {
		unsigned char first = alphabet[number % LETTERS];
		unsigned char second = alphabet[number / LETTERS % LETTERS];

		for (size_t a = 0; a < sizeof(in); a++) {
			memset(in, others[number / LETTERS / LETTERS], sizeof(in));
			in[a] = first;
			in[(a + number) % sizeof(in)] = second;
			compare(span_of(in, sizeof(in)), false);
		}
	}
}

/* Pairs of them at every place of a content that is longer than what is looked at in one step: lines of
 * uneven length, CRLFs at every place of a step. */
static void within_many_lines(void **state)
{
	unsigned char in[90];

	(void)state;
	for (size_t number = 0; number < sizeof(in) * LETTERS * LETTERS; number++) {
		size_t at = number / LETTERS / LETTERS, width = 7 + number % 3 * 22;

		for (size_t i = 0; i < sizeof(in); i++)
			in[i] = i % width ? 'x' : '\n';
		for (size_t i = 0; i < sizeof(in); i += width)
			in[i ? i - 1 : 0] = i ? '\r' : 'x';
		in[at] = alphabet[number % LETTERS];
		in[(at + 1) % sizeof(in)] = alphabet[number / LETTERS % LETTERS];
		compare(span_of(in, sizeof(in)), false);
	}
}

static void knows_what_needs_no_second_look(void **state)
{
	static const struct {
		const char *in;
		bool is_chunked, is_dotless;
	} cases[] = {
		{ ".\r\n", false, true },
		{ "a.b\r\n.\r\n", false, true },
		{ "a\r\nb.\r\n\r\n.\r\n", false, true },
		{ "..\r\n.\r\n", false, false },
		{ "a\r\n..b\r\nc\r\n.\r\n", false, false },
		{ "a\n.\r\n.\r\n", false, false }, /* a line of its own once the LF is mended */
		{ "a\r\n", true, false },
		{ "a\r\n", false, false }, /* nothing is told before the end */
		{ "a\rb\r\n.\r\n", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span in = span_text(cases[i].in);

		for (size_t cut = 0; cut <= in.len; cut++) {
			struct outcome o = cases[i].is_chunked ? decode_chunks(in, cut, false)
							       : decode(in, cut, false);

			assert_int_equal(o.is_dotless, cases[i].is_dotless);
		}
	}
}

/* As the definition has it, for lines of all lengths around the limit, in pieces of all kinds. */
static void measures_lines_of_any_content(void **state)
{
	uint32_t random = 7;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct smtp_body_decoder d = { 0 };
		bool has_long = false;

		for (int lines = 0; lines < 12; lines++) {
			struct buf in = { 0 };
			size_t octets;

			random = random * 1664525 + 1013904223;
			octets = random >> 30 ? (random >> 8) % 999 : 994 + (random >> 8) % 6;
			memset(buf_room(&in, octets), 'y', octets);
			buf_grew(&in, octets);
			buf_put_text(&in, "\r\n");
			has_long |= octets > 998;
			while (in.len) {
				struct span piece, chunk;
				size_t n = 1 + (random >> 3) % 700;

				piece = span_first(buf_span(&in), n);
				n = piece.len;
				while (smtp_body_decode(&d, &piece, &chunk) == SMTP_BODY_CHUNK)
					;
				buf_drop(&in, n);
			}
			buf_fini(&in);
		}
		assert_int_equal(d.has_long_lines, has_long);
	}
}

#define SPAN(t)                                                                                    \
	{                                                                                          \
		(const unsigned char *)(t), sizeof(t) - 1                                          \
	}

/* The ends of data that other servers have believed in. */
static void false_ends(void **state)
{
	static const struct span ends[] = {
		SPAN("\n.\n"),	     SPAN("\n.\r"),	  SPAN("\r.\n"),
		SPAN("\r.\r"),	     SPAN("\n.\r\n"),	  SPAN("\r.\r\n"),
		SPAN("\r\n.\n"),     SPAN("\r\n.\r"),	  SPAN("\r\n\0.\r\n"),
		SPAN("\r\n.\0\r\n"), SPAN("\r\n.\r\r\n"), SPAN("\r\r\n.\r\r\n"),
		SPAN("\r\n..\r\n"),  SPAN("\r\n. \r\n"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		struct buf in = { 0 };
		struct outcome o;

		buf_put_text(&in, "x");
		buf_put_span(&in, ends[i]);
		buf_put_text(&in, "MAIL\r\n.\r\n");
		o = decode(buf_span(&in), 3, false);
		assert_true(o.is_ended);
		assert_int_equal(o.used, in.len);
		compare(buf_span(&in), false);
		compare(buf_span(&in), true);
		buf_fini(&in);
	}
}

static void what_is_content(void **state)
{
	static const struct {
		const char *in, *content;
		bool is_bad, refuse_bare_lf;
	} cases[] = {
		{ ".\r\n", "", false, false },
		{ "\r\n.\r\n", "\r\n", false, false },
		{ "..\r\n.\r\n", ".\r\n", false, false },
		{ ".x\r\n.\r\n", "x\r\n", false, false },
		{ "a\nb\r\n.\r\n", "a\r\nb\r\n", false, false },
		{ "a\n.b\r\n.\r\n", "a\r\n.b\r\n", false, false },
		{ "a\nb\r\n.\r\n", "a", true, true },
		{ "a\rb\r\n.\r\n", "a", true, false },
		{ "\377\t\001\r\n.\r\n", "\377\t\001\r\n", false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span in = span_text(cases[i].in);
		struct outcome o = decode(in, 0, cases[i].refuse_bare_lf);

		assert_true(o.is_ended);
		assert_int_equal(o.is_bad, cases[i].is_bad);
		assert_span_text(span_of(o.content, o.length), cases[i].content);
	}
}

static void what_is_content_in_chunks(void **state)
{
	static const struct {
		const char *in, *content;
		bool is_bad, refuse_bare_lf;
	} cases[] = {
		{ "", "", false, false },
		{ "x", "x", false, false },
		{ ".\r\n", ".\r\n", false, false },
		{ "\r\n.\r\nMAIL", "\r\n.\r\nMAIL", false, true },
		{ "..x\n.\n", "..x\r\n.\r\n", false, false },
		{ "a\nb", "a", true, true },
		{ "a\rb", "a", true, false },
		{ "a\r", "a", true, false },
		{ "a\r\r\n", "a", true, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct span in = span_text(cases[i].in);

		for (size_t cut = 0; cut <= in.len; cut++) {
			struct outcome o = decode_chunks(in, cut, cases[i].refuse_bare_lf);

			assert_int_equal(o.is_bad, cases[i].is_bad);
			assert_span_text(span_of(o.content, o.length), cases[i].content);
		}
	}
}

static bool has_long_lines(decode_step *decode_next, struct span in, size_t cut)
{
	struct smtp_body_decoder d = { 0 };
	struct span pieces[2] = { span_first(in, cut), span_from(in, cut) }, chunk;

	for (int i = 0; i < 2; i++)
		while (decode_next(&d, &pieces[i], &chunk) == SMTP_BODY_CHUNK)
			;
	return d.has_long_lines;
}

/* A dot before a line of `octets`, which DATA takes away; behind it what ends the line. */
static void check_long_line(size_t octets, const char *end, bool is_long, bool is_long_in_chunks)
{
	struct buf in = { 0 };

	buf_put_text(&in, "x\r\n.");
	memset(buf_room(&in, octets), 'y', octets);
	buf_grew(&in, octets);
	buf_put_text(&in, end);
	for (size_t cut = 0; cut <= in.len; cut++) {
		assert_int_equal(has_long_lines(smtp_body_decode, buf_span(&in), cut), is_long);
		assert_int_equal(has_long_lines(smtp_chunk_decode, buf_span(&in), cut),
				 is_long_in_chunks);
	}
	buf_fini(&in);
}

static void tells_of_long_lines(void **state)
{
	(void)state;
	check_long_line(997, "\r\nx\r\n", false, false);
	check_long_line(998, "\r\nx\r\n", false, true);
	check_long_line(999, "\r\nx\r\n", true, true);
	check_long_line(998, "\nx\r\n", false, true);
	check_long_line(999, "\nx\r\n", true, true);
	check_long_line(997, "", false, false);
	check_long_line(998, "", false, true);
	check_long_line(996, "\r\n..\r\n", false, false);
}

static void encode(struct span in, size_t cut, struct buf *out)
{
	struct smtp_body_encoder e = { 0 };

	smtp_body_encode(&e, span_first(in, cut), out);
	smtp_body_encode(&e, span_from(in, cut), out);
	smtp_body_encode_end(&e, out);
}

/* Nothing on the wire but CRLF lines, and no lone dot but the last. */
static bool is_clean(struct span wire)
{
	bool is_start = true;
	size_t n = wire.len;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = wire.at[i];

		if (c == 0 || (c == '\r') != (i + 1 < n && wire.at[i + 1] == '\n') ||
		    (c == '\n' && (i == 0 || wire.at[i - 1] != '\r')))
			return false;
		if (is_start && c == '.' && i + 3 != n && (i + 1 == n || wire.at[i + 1] != '.'))
			return false;
		is_start = c == '\n';
	}
	return n >= 3 && memcmp(wire.at + n - 3, ".\r\n", 3) == 0;
}

static void encodes_cleanly_however_split(void **state)
{
	unsigned char in[LENGTH_MOST];
	struct buf whole = { 0 }, split = { 0 };
	size_t count = 1;

	(void)state;
	for (size_t length = 0; length < LENGTH_MOST; length++, count *= LETTERS) {
		for (size_t number = 0; number < count; number++) {
			size_t rest = number;

			for (size_t i = 0; i < length; i++, rest /= LETTERS)
				in[i] = alphabet[rest % LETTERS];
			buf_clear(&whole);
			encode(span_of(in, length), length, &whole);
			assert_true(is_clean(buf_span(&whole)));
			for (size_t cut = 0; cut < length; cut++) {
				buf_clear(&split);
				encode(span_of(in, length), cut, &split);
				if (!span_eq(buf_span(&whole), buf_span(&split)))
					fail_msg("differs, cut at %zu", cut);
			}
		}
	}
	buf_fini(&whole);
	buf_fini(&split);
}

/* What goes out and comes in again is the same, for content of whole CRLF lines. */
static void content_comes_back(void **state)
{
	static const char *const contents[] = {
		"", "\r\n", ".\r\n", "..\r\n", ".\r\n.\r\n", "a\r\n.b\r\n\r\n", "\r\n\r\n.\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(contents) / sizeof(contents[0]); i++) {
		struct span in = span_text(contents[i]);
		struct buf wire = { 0 };
		struct outcome o;

		encode(in, in.len / 2, &wire);
		o = decode(buf_span(&wire), 1, true);
		assert_true(o.is_ended && !o.is_bad && o.used == wire.len);
		assert_span_text(span_of(o.content, o.length), contents[i]);
		buf_fini(&wire);
	}
}

static void encodes_an_open_last_line(void **state)
{
	struct buf out = { 0 };

	(void)state;
	encode(span_text("a\r\n.b"), 4, &out);
	assert_span_text(buf_span(&out), "a\r\n..b\r\n.\r\n");
	buf_fini(&out);
}

/* As encode(), by passing; how many octets went into *out as a copy. */
static size_t pass(struct span in, size_t cut, struct buf *wire)
{
	const struct span parts[] = { span_first(in, cut), span_from(in, cut) };
	struct smtp_body_encoder e = { 0 };
	struct buf out = { 0 };
	size_t copied = 0;

	for (int i = 0; i < 2; i++) {
		struct span rest = parts[i];

		while (rest.len) {
			struct span run = smtp_body_pass(&e, &rest, &out);

			assert_true(run.len == 0 || (run.at >= in.at && run.at < in.at + in.len));
			copied += out.len;
			buf_put_span(wire, buf_span(&out));
			buf_put_span(wire, run);
			buf_clear(&out);
		}
	}
	smtp_body_encode_end(&e, wire);
	buf_fini(&out);
	return copied;
}

/* A content of `lines` lines; one in `every` begins with a dot. */
static void make_lines(struct buf *content, unsigned lines, unsigned every)
{
	for (unsigned i = 0; i < lines; i++) {
		buf_put_text(content, i % every == every - 1 ? "." : "x");
		buf_put_text(content, "0123456789012345678901234567890123456789\r\n");
	}
}

static void long_runs_are_not_copied(void **state)
{
	static const struct {
		unsigned lines, every;
		size_t copied_most;
	} cases[] = { { 1000, 1001, 0 },
		      { 1000, 100, 10 + 2 * SMTP_BODY_RUN },
		      { 1000, 2, 44000 },
		      { 10, 11, 1000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf content = { 0 }, encoded = { 0 }, passed = { 0 };

		make_lines(&content, cases[i].lines, cases[i].every);
		encode(buf_span(&content), content.len, &encoded);
		for (size_t cut = 0; cut <= content.len; cut += 1 + content.len / 7) {
			buf_clear(&passed);
			assert_true(pass(buf_span(&content), cut, &passed) <= cases[i].copied_most);
			assert_true(span_eq(buf_span(&passed), buf_span(&encoded)));
		}
		buf_fini(&content);
		buf_fini(&encoded);
		buf_fini(&passed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_short_content),
		cmocka_unit_test(within_long_lines),
		cmocka_unit_test(within_many_lines),
		cmocka_unit_test(knows_what_needs_no_second_look),
		cmocka_unit_test(measures_lines_of_any_content),
		cmocka_unit_test(false_ends),
		cmocka_unit_test(what_is_content),
		cmocka_unit_test(what_is_content_in_chunks),
		cmocka_unit_test(tells_of_long_lines),
		cmocka_unit_test(encodes_cleanly_however_split),
		cmocka_unit_test(content_comes_back),
		cmocka_unit_test(encodes_an_open_last_line),
		cmocka_unit_test(long_runs_are_not_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
