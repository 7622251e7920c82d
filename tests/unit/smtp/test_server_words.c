/* The words of refusals: what strict clients read in them, and what their users do. */
#include "test.h"

#include "dialogue.h"

#include <stdio.h>

static const char footer[] = "Help: https://help.example.com/mail or +49 30 1234567";

static void answer(struct session *s, const char *say, int code, const char *words)
{
	struct smtp_reply reply = { code, { (uint8_t)(code / 100), 1, 0 }, span_text(words) };
	struct span in = span_text(say);
	struct smtp_event ev;

	session_forget(s);
	smtp_server_feed(s->srv, in);
	while (smtp_server_next(s->srv, &ev) == SMTP_EVENT_BODY_CHUNK)
		;
	assert_true(ev.ticket);
	smtp_server_answer(s->srv, ev.ticket, &reply);
	session_feed(s, span_from(in, in.len - smtp_server_left(s->srv)));
}

static void logged_in(struct session *s, const char *with_footer)
{
	struct smtp_server_conf conf = session_conf();

	conf.offers_utf8 = true;
	conf.footer = with_footer;
	conf.errors = 1000;
	session_start(s, &conf);
	session_log_in(s);
}

#define U "\303\274"

/* Eudora takes the recipient at fault out of the text. */
static void names_the_recipient(void **state)
{
	static const struct {
		const char *mail, *rcpt;
		int code;
		const char *words, *line;
	} cases[] = {
		{ MAIL_OK, RCPT_OK, 550, "Nobody there",
		  "550 5.1.0 <b@example.net>: Nobody there" },
		{ MAIL_OK, "RCPT TO: b@example.net\r\n", 450, "Later",
		  "450 4.1.0 <b@example.net>: Later" },
		{ MAIL_OK, RCPT_OK, 550, "Nobody is <b@example.net> here",
		  "550 5.1.0 Nobody is <b@example.net> here" },
		{ MAIL_OK, RCPT_OK, 550, "Not <b@example.net.x>",
		  "550 5.1.0 <b@example.net>: Not <b@example.net.x>" },
		{ MAIL_OK, "RCPT TO:<\"a>b\"@c>\r\n", 550, "No", "550 5.1.0 <\"a>b\"@c>: No" },
		{ "MAIL FROM:<> SMTPUTF8\r\n", "RCPT TO:<" U "@b>\r\n", 550, "No",
		  "550 5.1.0 <" U "@b>: No" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf expected = { 0 };
		struct session s;

		logged_in(&s, "");
		session_feed(&s, span_text(cases[i].mail));
		answer(&s, cases[i].rcpt, cases[i].code, cases[i].words);
		buf_printf(&expected, "%s (ref 7F-1)\r\n", cases[i].line);
		buf_put_char(&expected, 0);
		assert_span_text(buf_span(&s.output), (const char *)buf_span(&expected).at);
		buf_fini(&expected);
		session_end(&s);
	}
}

/* The engine's own refusals name it too, whatever they are about; 421 is about the session. */
static void names_the_recipient_itself(void **state)
{
	static const struct {
		const char *say, *words;
	} cases[] = {
		{ "RCPT TO:<b@c>\r\n", "503 5.5.1 <b@c>: " },
		{ "RCPT TO: b@c NOTIFY=\r\n", "503 5.5.1 <b@c>: " },
		{ MAIL_OK "RCPT TO:<b@c> BY=1\r\n", "555 5.5.4 <b@c>: The parameter BY is" },
		{ MAIL_OK "RCPT TO:<b@c> NOTIFY=X\r\n", "501 5.5.4 <b@c>: " },
		{ MAIL_OK "RCPT TO:<@x:b@c>\r\n", "550 5.1.3 <@x:b@c>: " },
		{ MAIL_OK "RCPT TO:<b@c\r\n", "501 5.1.3 <b@c>: " },
		{ MAIL_OK "RCPT TO:<b@>\r\n", "501 5.1.3 <b@>: " },
		{ MAIL_OK "RCPT TO:<b c@d>\r\n", "501 5.1.3 <b>: " },
		{ MAIL_OK "RCPT TO:<>\r\n", "501 5.1.3 An empty address" },
		{ MAIL_OK "RCPT TO:<" U "@c>\r\n", "553 5.6.7 An address with" }, /* not in ASCII */
		{ "MAIL FROM:<> SMTPUTF8\r\nRCPT TO:<" U "@" U "..de>\r\n",
		  "501 5.1.3 <" U "@" U "..de>: " },
		{ MAIL_OK RCPT_OK "BDAT 1\r\nxRCPT TO:<b@c>\r\n", "503 5.5.1 <b@c>: " },
		{ MAIL_OK RCPT_OK RCPT_OK RCPT_OK RCPT_OK RCPT_OK "RCPT TO:<b@c>\r\n",
		  "452 4.5.3 <b@c>: Too many recipients" },
		{ "MAIL FROM:<a@b> BY=1\r\n", "555 5.5.4 <a@b>: " },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session s;

		logged_in(&s, "");
		session_feed(&s, span_text(cases[i].say));
		buf_put_char(&s.output, 0);
		if (!strstr((const char *)buf_span(&s.output).at, cases[i].words))
			fail_msg("%s: %s", cases[i].say, buf_span(&s.output).at);
		session_end(&s);
	}
}

static void stands_behind_every_refusal(void **state)
{
	struct session s;

	(void)state;
	logged_in(&s, footer);
	session_feed(&s, span_text("FOO\r\n" MAIL_OK));
	assert_span_text(buf_span(&s.output),
			 "500 5.5.2 Command not recognised; HELP lists the commands. Help: "
			 "https://help.example.com/mail or +49 30 1234567 (ref 7F-1)\r\n"
			 "250 2.1.0 Sender accepted\r\n");
	answer(&s, RCPT_OK, 550, "Nobody there!");
	assert_span_text(buf_span(&s.output),
			 "550 5.1.0 <b@example.net>: Nobody there! Help: "
			 "https://help.example.com/mail or +49 30 1234567 (ref 7F-2)\r\n");
	answer(&s, RCPT_OK, 421, "Over.");
	assert_span_text(buf_span(&s.output),
			 "421 4.1.0 Over. Help: https://help.example.com/mail or "
			 "+49 30 1234567 (ref 7F-3)\r\n");
	session_end(&s);
}

/* One line of 512 octets at most, whose address and reference are whole, whatever the lengths; and
 * the words too, where they are as long as ours. */
static void never_longer_than_a_line(void **state)
{
	char words[600], rcpt[300];

	(void)state;
	for (int length = 0; length < 600; length += 7) {
		struct session s;
		struct span out;

		memset(words, 'w', sizeof(words));
		words[length] = 0;
		snprintf(rcpt, sizeof(rcpt), "RCPT TO:<%064d@%0*d>\r\n", 1, 1 + length % 60, 1);
		logged_in(&s, footer);
		session_feed(&s, span_text(MAIL_OK));
		answer(&s, rcpt, 550, words);
		out = buf_span(&s.output);
		assert_in_range(out.len, 30, 512);
		assert_int_equal(span_find(out, '\n'), out.len - 1);
		assert_true(span_eq(span_from(out, out.len - 13), span_text(" (ref 7F-1)\r\n")));
		assert_non_null(memmem(out.at, out.len, rcpt + 8, strlen(rcpt) - 10));
		if (length < 300)
			assert_non_null(memmem(out.at, out.len, words, (size_t)length));
		session_end(&s);
	}
}

/* The footer gives way to the reason, and is whole or not there. */
static void footer_gives_way(void **state)
{
	/* What is left of a line behind "550 5.1.0 ", ". ", " (ref 7F-1)" and CRLF. */
	const int room = 512 - 10 - 2 - 11 - 2 - (int)strlen(footer);
	char words[512];

	(void)state;
	for (int length = 1; length < 480; length++) {
		struct session s;
		struct span out;
		bool is_there;

		memset(words, 'w', sizeof(words));
		words[length] = 0;
		logged_in(&s, footer);
		answer(&s, MAIL_OK, 550, words);
		out = buf_span(&s.output);
		is_there = memmem(out.at, out.len, footer, strlen(footer)) != NULL;
		assert_true(is_there || !memmem(out.at, out.len, "Help", 4));
		assert_non_null(memmem(out.at, out.len, words, (size_t)length));
		if (length <= room - 4 || length > room)
			assert_int_equal(is_there, length <= room);
		session_end(&s);
	}
}

/* smtplib takes nothing else for success. */
static void success_is_250(void **state)
{
	struct session s;

	(void)state;
	logged_in(&s, footer);
	answer(&s, MAIL_OK, 251, "Fine");
	assert_span_text(buf_span(&s.output), "250 2.1.0 Fine\r\n");
	answer(&s, RCPT_OK, 251, "Fine");
	assert_span_text(buf_span(&s.output), "251 2.1.0 Fine\r\n");
	session_feed(&s, span_text("DATA\r\n"));
	answer(&s, "x\r\n.\r\n", 252, "Fine");
	assert_span_text(buf_span(&s.output), "250 2.1.0 Fine\r\n");
	session_feed(&s, span_text(MAIL_OK RCPT_OK));
	answer(&s, "BDAT 1\r\nx", 354, "Unseen");
	assert_span_text(buf_span(&s.output), "250 2.0.0 1 octets\r\n");
	answer(&s, "BDAT 0 LAST\r\n", 252, "Fine");
	assert_span_text(buf_span(&s.output), "250 2.1.0 Fine\r\n");
	session_end(&s);
}

/* What is said to MAIL before a login says what to do, and why the last one failed. */
static void tells_a_stranger_what_to_do(void **state)
{
	static const struct {
		const char *login, *words;
	} cases[] = {
		{ "", "530 5.7.0 Log in to send mail: turn on authentication" },
		{ "AUTH PLAIN AGFsaWNlAHdyb25n\r\n",
		  "530 5.7.0 Log in to send mail; the last login failed: Name or password not" },
		{ "AUTH PLAIN AGFsaWNlAGJ1c3k=\r\n",
		  "530 5.7.0 Log in to send mail; the last login failed: Try again in a minute" },
		{ "AUTH PLAIN x\r\n",
		  "530 5.7.0 Log in to send mail; the last login failed: The login is not valid" },
		{ "AUTH NTLM\r\n",
		  "530 5.7.0 Log in to send mail; the last login failed: This way of "
		  "logging in is not offered; use one of: PLAIN LOGIN" },
		{ "AUTH LOGIN\r\n!\r\n",
		  "530 5.7.0 Log in to send mail; the last login failed: The login is not valid" },
		{ "AUTH PLAIN AGFsaWNlAHdyb25n\r\nAUTH LOGIN\r\n*\r\n",
		  "530 5.7.0 Log in to send mail; the last login failed: Name or password not" },
		{ "AUTH PLAIN AGFsaWNlAHdyb25n\r\nEHLO again\r\n",
		  "530 5.7.0 Log in to send mail; the last login failed: Name or password not" },
		{ "AUTH NTLM\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\n",
		  "530 5.7.0 Log in to send mail; the last login failed: Name or password not" },
	};
	struct smtp_server_conf conf = session_conf();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct session s;

		session_start(&s, &conf);
		session_feed(&s, span_text("EHLO c\r\n"));
		session_feed(&s, span_text(cases[i].login));
		session_forget(&s);
		session_feed(&s, span_text(MAIL_OK));
		if (!span_istarts(buf_span(&s.output), cases[i].words))
			fail_msg("%s: %.*s", cases[i].login, (int)s.output.len,
				 buf_span(&s.output).at);
		session_feed(&s, span_text("AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n"));
		session_forget(&s);
		session_feed(&s, span_text(MAIL_OK));
		assert_span_text(buf_span(&s.output), "250 2.1.0 Sender accepted\r\n");
		session_end(&s);
	}
}

static void tells_of_tls_first(void **state)
{
	static const struct {
		bool has_starttls;
		const char *command, *text;
		const char *with_port; /* behind it */
	} cases[] = {
		{ true, "MAIL FROM:<a@b>\r\n",
		  "530 5.7.0 Turn on TLS and log in with your name and password: use STARTTLS on "
		  "this port",
		  ", or SSL/TLS on port 4650" },
		{ true, "AUTH PLAIN\r\n",
		  "538 5.7.11 No login without encryption: use STARTTLS on this port",
		  ", or SSL/TLS on port 4650" },
		{ false, "STARTTLS\r\n", "502 5.5.1 STARTTLS is not offered here",
		  "; use SSL/TLS on port 4650" },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		bool has_port = i & 1;
		struct smtp_server_conf conf = session_conf();
		struct session s;
		char want[256];

		conf.is_tls = false;
		conf.starttls_offered = cases[i / 2].has_starttls;
		conf.tls_port = has_port ? 4650 : 0;
		session_start(&s, &conf);
		session_feed(&s, span_text("EHLO c\r\n"));
		session_forget(&s);
		session_feed(&s, span_text(cases[i / 2].command));
		snprintf(want, sizeof(want), "%s%s (ref 7F-1)\r\n", cases[i / 2].text,
			 has_port ? cases[i / 2].with_port : "");
		assert_span_text(buf_span(&s.output), want);
		session_end(&s);
	}
}

static void tells_who_begins_tls_too_early(void **state)
{
	static const struct {
		unsigned port;
		const char *line;
	} cases[] = {
		{ 0, "530 5.7.0 TLS was begun without STARTTLS; set the mail program to STARTTLS "
		     "(ref 7F-1)\r\n" },
		{ 4650, "530 5.7.0 TLS was begun without STARTTLS; set the mail program to "
			"STARTTLS, or to SSL/TLS on port 4650 (ref 7F-1)\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct smtp_server_conf conf = session_conf();
		struct session s;

		conf.is_tls = false;
		conf.starttls_offered = true;
		conf.tls_port = cases[i].port;
		session_start(&s, &conf);
		session_forget(&s);
		session_feed(&s, span_text("\x16\x03\x01"));
		assert_span_text(buf_span(&s.output), cases[i].line);
		session_end(&s);
	}
}

/* A reason of any length is kept within bounds, and the line that repeats it is one. */
static void keeps_a_bounded_reason(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct smtp_reply reply = { 535, { 5, 7, 8 }, { NULL, 0 } };
	char words[1000];
	struct smtp_event ev;
	struct session s;

	(void)state;
	memset(words, 'w', sizeof(words));
	reply.text = span_of(words, sizeof(words));
	conf.footer = footer;
	session_start(&s, &conf);
	session_feed(&s, span_text("EHLO c\r\n"));
	smtp_server_feed(s.srv, span_text("AUTH PLAIN AGFsaWNlAHdyb25n\r\n"));
	assert_int_equal(smtp_server_next(s.srv, &ev), SMTP_EVENT_AUTH);
	smtp_server_answer(s.srv, ev.ticket, &reply);
	session_feed(&s, span_text(""));
	session_forget(&s);
	session_feed(&s, span_text(MAIL_OK));
	assert_in_range(s.output.len, 200, 400);
	assert_true(span_eq(span_from(buf_span(&s.output), s.output.len - 13),
			    span_text(" (ref 7F-2)\r\n")));
	session_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_the_recipient),
		cmocka_unit_test(names_the_recipient_itself),
		cmocka_unit_test(stands_behind_every_refusal),
		cmocka_unit_test(never_longer_than_a_line),
		cmocka_unit_test(footer_gives_way),
		cmocka_unit_test(success_is_250),
		cmocka_unit_test(tells_a_stranger_what_to_do),
		cmocka_unit_test(tells_of_tls_first),
		cmocka_unit_test(tells_who_begins_tls_too_early),
		cmocka_unit_test(keeps_a_bounded_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
