#include "test.h"

#include "session.h"

static struct smtp_reply say(int code, const char *text)
{
	return (struct smtp_reply){ code, { (uint8_t)(code / 100), 0, 0 }, span_text(text) };
}

static void answer(struct smtp_server *srv, unsigned ticket, int code, const char *text)
{
	struct smtp_reply reply = say(code, text);

	smtp_server_answer(srv, ticket, &reply);
}

static void assert_output(struct smtp_server *srv, const char *text)
{
	struct span out = smtp_server_output(srv);

	assert_span_text(out, text);
	smtp_server_sent(srv, out.len);
}

static unsigned expect(struct smtp_server *srv, enum smtp_event_type type)
{
	struct smtp_event ev;

	assert_int_equal(smtp_server_next(srv, &ev), type);
	assert_int_equal(ev.type, type);
	return ev.ticket;
}

static void expect_close(struct smtp_server *srv, int code)
{
	struct smtp_event ev;

	while (smtp_server_next(srv, &ev) == SMTP_EVENT_REFUSED)
		;
	assert_int_equal(ev.type, SMTP_EVENT_CLOSE);
	assert_int_equal(ev.code, code);
	assert_int_equal(smtp_server_next(srv, &ev), SMTP_EVENT_MORE);
	assert_int_equal(smtp_server_phase(srv), SMTP_PHASE_CLOSED);
	smtp_server_feed(srv, span_text("EHLO x\r\n"));
	assert_int_equal(smtp_server_next(srv, &ev), SMTP_EVENT_MORE);
	assert_int_equal(smtp_server_left(srv), 0);
}

/* Logged in, with a MAIL accepted. */
static void open_mail(struct session *s)
{
	struct smtp_server_conf conf = session_conf();

	conf.recipients = 1000;
	session_start(s, &conf);
	session_log_in(s);
	session_feed(s, span_text("MAIL FROM:<a@example.com>\r\n"));
	session_forget(s);
}

static void replies_in_order(void **state)
{
	struct session s;
	unsigned ticket[3];

	(void)state;
	open_mail(&s);
	smtp_server_feed(s.srv, span_text("RCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nRCPT TO:<@\r\n"
					  "RCPT TO:<e@f>\r\nNOOP\r\n"));
	for (int i = 0; i < 3; i++)
		ticket[i] = expect(s.srv, SMTP_EVENT_RCPT);
	expect(s.srv, SMTP_EVENT_WAIT);
	assert_int_equal(smtp_server_phase(s.srv), SMTP_PHASE_ANSWER);
	answer(s.srv, ticket[2], 250, "third");
	assert_output(s.srv, "");
	answer(s.srv, ticket[0], 550, "first");
	assert_output(s.srv, "550 5.0.0 <a@b>: first (ref 7F-2)\r\n");
	expect(s.srv, SMTP_EVENT_REFUSED);
	expect(s.srv, SMTP_EVENT_WAIT);
	answer(s.srv, ticket[1], 250, "second");
	assert_output(s.srv, "250 2.0.0 second\r\n"
			     "501 5.1.3 <@>: The address has no > at its end; write "
			     "<name@example.com> (ref 7F-1)\r\n"
			     "250 2.0.0 third\r\n");
	expect(s.srv, SMTP_EVENT_REFUSED);
	expect(s.srv, SMTP_EVENT_MORE);
	assert_output(s.srv, "250 2.0.0 Here\r\n");
	session_end(&s);
}

/* What is left may be fed again from elsewhere, with more behind it, also when the line that waits
 * came in two parts. */
static void left_octets_come_again(void **state)
{
	struct session s;
	char first[] = "RCPT TO:<a@b>\r\nRSET\r\nNO";
	unsigned ticket;

	(void)state;
	open_mail(&s);
	smtp_server_feed(s.srv, span_text(first));
	ticket = expect(s.srv, SMTP_EVENT_RCPT);
	expect(s.srv, SMTP_EVENT_WAIT);
	assert_int_equal(smtp_server_left(s.srv), 8);
	memset(first, 'X', sizeof(first));
	smtp_server_feed(s.srv, span_text("RSET\r\nNOOP\r\n"));
	expect(s.srv, SMTP_EVENT_WAIT);
	assert_int_equal(smtp_server_left(s.srv), 12);
	answer(s.srv, ticket, 250, "yes");
	expect(s.srv, SMTP_EVENT_MORE);
	smtp_server_feed(s.srv, span_text("RSET\r\nNOOP\r\n"));
	expect(s.srv, SMTP_EVENT_RESET);
	expect(s.srv, SMTP_EVENT_MORE);
	assert_output(s.srv, "250 2.0.0 yes\r\n250 2.0.0 Ready for a new message\r\n"
			     "250 2.0.0 Here\r\n");
	session_end(&s);
}

static void waiting_line_in_parts(void **state)
{
	struct session s;
	unsigned ticket;

	(void)state;
	open_mail(&s);
	smtp_server_feed(s.srv, span_text("RCPT TO:<a@b>\r\nNO"));
	ticket = expect(s.srv, SMTP_EVENT_RCPT);
	expect(s.srv, SMTP_EVENT_MORE);
	smtp_server_feed(s.srv, span_text("OP\r\nRSET\r\n"));
	expect(s.srv, SMTP_EVENT_WAIT);
	assert_int_equal(smtp_server_left(s.srv), 6);
	answer(s.srv, ticket, 250, "yes");
	smtp_server_feed(s.srv, span_text("RSET\r\n"));
	expect(s.srv, SMTP_EVENT_RESET);
	expect(s.srv, SMTP_EVENT_MORE);
	assert_output(s.srv, "250 2.0.0 yes\r\n250 2.0.0 Here\r\n"
			     "250 2.0.0 Ready for a new message\r\n");
	session_end(&s);
}

static void bounds_open_recipients(void **state)
{
	struct session s;
	struct buf in = { 0 };
	unsigned first = 0, got = 0;
	struct smtp_event ev;

	(void)state;
	open_mail(&s);
	for (int i = 0; i < 1000; i++)
		buf_put_text(&in, "RCPT TO:<a@b>\r\n");
	smtp_server_feed(s.srv, buf_span(&in));
	while (smtp_server_next(s.srv, &ev) == SMTP_EVENT_RCPT) {
		first = first ? first : ev.ticket;
		got++;
	}
	assert_int_equal(ev.type, SMTP_EVENT_WAIT);
	assert_int_equal(got, 100);
	for (unsigned i = 0; i < 1000; i++) {
		answer(s.srv, first + i, 250, "yes");
		smtp_server_next(s.srv, &ev);
	}
	assert_int_equal(ev.type, SMTP_EVENT_MORE);
	assert_int_equal(smtp_server_output(s.srv).len, 1000 * strlen("250 2.0.0 yes\r\n"));
	buf_fini(&in);
	session_end(&s);
}

static void nothing_behind_data(void **state)
{
	static const char rcpt[] = "RCPT TO:<a@b>\r\n";
	struct session s;
	unsigned ticket;

	(void)state;
	open_mail(&s);
	session_feed(&s, span_text(rcpt));
	session_forget(&s);
	session_feed(&s, span_text("DATA\r\nx\r\n.\r\n"));
	assert_span_text(buf_span(&s.events), "REFUSED DATA 503 #1 | CLOSE 503");
	assert_int_equal(s.content.len, 0);
	session_end(&s);

	open_mail(&s);
	session_feed(&s, span_text(rcpt));
	smtp_server_feed(s.srv, span_text("DATA\r\n"));
	ticket = expect(s.srv, SMTP_EVENT_BODY_BEGIN);
	expect(s.srv, SMTP_EVENT_WAIT);
	smtp_server_feed(s.srv, span_text("x"));
	expect_close(s.srv, 503);
	answer(s.srv, ticket, 354, "go");
	assert_output(s.srv, "503 5.5.1 Wait for the reply to DATA before the message (ref 7F-1)"
			     "\r\n");
	session_end(&s);
}

static struct smtp_server *new_plain(void)
{
	struct smtp_server_conf conf = session_conf();
	struct smtp_server *srv;

	conf.is_tls = false;
	conf.starttls_offered = true;
	srv = smtp_server_new(&conf);
	smtp_server_greet(srv, NULL);
	smtp_server_sent(srv, smtp_server_output(srv).len);
	return srv;
}

static void nothing_behind_starttls(void **state)
{
	struct smtp_server *srv = new_plain();
	unsigned ticket;

	(void)state;
	smtp_server_feed(srv, span_text("STARTTLS\r\nEHLO injected\r\n"));
	expect_close(srv, 0);
	assert_output(srv, "");
	smtp_server_free(&srv);

	srv = new_plain();
	smtp_server_feed(srv, span_text("STARTTLS\r\nR"));
	expect_close(srv, 0);
	assert_output(srv, "");
	smtp_server_free(&srv);

	srv = new_plain();
	smtp_server_feed(srv, span_text("STARTTLS\r\n"));
	ticket = expect(srv, SMTP_EVENT_STARTTLS);
	expect(srv, SMTP_EVENT_WAIT);
	smtp_server_feed(srv, span_text("x"));
	expect_close(srv, 0);
	answer(srv, ticket, 220, "go");
	smtp_server_tls_started(srv);
	assert_output(srv, "");
	smtp_server_free(&srv);

	srv = new_plain();
	smtp_server_feed(srv, span_text("STARTTLS\r\n"));
	answer(srv, expect(srv, SMTP_EVENT_STARTTLS), 220, "go");
	expect(srv, SMTP_EVENT_MORE);
	smtp_server_feed(srv, span_text("\x16\x03\x01"));
	expect_close(srv, 0);
	assert_output(srv, "");
	smtp_server_free(&srv);
}

static void starttls_refused_goes_on(void **state)
{
	struct smtp_server *srv = new_plain();

	(void)state;
	smtp_server_feed(srv, span_text("STARTTLS\r\n"));
	answer(srv, expect(srv, SMTP_EVENT_STARTTLS), 454, "no certificate");
	expect(srv, SMTP_EVENT_REFUSED);
	smtp_server_feed(srv, span_text("NOOP\r\n"));
	expect(srv, SMTP_EVENT_MORE);
	assert_output(srv, "454 4.0.0 no certificate (ref 7F-1)\r\n250 2.0.0 Here\r\n");
	smtp_server_free(&srv);
}

static void bounds_output(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct smtp_server *srv;
	struct buf in = { 0 };

	(void)state;
	conf.output_octets = 1000;
	srv = smtp_server_new(&conf);
	smtp_server_greet(srv, NULL);
	for (int i = 0; i < 1000; i++)
		buf_put_text(&in, "NOOP\r\n");
	smtp_server_feed(srv, buf_span(&in));
	expect(srv, SMTP_EVENT_WAIT);
	assert_in_range(smtp_server_output(srv).len, 1001, 1100);
	assert_true(smtp_server_left(srv) > 5000);
	smtp_server_sent(srv, smtp_server_output(srv).len);
	expect(srv, SMTP_EVENT_MORE);
	assert_int_equal(smtp_server_output(srv).len, 0);
	smtp_server_feed(srv, span_from(buf_span(&in), in.len - 5004));
	expect(srv, SMTP_EVENT_WAIT);
	assert_in_range(smtp_server_output(srv).len, 1001, 1100);
	buf_fini(&in);
	smtp_server_free(&srv);
}

static void bad_login_is_told_again(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;

	(void)state;
	session_start(&s, &conf);
	session_feed(&s, span_text("EHLO c\r\nAUTH PLAIN AGFsaWNlAHdyb25n\r\n"));
	session_forget(&s);
	session_feed(&s, span_text("MAIL FROM:<a@b>\r\n"));
	assert_span_text(buf_span(&s.output),
			 "530 5.7.0 Log in to send mail; the last login failed: "
			 "Name or password not accepted (ref 7F-2)\r\n");
	session_end(&s);
}

static void shut_from_outside(void **state)
{
	struct session s;
	struct smtp_reply late = say(421, "No command came; connect again");
	struct smtp_event ev;
	unsigned ticket;

	(void)state;
	open_mail(&s);
	smtp_server_feed(s.srv, span_text("RCPT TO:<a@b>\r\nNOOP\r\n"));
	ticket = expect(s.srv, SMTP_EVENT_RCPT);
	smtp_server_shut(s.srv, &late);
	assert_int_equal(smtp_server_next(s.srv, &ev), SMTP_EVENT_REFUSED);
	assert_int_equal(ev.code, 421);
	assert_span_text(ev.text, "No command came; connect again");
	expect_close(s.srv, 421);
	answer(s.srv, ticket, 250, "too late");
	assert_output(s.srv, "421 4.0.0 No command came; connect again (ref 7F-1)\r\n");
	session_end(&s);
}

static void an_answer_of_421_closes(void **state)
{
	struct session s;
	unsigned first, second;

	(void)state;
	open_mail(&s);
	smtp_server_feed(s.srv, span_text("RCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nNOOP\r\n"));
	first = expect(s.srv, SMTP_EVENT_RCPT);
	second = expect(s.srv, SMTP_EVENT_RCPT);
	answer(s.srv, second, 421, "over");
	expect(s.srv, SMTP_EVENT_WAIT);
	answer(s.srv, first, 250, "yes");
	expect_close(s.srv, 421);
	assert_output(s.srv, "250 2.0.0 yes\r\n421 4.0.0 over (ref 7F-1)\r\n");
	session_end(&s);
}

static void greetings(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct smtp_server *srv = smtp_server_new(&conf);
	struct smtp_reply full = say(421, "Too many sessions; try again in a minute");

	(void)state;
	smtp_server_greet(srv, &full);
	expect_close(srv, 421);
	assert_output(srv, "421 4.0.0 Too many sessions; try again in a minute (ref 7F-1)\r\n");
	smtp_server_free(&srv);

	srv = smtp_server_new(&conf);
	smtp_server_feed(srv, span_text("EHLO x\r\n"));
	expect_close(srv, 554);
	smtp_server_greet(srv, NULL);
	assert_output(srv, "554 5.5.1 Wait for the greeting before the first command (ref 7F-1)"
			   "\r\n");
	smtp_server_free(&srv);
	smtp_server_free(&srv);
}

static void phases(void **state)
{
	static const struct {
		const char *say;
		enum smtp_server_phase phase;
	} steps[] = {
		{ "", SMTP_PHASE_GREETING },
		{ "EHLO c\r\n", SMTP_PHASE_COMMAND },
		{ "AUTH LOGIN\r\n", SMTP_PHASE_LOGIN },
		{ "YWxpY2U=\r\n", SMTP_PHASE_LOGIN },
		{ "cmlnaHQ=\r\n", SMTP_PHASE_COMMAND },
		{ "MAIL FROM:<a@b>\r\n", SMTP_PHASE_ENVELOPE },
		{ "RCPT TO:<a@b>\r\n", SMTP_PHASE_ENVELOPE },
		{ "DATA\r\n", SMTP_PHASE_BODY },
		{ "x\r\n", SMTP_PHASE_BODY },
		{ ".\r\n", SMTP_PHASE_COMMAND },
		{ "QUIT\r\n", SMTP_PHASE_CLOSED },
	};
	struct smtp_server_conf conf = session_conf();
	struct session s;

	(void)state;
	session_start(&s, &conf);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		session_feed(&s, span_text(steps[i].say));
		assert_int_equal(smtp_server_phase(s.srv), steps[i].phase);
		assert_int_equal(smtp_server_is_authenticated(s.srv), i >= 4);
	}
	session_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_in_order),
		cmocka_unit_test(left_octets_come_again),
		cmocka_unit_test(waiting_line_in_parts),
		cmocka_unit_test(bounds_open_recipients),
		cmocka_unit_test(nothing_behind_data),
		cmocka_unit_test(nothing_behind_starttls),
		cmocka_unit_test(starttls_refused_goes_on),
		cmocka_unit_test(bounds_output),
		cmocka_unit_test(bad_login_is_told_again),
		cmocka_unit_test(shut_from_outside),
		cmocka_unit_test(an_answer_of_421_closes),
		cmocka_unit_test(greetings),
		cmocka_unit_test(phases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
