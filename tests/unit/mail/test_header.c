#include "mail/header.h"

#include "test.h"

#define DATE "Date: D\r\n"
#define ID "Message-ID: <m@h>\r\n"
#define HAVE "Date: x\r\nMessage-ID: <a@b>\r\n"

static const struct mail_scan_conf conf = { "D", "<m@h>", 1 << 20, 3 };

struct scan_case {
	const char *name, *in, *out;
	const char *id; /* NULL: "<m@h>", the one that was added */
	unsigned received;
	bool has_8bit;
};

static const struct scan_case cases[] = {
	{ "nothing is missing", HAVE "\r\nbody\r\n", HAVE "\r\nbody\r\n", "<a@b>", 0, false },
	{ "both are missing", "Subject: s\r\n\r\nb\r\n", "Subject: s\r\n" DATE ID "\r\nb\r\n", NULL,
	  0, false },
	{ "date is missing", "Message-Id: <a@b>\r\n\r\n", "Message-Id: <a@b>\r\n" DATE "\r\n",
	  "<a@b>", 0, false },
	{ "id is missing", "DATE: x\r\n\r\n", "DATE: x\r\n" ID "\r\n", NULL, 0, false },
	{ "names are matched whole", "Dates: x\r\nX-Date: y\r\nMessage-ID2: z\r\n\r\n",
	  "Dates: x\r\nX-Date: y\r\nMessage-ID2: z\r\n" DATE ID "\r\n", NULL, 0, false },
	{ "white space before the colon", "Date \t: x\r\nMessage-ID  :<a@b>\r\n\r\n",
	  "Date \t: x\r\nMessage-ID  :<a@b>\r\n\r\n", "<a@b>", 0, false },
	{ "Bcc goes", HAVE "Bcc: eve@x\r\nTo: a\r\n\r\nb\r\n", HAVE "To: a\r\n\r\nb\r\n", "<a@b>",
	  0, false },
	{ "Bcc first and last", "Bcc: e\r\n" HAVE "BCC: f\r\n\r\nb\r\n", HAVE "\r\nb\r\n", "<a@b>",
	  0, false },
	{ "folded Bcc", HAVE "bCc:\r\n e@x,\r\n\tf@x\r\n \r\nTo: a\r\n\r\n", HAVE "To: a\r\n\r\n",
	  "<a@b>", 0, false },
	{ "Bcc with space before the colon", HAVE "Bcc \t : e\r\n f\r\n\r\n", HAVE "\r\n", "<a@b>",
	  0, false },
	{ "Resent-Bcc", HAVE "Resent-BCC: e\r\n f\r\nResent-To: g\r\n\r\n",
	  HAVE "Resent-To: g\r\n\r\n", "<a@b>", 0, false },
	{ "Bcc-like names stay", HAVE "X-Bcc: e\r\nBccc: f\r\nBc: g\r\n\r\n",
	  HAVE "X-Bcc: e\r\nBccc: f\r\nBc: g\r\n\r\n", "<a@b>", 0, false },
	{ "Bcc in a folded line stays", HAVE "To: a\r\n Bcc: e\r\n\r\n",
	  HAVE "To: a\r\n Bcc: e\r\n\r\n", "<a@b>", 0, false },
	{ "Bcc in the body stays", HAVE "\r\nBcc: e\r\n\r\nBcc: f\r\n",
	  HAVE "\r\nBcc: e\r\n\r\nBcc: f\r\n", "<a@b>", 0, false },
	{ "only Bcc", "Bcc: e\r\n", DATE ID, NULL, 0, false },
	{ "only Bcc, no line end", "Bcc: e", DATE ID, NULL, 0, false },
	{ "empty message", "", DATE ID, NULL, 0, false },
	{ "blank line only", "\r\n", DATE ID "\r\n", NULL, 0, false },
	{ "body only", "\r\nbody\r\n", DATE ID "\r\nbody\r\n", NULL, 0, false },
	{ "dot first", ".\r\nx\r\n", DATE ID "\r\n.\r\nx\r\n", NULL, 0, false },
	{ "first line folded", " folded\r\nSubject: s\r\n\r\nb\r\n",
	  DATE ID "\r\n folded\r\nSubject: s\r\n\r\nb\r\n", NULL, 0, false },
	{ "first line a tab", "\tx\r\n", DATE ID "\r\n\tx\r\n", NULL, 0, false },
	{ "no header", "hello\r\n\r\nyou: there\r\n", DATE ID "\r\nhello\r\n\r\nyou: there\r\n",
	  NULL, 0, false },
	{ "no header, no line end", "hello", DATE ID "\r\nhello", NULL, 0, false },
	{ "mbox From", "From a@b Sat Nov 21 22:11:54 2026\r\nTo: c\r\n\r\nb\r\n",
	  DATE ID "\r\nFrom a@b Sat Nov 21 22:11:54 2026\r\nTo: c\r\n\r\nb\r\n", NULL, 0, false },
	{ "colon first", ": x\r\n\r\n", DATE ID "\r\n: x\r\n\r\n", NULL, 0, false },
	{ "8 bit in a first name",
	  "S\xFC"
	  "b: x\r\n\r\n",
	  DATE ID "\r\nS\xFC"
		  "b: x\r\n\r\n",
	  NULL, 0, true },
	{ "later line without colon", "To: a\r\nno field\r\nBcc: e\r\nDate: x\r\n\r\nb\r\n",
	  "To: a\r\n" DATE ID "no field\r\nDate: x\r\n\r\nb\r\n", NULL, 0, false },
	{ "Message-ID behind a later line without colon",
	  "Date: x\r\nno field\r\nMessage-ID: <a@b>\r\n\r\n",
	  "Date: x\r\n" ID "no field\r\nMessage-ID: <a@b>\r\n\r\n", NULL, 0, false },
	{ "later line without colon, folded on", HAVE "x\r\n y\r\nTo: a\r\n\r\n",
	  HAVE "x\r\n y\r\nTo: a\r\n\r\n", "<a@b>", 0, false },
	{ "line without colon behind Bcc", HAVE "Bcc: e\r\nx\r\n\r\n", HAVE "x\r\n\r\n", "<a@b>", 0,
	  false },
	{ "no blank line at the end", "To: a\r\n", "To: a\r\n" DATE ID, NULL, 0, false },
	{ "no line end at the end", "To: a", "To: a\r\n" DATE ID, NULL, 0, false },
	{ "name alone at the end", "To: a\r\nDat", "To: a\r\n" DATE ID "Dat", NULL, 0, false },
	{ "name and blank at the end", "To: a\r\nDate ", "To: a\r\n" DATE ID "Date ", NULL, 0,
	  false },
	{ "CR alone at the end", "To: a\r\n\r", "To: a\r\n" DATE ID "\r", NULL, 0, false },
	{ "complete, no line end", HAVE "To: a", HAVE "To: a", "<a@b>", 0, false },
	{ "bare CR begins a line", HAVE "\rx\r\n\r\n", HAVE "\rx\r\n\r\n", "<a@b>", 0, false },
	{ "bare LF ends lines too", "To: a\n\nb\n", "To: a\n" DATE ID "\nb\n", NULL, 0, false },
	{ "empty values", "Date:\r\nMessage-ID:\r\n\r\n", "Date:\r\nMessage-ID:\r\n\r\n", "", 0,
	  false },
	{ "id folded", "Date: x\r\nMessage-ID:\r\n <a@b> \t\r\n\r\n",
	  "Date: x\r\nMessage-ID:\r\n <a@b> \t\r\n\r\n", "<a@b>", 0, false },
	{ "the first id counts", HAVE "Message-ID: <c@d>\r\n\r\n", HAVE "Message-ID: <c@d>\r\n\r\n",
	  "<a@b>", 0, false },
	{ "id without line end", "Date: x\r\nMessage-ID: <a@b> ", "Date: x\r\nMessage-ID: <a@b> ",
	  "<a@b>", 0, false },
	{ "Received are counted",
	  "Received: 1\r\nRECEIVED : 2\r\n received: 3\r\nReceived: 4\r\n" HAVE
	  "\r\nReceived: 5\r\n",
	  "Received: 1\r\nRECEIVED : 2\r\n received: 3\r\nReceived: 4\r\n" HAVE
	  "\r\nReceived: 5\r\n",
	  "<a@b>", 3, false },
	{ "8 bit in the header", HAVE "Subject: \xC3\xBC\r\n\r\n", HAVE "Subject: \xC3\xBC\r\n\r\n",
	  "<a@b>", 0, true },
	{ "8 bit in the body", HAVE "\r\nabcdefghijk\xFF\r\n", HAVE "\r\nabcdefghijk\xFF\r\n",
	  "<a@b>", 0, true },
	{ "8 bit in the header and the body", HAVE "Subject: \xFC\r\n\r\nb\xFC\r\n",
	  HAVE "Subject: \xFC\r\n\r\nb\xFC\r\n", "<a@b>", 0, true },
	{ "8 bit in a line that is no field", HAVE "\xFC\r\n\r\nb\r\n", HAVE "\xFC\r\n\r\nb\r\n",
	  "<a@b>", 0, true },
	{ "8 bit in what goes", HAVE "Bcc: \xFC\r\n\r\nb\r\n", HAVE "\r\nb\r\n", "<a@b>", 0,
	  false },
};

static void feed(struct mail_scan *s, struct span in, struct buf *out)
{
	struct span body = mail_scan_feed(s, in, out);

	buf_put_span(out, body);
}

/* Up to the first empty line, or all. */
static size_t header_end(const char *text)
{
	const char *blank = strstr(text, "\n\r\n"), *bare = strstr(text, "\n\n");

	if (strncmp(text, "\r\n", 2) == 0)
		return 0;
	if (blank == NULL)
		blank = bare;
	return blank ? (size_t)(blank - text) + 1 : strlen(text);
}

static struct span header_of(const char *text)
{
	return span_first(span_text(text), header_end(text));
}

/* The first part, then parts of `each` octets. */
static void run(const struct scan_case *c, size_t first, size_t each)
{
	struct span in = span_text(c->in);
	struct buf out = { 0 };
	struct mail_scan s;

	mail_scan_init(&s, &conf);
	feed(&s, span_first(in, first), &out);
	for (in = span_from(in, first); in.len; in = span_from(in, each))
		feed(&s, span_first(in, each), &out);
	mail_scan_end(&s, &out);
	assert_span_text(buf_span(&out), c->out);
	assert_span_text(buf_span(&s.id), c->id ? c->id : "<m@h>");
	assert_int_equal(s.received, c->received);
	assert_int_equal(s.header_put, header_end(c->out));
	assert_int_equal(s.has_8bit, c->has_8bit);
	assert_int_equal(s.has_8bit_header, c->has_8bit && !span_is_ascii(header_of(c->out)));
	assert_false(s.is_too_long);
	mail_scan_fini(&s);
	buf_fini(&out);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = strlen(cases[i].in);

		print_message("%s\n", cases[i].name);
		run(&cases[i], 0, len + 1);
		run(&cases[i], 0, 1);
		for (size_t at = 1; at < len; at++)
			run(&cases[i], at, len);
	}
}

static void test_loop(void **state)
{
	struct buf out = { 0 };
	struct mail_scan s;

	(void)state;
	mail_scan_init(&s, &conf);
	for (unsigned i = 0; i < 3; i++)
		feed(&s, span_text("Received: x\r\n"), &out);
	assert_false(mail_scan_is_loop(&s));
	feed(&s, span_text("Received: x\r\n"), &out);
	assert_true(mail_scan_is_loop(&s));
	mail_scan_fini(&s);
	buf_fini(&out);
}

static void test_from(void **state)
{
	struct buf out = { 0 };
	struct mail_scan s;

	(void)state;
	mail_scan_init(&s, &conf);
	feed(&s, span_text("X-From: a\r\n\r\nFrom: b\r\n"), &out);
	assert_false(s.has_from);
	assert_true(s.is_in_body);
	mail_scan_fini(&s);
	mail_scan_init(&s, &conf);
	feed(&s, span_text("from: a\r\n"), &out);
	assert_true(s.has_from);
	assert_false(s.is_in_body);
	mail_scan_fini(&s);
	buf_fini(&out);
}

static void test_nothing_to_add(void **state)
{
	const struct mail_scan_conf none = { NULL, NULL, 1000, 10 };
	struct buf out = { 0 };
	struct mail_scan s;

	(void)state;
	mail_scan_init(&s, &none);
	feed(&s, span_text("To: a\r\nBcc: b\r\n\r\nx"), &out);
	mail_scan_end(&s, &out);
	assert_span_text(buf_span(&out), "To: a\r\n\r\nx");
	mail_scan_fini(&s);
	buf_fini(&out);
}

static void test_header_cap(void **state)
{
	const struct mail_scan_conf small = { "D", "<m@h>", 10, 10 };
	struct buf out = { 0 };
	struct mail_scan s;

	(void)state;
	mail_scan_init(&s, &small);
	feed(&s, span_text("To: ab\r\n\r\n"), &out);
	feed(&s, span_text("a body of any length does not count\r\n"), &out);
	assert_false(s.is_too_long);
	assert_int_equal(s.header_octets, 10);
	mail_scan_fini(&s);
	mail_scan_init(&s, &small);
	feed(&s, span_text("To: abc\r\n\r\nb"), &out);
	assert_true(s.is_too_long);
	mail_scan_fini(&s);
	buf_fini(&out);
}

/* Feeds `part` `count` times and demands that no memory of the scan grows. */
static uint64_t feed_many(struct mail_scan *s, const char *part, size_t count)
{
	struct buf out = { 0 };
	uint64_t octets = 0;

	for (size_t i = 0; i < count; i++) {
		feed(s, span_text(part), &out);
		octets += out.len;
		buf_clear(&out);
		assert_true(s->held.cap <= 1024 && s->id.cap <= 256);
	}
	assert_true(out.cap <= 65536);
	buf_fini(&out);
	return octets;
}

static void test_constant_memory(void **state)
{
	const char *ten = "xxxxxxxxxx", *line = "X: y\r\n";
	struct mail_scan s;

	(void)state;
	mail_scan_init(&s, &conf);
	feed_many(&s, "Message-ID: ", 1);
	assert_int_equal(feed_many(&s, ten, 1000000), 10000000);
	assert_true(s.is_too_long);
	assert_int_equal(s.id.len, 250);
	mail_scan_fini(&s);
	mail_scan_init(&s, &conf);
	assert_int_equal(feed_many(&s, line, 1000000), 6000000);
	mail_scan_fini(&s);
	mail_scan_init(&s, &conf);
	/* A line that might be a name for ever. */
	feed_many(&s, "a: b\r\n", 1);
	assert_int_equal(feed_many(&s, ten, 100000), 1000000 + strlen(DATE ID));
	mail_scan_fini(&s);
	mail_scan_init(&s, &conf);
	assert_int_equal(feed_many(&s, "Bcc: secret\r\n and more\r\n", 100000), 0);
	mail_scan_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),	   cmocka_unit_test(test_loop),
		cmocka_unit_test(test_from),	   cmocka_unit_test(test_nothing_to_add),
		cmocka_unit_test(test_header_cap), cmocka_unit_test(test_constant_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
