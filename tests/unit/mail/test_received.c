#include "mail/received.h"

#include "test.h"

#define NOW 1795299114123
#define TAIL                                                                                       \
	"\r\n\tby relay.example.com with ESMTPSA id 01ABC;\r\n\tSat, 21 Nov 2026 22:11:54 "        \
	"+0000\r\n"

struct received_case {
	const char *name;
	enum mail_trace trace;
	const char *company, *ehlo, *address, *out;
};

static const struct received_case cases[] = {
	{ "company", MAIL_TRACE_COMPANY, "Example Corp", "x", "192.0.2.7",
	  "Received: from example.com (Example Corp)" TAIL },
	{ "no company", MAIL_TRACE_COMPANY, "", "x", "192.0.2.7",
	  "Received: from example.com" TAIL },
	{ "parentheses", MAIL_TRACE_COMPANY, "A (B) \\ C)", "x", "192.0.2.7",
	  "Received: from example.com (A \\(B\\) \\\\ C\\))" TAIL },
	{ "line ends and controls", MAIL_TRACE_COMPANY, " A\r\nX-Evil: y\t\x01 ", "x", "192.0.2.7",
	  "Received: from example.com (A X-Evil: y)" TAIL },
	{ "UTF-8", MAIL_TRACE_COMPANY, "M\xC3\xBCller (Bau) AG", "x", "192.0.2.7",
	  "Received: from example.com (=?UTF-8?Q?M=C3=BCller_=28Bau=29_AG?=)" TAIL },
	{ "not UTF-8", MAIL_TRACE_COMPANY, "M\xFCller", "x", "192.0.2.7",
	  "Received: from example.com (M?ller)" TAIL },
	{ "looks encoded", MAIL_TRACE_COMPANY, "=?UTF-8?Q?x?=", "x", "192.0.2.7",
	  "Received: from example.com (=?UTF-8?Q?=3D=3FUTF=2D8=3FQ=3Fx=3F=3D?=)" TAIL },
	{ "full", MAIL_TRACE_FULL, "Example Corp", "laptop.hotel.example", "192.0.2.7",
	  "Received: from laptop.hotel.example ([192.0.2.7])" TAIL },
	{ "full, IPv6", MAIL_TRACE_FULL, "", "[IPv6:2001:db8::1]", "2001:db8::1",
	  "Received: from [IPv6:2001:db8::1] ([IPv6:2001:db8::1])" TAIL },
	{ "full, hostile name", MAIL_TRACE_FULL, "", "a)(b;\r\nX: \"$(id)[%n]\xC3\xBC_-",
	  "192.0.2.7", "Received: from abX:idn_- ([192.0.2.7])" TAIL },
	{ "full, nothing left of the name", MAIL_TRACE_FULL, "", "\xC3\xBC ()", "192.0.2.7",
	  "Received: from unknown ([192.0.2.7])" TAIL },
	{ "full, only brackets", MAIL_TRACE_FULL, "", "[()]", "192.0.2.7",
	  "Received: from unknown ([192.0.2.7])" TAIL },
	{ "none", MAIL_TRACE_NONE, "Example Corp", "x", "192.0.2.7",
	  "Received: by relay.example.com with ESMTPSA id 01ABC;\r\n\tSat, 21 Nov 2026 22:11:54 "
	  "+0000\r\n" },
};

static void format(const struct received_case *c, const char *host, struct buf *out)
{
	struct mail_received r = {
		.trace = c->trace,
		.company = c->company,
		.from_domain = "example.com",
		.by = host,
		.ehlo = span_text(c->ehlo),
		.address = c->address,
		.protocol = "ESMTPSA",
		.id = "01ABC",
		.unix_ms = NOW,
	};

	mail_received_format(&r, out);
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf out = { 0 };

		print_message("%s\n", cases[i].name);
		format(&cases[i], "relay.example.com", &out);
		assert_span_text(buf_span(&out), cases[i].out);
		buf_fini(&out);
	}
}

/* One field: every line but the first begins with white space, and none is longer than `most`. */
static void assert_one_field(struct span text, size_t most)
{
	assert_true(span_istarts(text, "Received: "));
	for (bool is_first = true; text.len; is_first = false) {
		size_t end = span_find(text, '\n');

		assert_true(end < text.len && end > 1 && text.at[end - 1] == '\r');
		assert_true(end - 1 <= most);
		assert_true(is_first || text.at[0] == '\t');
		for (size_t i = is_first ? 0 : 1; i + 1 < end; i++)
			assert_true(text.at[i] >= ' ' && text.at[i] < 127);
		text = span_from(text, end + 1);
	}
}

static void fill(char *text, size_t size, const char *with)
{
	for (size_t i = 0; i + 1 < size; i++)
		text[i] = with[i % strlen(with)];
	text[size - 1] = '\0';
}

static void test_long_values(void **state)
{
	static const struct {
		const char *with;
		size_t most;
	} fills[] = {
		{ "Words of a company ", 78 },
		{ "\xC3\xBC", 78 },
		{ "\xE5\xA4\xA7", 78 },
		{ "\xF0\x9F\x93\xAE", 78 },
		{ "x", 998 },
		{ "(", 998 },
		{ "\\ ) ", 78 },
		{ "\r\nX-Evil: y", 998 },
		{ "\xFF", 998 },
	};
	char text[3001];

	(void)state;
	for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
		struct received_case c = { "", MAIL_TRACE_COMPANY, text, text, "192.0.2.7", "" };
		struct buf out = { 0 };

		fill(text, sizeof(text), fills[i].with);
		format(&c, "relay.example.com", &out);
		assert_one_field(buf_span(&out), fills[i].most);
		buf_clear(&out);
		c.trace = MAIL_TRACE_FULL;
		format(&c, text, &out);
		assert_one_field(buf_span(&out), 998);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_long_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
