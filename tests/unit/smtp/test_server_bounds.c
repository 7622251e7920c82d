/* Lines and contents: how long they may be, and what may not be in them. */
#include "test.h"

#include "session.h"

/* A line of n octets with CRLF, that begins with `front` and goes on with A. */
static void put_line(struct buf *out, const char *front, size_t n)
{
	size_t used = strlen(front) + 2;

	buf_put_text(out, front);
	memset(buf_room(out, n - used), 'A', n - used);
	buf_grew(out, n - used);
	buf_put_text(out, "\r\n");
}

static void check_line(const char *front, size_t n, const char *reply_start, size_t piece)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;
	struct buf in = { 0 };

	session_start(&s, &conf);
	session_feed(&s, span_text("HELO c\r\n"));
	session_forget(&s);
	put_line(&in, front, n);
	buf_put_text(&in, "NOOP\r\n");
	for (size_t at = 0; at < in.len; at += piece)
		session_feed(&s, span_first(span_from(buf_span(&in), at), piece));
	buf_put_char(&s.output, 0);
	if (strncmp((const char *)buf_span(&s.output).at, reply_start, strlen(reply_start)) ||
	    !strstr((const char *)buf_span(&s.output).at, "\r\n250 2.0.0 Here\r\n"))
		fail_msg("%s of %zu in pieces of %zu: %s", front, n, piece, buf_span(&s.output).at);
	buf_fini(&in);
	session_end(&s);
}

static void bounds_lines(void **state)
{
	static const size_t pieces[] = { 1, 7, 511, 512, 513, 1 << 20 };

	(void)state;
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		check_line("NOOP ", 512, "250 2.0.0", pieces[i]);
		check_line("NOOP ", 513, "500 5.5.2", pieces[i]);
		check_line("AUTHOR ", 513, "500 5.5.2", pieces[i]);
		check_line("NOOP ", 100000, "500 5.5.2", pieces[i]);
		check_line("auth plain ", 12285, "535 5.7.8", pieces[i]);
		check_line("auth plain ", 12288 + 26, "501 5.5.2", pieces[i]);
		check_line("auth plain ", 12288 + 27, "500 5.5.6", pieces[i]);
		check_line("auth plain ", 70000, "500 5.5.6", pieces[i]);
	}
}

/* Behind a BDAT too long to be read no command is taken up. */
static void long_chunk_line(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct buf in = { 0 };
	struct session s;

	(void)state;
	for (size_t piece = 1; piece < 600; piece = piece * 2 + 1) {
		session_start(&s, &conf);
		session_log_in(&s);
		buf_clear(&in);
		buf_printf(&in, "bdat %0600d\r\nQUIT\r\n", 6);
		for (size_t at = 0; at < in.len; at += piece)
			session_feed(&s, span_first(span_from(buf_span(&in), at), piece));
		assert_span_text(buf_span(&s.events), "REFUSED - 500 #1 | CLOSE 500");
		session_end(&s);
	}
	buf_fini(&in);
}

/* All parameters at their largest fit in 1,400 octets. */
static void longest_commands(void **state)
{
	enum { PATH = 256, AUTH = 500 };
	struct smtp_server_conf conf = session_conf();
	struct buf path = { 0 }, mail = { 0 }, rcpt = { 0 };
	struct session s;

	(void)state;
	buf_printf(&path, "%064d@", 1);
	while (path.len < PATH - 2)
		buf_put_text(&path, path.len % 40 == 39 ? "." : "a");
	buf_printf(&mail, "MAIL FROM:<%.*s> SIZE=%020d BODY=BINARYMIME AUTH=e", PATH - 2,
		   (const char *)buf_span(&path).at, 1);
	for (int i = 1; i < AUTH / 3; i++)
		buf_put_text(&mail, i < 60 ? "+3D" : i == 60 ? "+40" : i % 50 ? "+61" : "+2E");
	buf_printf(&mail, " RET=HDRS ENVID=%0100d SMTPUTF8 REQUIRETLS", 1);
	buf_put_text(&mail, " HOLDUNTIL=2026-11-29T12:00:00.000000+01:00\r\n");
	buf_printf(&rcpt, "RCPT TO:<%.*s> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;%0493d\r\n",
		   PATH - 2, (const char *)buf_span(&path).at, 1);
	assert_true(mail.len <= 1400 && rcpt.len <= 1400);
	conf.line_octets = 1400;
	conf.offers_utf8 = conf.offers_require_tls = true;
	conf.future_s = 1000;
	conf.future_until = "2026-11-29T12:00:00Z";
	session_start(&s, &conf);
	session_log_in(&s);
	session_feed(&s, span_text("MAIL FROM:<a@b>\r\nRSET\r\n"));
	session_forget(&s);
	session_feed(&s, buf_span(&mail));
	session_feed(&s, buf_span(&rcpt));
	assert_span_text(buf_span(&s.output),
			 "250 2.1.0 Sender accepted\r\n250 2.1.5 Recipient accepted\r\n");
	session_end(&s);
	buf_fini(&path);
	buf_fini(&mail);
	buf_fini(&rcpt);
}

static void bounds_responses(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;
	struct buf in = { 0 };

	(void)state;
	session_start(&s, &conf);
	session_feed(&s, span_text("HELO c\r\nAUTH PLAIN\r\n"));
	session_forget(&s);
	put_line(&in, "AAAA", 12289);
	session_feed(&s, buf_span(&in));
	session_feed(&s, span_text("NOOP\r\n"));
	assert_span_text(buf_span(&s.events), "AUTH_CANCEL | REFUSED AUTH 500 #1");
	assert_non_null(strstr((const char *)buf_span(&s.output).at, "500 5.5.6"));
	buf_fini(&in);
	session_end(&s);
}

static void line_without_end(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;
	unsigned char block[4096];
	size_t fed = 0;

	(void)state;
	memset(block, 'x', sizeof(block));
	session_start(&s, &conf);
	session_forget(&s);
	while (!s.is_over && fed < 4u << 20) {
		session_feed(&s, span_of(block, sizeof(block)));
		fed += sizeof(block);
	}
	assert_span_text(buf_span(&s.events), "REFUSED - 500 #1 | CLOSE 500");
	assert_true(fed <= (1u << 20) + 2 * sizeof(block));
	session_end(&s);
}

static void nul_in_a_command(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;

	(void)state;
	session_start(&s, &conf);
	session_log_in(&s);
	session_feed(&s, span_of("MAIL FROM:<a\0b@c>\r\n", 19));
	assert_span_text(buf_span(&s.events), "REFUSED - 500 #1 | CLOSE 500");
	session_end(&s);
}

static void check_size(size_t octets, const char *events)
{
	struct session s;
	struct smtp_server_conf conf = session_conf();
	struct buf in = { 0 };

	session_start(&s, &conf);
	session_log_in(&s);
	session_feed(&s, span_text("MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n"));
	session_forget(&s);
	put_line(&in, "..", octets + 1);
	buf_put_text(&in, ".\r\n");
	session_feed(&s, buf_span(&in));
	assert_span_text(buf_span(&s.events), events);
	assert_true(s.content.len <= 1000);
	session_feed(&s, span_text("RCPT TO:<a@b>\r\n"));
	assert_int_equal(smtp_server_phase(s.srv), SMTP_PHASE_COMMAND);
	buf_fini(&in);
	session_end(&s);
}

static void bounds_content(void **state)
{
	(void)state;
	check_size(999, "BODY_END");
	check_size(1000, "BODY_END");
	check_size(1001, "BODY_BAD | REFUSED DATA 552 #1");
	check_size(1000000, "BODY_BAD | REFUSED DATA 552 #1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bounds_lines),	    cmocka_unit_test(long_chunk_line),
		cmocka_unit_test(longest_commands), cmocka_unit_test(bounds_responses),
		cmocka_unit_test(line_without_end), cmocka_unit_test(nul_in_a_command),
		cmocka_unit_test(bounds_content),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
