/* What a table of dialogues tells badly: amounts, and what must hold whatever the peer says. */
#include "client_dialogue.h"

#include "test.h"

static size_t count_lines(struct span text, const char *prefix)
{
	size_t n = 0;

	while (text.len) {
		n += span_istarts(text, prefix);
		text = span_from(text, span_find(text, '\n') + 1);
	}
	return n;
}

/* A thousand recipients: never more than a hundred commands ahead of the replies, every verdict at
 * its place, DATA once and last. */
static void test_window(void **state)
{
	struct run r;
	size_t sent = 0, answered = 0;
	struct buf expected = { 0 };

	(void)state;
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "PIPELINING");
	run_message(&r, "1000");
	run_turn(&r);
	while (answered < 1002) {
		sent += count_lines(buf_span(&r.output), "");
		assert_true(sent > answered && sent - answered <= 100);
		assert_true(count_lines(buf_span(&r.output), "DATA") ==
			    (sent == 1002 && r.output.len));
		buf_clear(&r.output);
		answered++;
		if (answered == 1)
			run_feed(&r, span_text("250 ok\r\n"));
		else if (answered == 1002)
			run_feed(&r, span_text("354 ok\r\n"));
		else
			run_feed(&r, span_text(answered % 3 ? "250 ok\r\n" : "450 no\r\n"));
	}
	for (size_t i = 0; i < 1000; i++)
		buf_printf(&expected, "RCPT %zu %s\n", i, (i + 2) % 3 ? "250 ok" : "450 no");
	buf_put_text(&expected, "SEND_BODY\n");
	assert_true(span_eq(buf_span(&r.events), buf_span(&expected)));
	buf_fini(&expected);
	run_end(&r);
}

/* MAIL refused: what has not been sent yet is not sent any more. */
static void test_window_after_refusal(void **state)
{
	struct run r;

	(void)state;
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "PIPELINING");
	run_message(&r, "1000");
	run_turn(&r);
	assert_int_equal(count_lines(buf_span(&r.output), ""), 100);
	buf_clear(&r.output);
	run_feed(&r, span_text("550 no\r\n"));
	for (int i = 0; i < 99; i++)
		run_feed(&r, span_text("503 no\r\n"));
	assert_span_text(buf_span(&r.events), "RESULT 550 no (before)\nREADY\n");
	assert_int_equal(r.output.len, 0);
	run_end(&r);
}

static void test_long_initial_response(void **state)
{
	/* "AUTH PLAIN " + base64 + CRLF is 512 octets with 372 octets of response, and over it with
	 * one more. */
	unsigned char response[375];
	struct span initial = span_of(response, 372);
	struct run r;

	(void)state;
	memset(response, 'a', sizeof(response));
	run_begin(&r, SMTP_CLIENT_TLS_IMPLICIT, true, "AUTH PLAIN");
	smtp_client_login(r.cl, "PLAIN", &initial);
	run_turn(&r);
	assert_int_equal(r.output.len, 509);
	run_end(&r);

	initial.len = 375;
	run_begin(&r, SMTP_CLIENT_TLS_IMPLICIT, true, "AUTH PLAIN");
	smtp_client_login(r.cl, "PLAIN", &initial);
	run_turn(&r);
	assert_span_text(buf_span(&r.output), "AUTH PLAIN\r\n");
	buf_clear(&r.output);
	run_feed(&r, span_text("334 \r\n"));
	assert_int_equal(r.output.len, 502);
	run_feed(&r, span_text("235 ok\r\n"));
	assert_span_text(buf_span(&r.events), "READY\n");
	run_end(&r);
}

static void test_offers(void **state)
{
	struct smtp_client_offers none = { 0 };
	const struct smtp_client_offers *o;
	struct run r;

	(void)state;
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "size 18446744073709551616");
	o = smtp_client_offers(r.cl);
	assert_true(o->size && o->size_octets == 0);
	run_end(&r);
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "SIZE 35882577");
	o = smtp_client_offers(r.cl);
	assert_true(o->size && o->size_octets == 35882577);
	assert_false(o->pipelining || o->eightbitmime || o->starttls || o->auth || o->smtputf8);
	run_end(&r);
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "PIPELININGS");
	assert_memory_equal(smtp_client_offers(r.cl), &none, sizeof(none));
	run_end(&r);
}

/* What is told of LIMITS and the other extensions, also in odd forms. */
static void test_odd_offers(void **state)
{
	static const struct {
		const char *lines;
		struct smtp_client_offers offers;
	} cases[] = {
		{ "CHUNKING,BINARYMIME,REQUIRETLS",
		  { .chunking = true, .binarymime = true, .require_tls = true } },
		{ "chunking  ,\tBinaryMime x y,REQUIRETLSX",
		  { .chunking = true, .binarymime = true } },
		{ "LIMITS MAILMAX=10 RCPTMAX=20 RCPTDOMAINMAX=5",
		  { .mail_most = 10, .rcpt_most = 20, .rcpt_domains_most = 5 } },
		{ "limits rcptmax=999999\tmailmax=1", { .mail_most = 1, .rcpt_most = 999999 } },
		{ "LIMITS RCPTMAX=0 MAILMAX=1000000 RCPTDOMAINMAX=x", { .mail_most = 0 } },
		{ "LIMITS RCPTMAX MAILMAX= =5 RCPTMAX==7 OTHER=3 RCPTMAX=-1 MAILMAX=1x,LIMITS",
		  { .mail_most = 0 } },
		{ "LIMITS RCPTMAX=7 RCPTMAX=99999999999999999999,LIMITS RCPTMAX=5,LIMITS RCPTMAX=6",
		  { .rcpt_most = 5 } },
		{ "LIMITS=RCPTMAX=3", { .rcpt_most = 3 } },
		{ "SIZE=1000", { .size = true, .size_octets = 1000 } },
		{ "SIZE\t2000", { .size = true, .size_octets = 2000 } },
		{ "SIZE 10 20", { .size = true, .size_octets = 10 } },
		{ "AUTH=LOGIN,AUTH PLAIN login", { .auth = true, .mechanisms = "LOGIN PLAIN" } },
		{ "=,  ,-,8BITMIME=,DSN\x80", { .eightbitmime = true } },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run r;

		run_begin(&r, SMTP_CLIENT_TLS_NONE, false, cases[i].lines);
		if (memcmp(smtp_client_offers(r.cl), &cases[i].offers, sizeof(cases[i].offers)) !=
		    0)
			fail_msg("%s", cases[i].lines);
		run_end(&r);
	}
}

static void test_distrusted_chunking(void **state)
{
	struct smtp_client_conf conf = { .ehlo_name = "relay", .distrusts_chunking = true };
	struct run r = { .cl = smtp_client_new(&conf) };

	(void)state;
	run_feed(&r, span_text("220 mx\r\n"));
	run_feed(&r, span_text("250-mx\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250 DSN\r\n"));
	assert_false(smtp_client_offers(r.cl)->chunking || smtp_client_offers(r.cl)->binarymime);
	assert_true(smtp_client_offers(r.cl)->dsn);
	run_end(&r);
}

/* The end of the message is written but not sent: it cannot have been taken. */
static void test_lost_before_the_end_is_sent(void **state)
{
	struct run r;

	(void)state;
	for (size_t unsent = 0; unsent <= 3; unsent++) {
		run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "PIPELINING");
		run_message(&r, "1");
		run_turn(&r);
		run_feed(&r, span_text("250 ok\r\n250 ok\r\n354 go\r\n"));
		smtp_client_body_end(r.cl);
		smtp_client_sent(r.cl, 3 - unsent);
		assert_int_equal(smtp_client_lost(r.cl), unsent == 0);
		assert_int_equal(smtp_client_output(r.cl).len, 0);
		run_end(&r);
	}
}

/* A reply of any size costs no more than its cap. */
static void test_endless_replies(void **state)
{
	static const char *const parts[] = { "x", "250-x\r\n", "220-\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		struct smtp_client_conf conf = { .ehlo_name = "relay",
						 .tls = SMTP_CLIENT_TLS_NONE,
						 .login = false };
		struct run r = { .cl = smtp_client_new(&conf) };
		size_t fed = 0;

		while (r.events.len == 0 && fed <= 100000) {
			run_feed(&r, span_text(parts[i]));
			fed += strlen(parts[i]);
		}
		assert_span_text(buf_span(&r.events), "LOST: reading what is no SMTP reply\n");
		run_feed(&r, span_text("220 mx\r\n"));
		assert_int_equal(r.output.len, 0);
		run_end(&r);
	}
}

static void test_long_text_is_cut(void **state)
{
	struct run r;
	struct span text;

	(void)state;
	run_begin(&r, SMTP_CLIENT_TLS_NONE, false, "X");
	run_message(&r, "1");
	run_turn(&r);
	for (int i = 0; i < 50; i++)
		run_feed(&r,
			 span_text(
				 "550-5.1.1 "
				 "0123456789012345678901234567890123456789012345678901234567\r\n"));
	run_feed(&r, span_text("550 end\r\n"));
	text = buf_span(&r.events);
	assert_true(span_istarts(text, "RESULT 550 5.1.1 0123456789"));
	text = span_first(text, span_find(text, '\n'));
	assert_int_equal(text.len, strlen("RESULT 550 5.1.1 ") + 1000 + strlen(" (before)"));
	run_end(&r);
}

/* With STARTTLS required, whatever the peer answers: EHLO, STARTTLS and QUIT are all that is ever
 * said in plain text. */
static void test_plain_text(void **state)
{
	static const int codes[] = {
		200, 220, 221, 235, 250, 334, 354, 421, 450, 500, 501, 530, 554
	};
	const size_t n = sizeof(codes) / sizeof(codes[0]);

	(void)state;
	for (size_t i = 0; i < n * n * n * 3; i++) {
		struct smtp_client_conf conf = { .ehlo_name = "relay",
						 .tls = SMTP_CLIENT_TLS_STARTTLS,
						 .login = true };
		struct run r = { .cl = smtp_client_new(&conf) };
		size_t pick[3] = { i / 3 % n, i / 3 / n % n, i / 3 / n / n };
		struct buf reply = { 0 };
		struct span out;

		for (int step = 0; step < 3; step++) {
			buf_clear(&reply);
			buf_printf(&reply, "%d", codes[pick[step]]);
			if (step == 1 && i % 3 == 1)
				buf_printf(&reply, "-mx\r\n%d STARTTLS", codes[pick[step]]);
			else if (step == 1 && i % 3 == 2)
				buf_printf(&reply, "-mx\r\n%d AUTH PLAIN", codes[pick[step]]);
			buf_put_text(&reply, "\r\n");
			run_feed(&r, buf_span(&reply));
		}
		for (out = buf_span(&r.output); out.len;
		     out = span_from(out, span_find(out, '\n') + 1))
			assert_true(span_istarts(out, "EHLO relay\r\n") ||
				    span_istarts(out, "STARTTLS\r\n") ||
				    span_istarts(out, "QUIT\r\n"));
		buf_fini(&reply);
		run_end(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_window_after_refusal),
		cmocka_unit_test(test_long_initial_response),
		cmocka_unit_test(test_offers),
		cmocka_unit_test(test_odd_offers),
		cmocka_unit_test(test_distrusted_chunking),
		cmocka_unit_test(test_lost_before_the_end_is_sent),
		cmocka_unit_test(test_endless_replies),
		cmocka_unit_test(test_long_text_is_cut),
		cmocka_unit_test(test_plain_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
