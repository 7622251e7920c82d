#include "test.h"

#include "session.h"

#include <stdio.h>

/* What a session inside TLS must remember, and nothing else. */
struct model {
	bool has_hello, is_logged_in, has_mail, is_chunked, is_over;
	unsigned recipients;
};

static void end_message(struct model *m)
{
	m->has_mail = m->is_chunked = false;
	m->recipients = 0;
}

static int model_hello(struct model *m)
{
	end_message(m);
	m->has_hello = true;
	return 250;
}

static int model_login(struct model *m, int code)
{
	if (!m->has_hello || m->has_mail || m->is_logged_in)
		return 503;
	m->is_logged_in = code == 235;
	return code;
}

static int model_login_right(struct model *m)
{
	return model_login(m, 235);
}

static int model_login_wrong(struct model *m)
{
	return model_login(m, 535);
}

static int model_login_other(struct model *m)
{
	return model_login(m, 504);
}

static int model_mail(struct model *m, int code)
{
	if (!m->has_hello)
		return 503;
	if (!m->is_logged_in)
		return 530;
	if (m->has_mail)
		return 503;
	m->has_mail = code == 250;
	return code;
}

static int model_mail_good(struct model *m)
{
	return model_mail(m, 250);
}

static int model_mail_denied(struct model *m)
{
	return model_mail(m, 550);
}

static int model_mail_malformed(struct model *m)
{
	return model_mail(m, 501);
}

static int model_rcpt(struct model *m, int code)
{
	if (!m->has_hello || (m->is_logged_in && !m->has_mail))
		return 503;
	if (!m->is_logged_in)
		return 530;
	if (m->is_chunked)
		return 503;
	m->recipients += code == 250;
	return code;
}

static int model_rcpt_good(struct model *m)
{
	return model_rcpt(m, 250);
}

static int model_rcpt_refused(struct model *m)
{
	return model_rcpt(m, 550);
}

static int model_rcpt_malformed(struct model *m)
{
	return model_rcpt(m, 501);
}

static int model_rcpt_unknown(struct model *m)
{
	return model_rcpt(m, 555);
}

static int model_data(struct model *m)
{
	int code = model_rcpt(m, 0);

	if (code)
		return code;
	return m->recipients ? 354 : 554;
}

/* A chunk that is refused ends its message. */
static int model_chunk(struct model *m, bool is_last)
{
	bool is_good = m->recipients > 0;

	if (!m->has_hello || (m->is_logged_in && !m->has_mail))
		return 503;
	if (!m->is_logged_in)
		return 530;
	if (is_last || !is_good)
		end_message(m);
	else
		m->is_chunked = true;
	return is_good ? 250 : 554;
}

static int model_chunk_more(struct model *m)
{
	return model_chunk(m, false);
}

static int model_chunk_last(struct model *m)
{
	return model_chunk(m, true);
}

static int model_chunk_malformed(struct model *m)
{
	m->is_over = true;
	return 501;
}

static int model_rset(struct model *m)
{
	end_message(m);
	return 250;
}

static int model_quit(struct model *m)
{
	m->is_over = true;
	return 221;
}

static int always_250(struct model *m)
{
	(void)m;
	return 250;
}

static int always_252(struct model *m)
{
	(void)m;
	return 252;
}

static int always_500(struct model *m)
{
	(void)m;
	return 500;
}

static int always_501(struct model *m)
{
	(void)m;
	return 501;
}

static int always_503(struct model *m)
{
	(void)m;
	return 503;
}

static const struct {
	const char *say;
	int (*model)(struct model *m);
} commands[] = {
	{ "EHLO c\r\n", model_hello },
	{ "EHLO \r\n", always_501 },
	{ "AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n", model_login_right },
	{ "AUTH PLAIN AGFsaWNlAHdyb25n\r\n", model_login_wrong },
	{ "AUTH NTLM\r\n", model_login_other },
	{ "MAIL FROM:<a@b>\r\n", model_mail_good },
	{ "MAIL FROM:<denied@b>\r\n", model_mail_denied },
	{ "MAIL FROM:<a@b> SIZE=x\r\n", model_mail_malformed },
	{ "RCPT TO:<c@d>\r\n", model_rcpt_good },
	{ "RCPT TO:<no@d>\r\n", model_rcpt_refused },
	{ "RCPT TO:<c@d> NOTIFY=NEVER,DELAY\r\n", model_rcpt_malformed },
	{ "RCPT TO:<c@d> RET=FULL\r\n", model_rcpt_unknown },
	{ "DATA\r\n", model_data },
	{ "RSET\r\n", model_rset },
	{ "NOOP\r\n", always_250 },
	{ "VRFY c\r\n", always_252 },
	{ "BDAT 6\r\nQUIT\r\n", model_chunk_more },
	{ "BDAT 6 LAST\r\nRSET\r\n", model_chunk_last },
	{ "BDAT x\r\n", model_chunk_malformed },
	{ "STARTTLS\r\n", always_503 },
	{ "FOO\r\n", always_500 },
	{ "QUIT\r\n", model_quit },
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]), SEQUENCE_MOST = 4 };

/* The code of the last line sent since the last look. */
static int code_said(struct session *s)
{
	struct span out = buf_span(&s->output), line = out;
	int code;

	while (out.len) {
		line = out;
		out = span_from(out, span_find(out, '\n') + 1);
	}
	if (line.len < 3)
		return 0;
	code = (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 + line.at[2] - '0';
	session_forget(s);
	return code;
}

/* DATA that is accepted is followed by a content, so that each step ends between commands. */
static int step(struct session *s, struct model *m, size_t command)
{
	int code = commands[command].model(m);

	session_feed(s, span_text(commands[command].say));
	if (code != 354)
		return code;
	if (code_said(s) != 354)
		return 354;
	session_feed(s, span_text("x\r\n.\r\n"));
	end_message(m);
	return 250;
}

static enum smtp_server_phase phase_of(const struct model *m)
{
	if (m->is_over)
		return SMTP_PHASE_CLOSED;
	if (!m->has_hello)
		return SMTP_PHASE_GREETING;
	return m->has_mail ? SMTP_PHASE_ENVELOPE : SMTP_PHASE_COMMAND;
}

static void run(size_t number, bool is_prepared)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;
	struct model m = { .has_hello = is_prepared, .is_logged_in = is_prepared };

	conf.login_failures = SEQUENCE_MOST + 1;
	session_start(&s, &conf);
	if (is_prepared)
		session_log_in(&s);
	session_forget(&s);
	for (size_t i = 0; i < SEQUENCE_MOST && !m.is_over; i++, number /= COMMANDS) {
		int expected = step(&s, &m, number % COMMANDS), said = code_said(&s);

		if (said != expected)
			fail_msg("%s as number %zu: %d instead of %d",
				 commands[number % COMMANDS].say, i + 1, said, expected);
		assert_int_equal(smtp_server_phase(s.srv), phase_of(&m));
		assert_int_equal(smtp_server_is_authenticated(s.srv), m.is_logged_in);
	}
	session_end(&s);
}

/* Every sequence of four behind a login, and of three from the greeting on. */
static void every_sequence(void **state)
{
	size_t count = 1;

	(void)state;
	for (int i = 0; i < SEQUENCE_MOST; i++)
		count *= COMMANDS;
	for (size_t number = 0; number < count; number++) {
		if (number < count / COMMANDS)
			run(number, false);
		run(number, true);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_sequence) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
