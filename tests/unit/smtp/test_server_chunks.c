/* BDAT. */
#include "test.h"

#include "dialogue.h"

#include <stdio.h>
#include <stdlib.h>

#define BINARY "MAIL FROM:<a@example.com> BODY=BINARYMIME\r\n"
#define BEGUN "MAIL a@example.com | RCPT b@example.net | BODY_BEGIN"

static void small(struct smtp_server_conf *conf)
{
	conf->message_octets = 10;
}

static void strict(struct smtp_server_conf *conf)
{
	conf->refuse_bare_lf = true;
}

static void unlimited(struct smtp_server_conf *conf)
{
	conf->message_octets = 0;
}

static void few_errors(struct smtp_server_conf *conf)
{
	conf->errors = 1;
}

static const struct dialogue dialogues[] = {
	{ .name = "one chunk",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 9 LAST\r\na\r\n.\r\nb\r\nQUIT\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 221 2.0.0",
	  .events = BEGUN " | BODY_END | QUIT 221",
	  .content = "a\r\n.\r\nb\r\n" },
	{ .name = "pipelined chunks, the second message too",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 3\r\n1\r\nBDAT 0\r\nbdat 3 last\r\n2\r\n" MAIL_OK RCPT_OK
				   "BDAT  3  LAST \r\n3\r\nNOOP\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 2.0.0 | 250 2.0.0 | 250 2.1.0 | "
		   "250 2.1.5 | 250 2.0.0 | 250 2.0.0",
	  .events = BEGUN " | BODY_END | " BEGUN " | BODY_END",
	  .content = "1\r\n2\r\n3\r\n" },
	{ .name = "an empty last chunk",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 4\r\nx\r\n.BDAT 0 LAST\r\nRCPT TO:<a@b>\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 2.0.0 | 503 5.5.1",
	  .events = BEGUN " | BODY_END | REFUSED RCPT 503 #1",
	  .content = "x\r\n." },
	{ .name = "an empty message",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 0 LAST\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0",
	  .events = BEGUN " | BODY_END" },
	{ .name = "no octet of a chunk is a command, a dot or an end",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK
		   "BDAT 52\r\n\r\n.\r\nMAIL FROM:<e@x>\r\nRCPT TO:<v@x>\r\nDATA\r\nQUIT\r\n.\r\n"
		   "BDAT 5 LAST\r\n..x\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 2.0.0",
	  .events = BEGUN " | BODY_END",
	  .content = "\r\n.\r\nMAIL FROM:<e@x>\r\nRCPT TO:<v@x>\r\nDATA\r\nQUIT\r\n.\r\n..x\r\n" },
	{ .name = "a line end across two chunks",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 2\r\na\rBDAT 2\r\n\nbBDAT 1\r\n\rBDAT 1 LAST\r\n\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 2.0.0 | 250 2.0.0 | 250 2.0.0",
	  .events = BEGUN " | BODY_END",
	  .content = "a\r\nb\r\n",
	  .adjust = strict },
	{ .name = "a bare LF made CRLF",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 5 LAST\r\n\na\n.\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0",
	  .events = BEGUN " | BODY_END",
	  .content = "\r\na\r\n.\r\n" },
	{ .name = "a bare LF refused, at its own chunk; the rest is thrown away",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 2\r\n1\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nRSET\r\nRSET\r\n",
		   MAIL_OK RCPT_OK "BDAT 3 LAST\r\n2\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 550 5.6.0 | 503 5.5.1 | 503 5.5.1 | 250 2.0.0 | "
		   "250 2.1.0 | 250 2.1.5 | 250 2.0.0",
	  .events = BEGUN " | BODY_BAD | REFUSED BDAT 550 #1 | REFUSED BDAT 503 #2 | "
			  "REFUSED BDAT 503 #3 | " BEGUN " | BODY_END",
	  .content = "2\r\n",
	  .adjust = strict },
	{ .name = "a bare CR",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 3 LAST\r\na\rbRCPT TO:<c@d>\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 550 5.6.0 | 503 5.5.1",
	  .events = BEGUN " | BODY_BAD | REFUSED BDAT 550 #1 | REFUSED RCPT 503 #2" },
	{ .name = "a CR at the very end",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 2\r\na\rBDAT 0 LAST\r\nNOOP\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 550 5.6.0 | 250 2.0.0",
	  .events = BEGUN " | BODY_BAD | REFUSED BDAT 550 #1" },

	/* sizes */
	{ .name = "as much as is allowed",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 6\r\n1234\r\nBDAT 4 LAST\r\n56\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 2.0.0",
	  .events = BEGUN " | BODY_END",
	  .content = "1234\r\n56\r\n",
	  .adjust = small },
	{ .name = "the first chunk is too big",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 11 LAST\r\n123456789\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 552 5.3.4 | 503 5.5.1 | 250 2.0.0",
	  .events = "MAIL a@example.com | RCPT b@example.net | RESET | REFUSED BDAT 552 #1 | "
		    "REFUSED BDAT 503 #2",
	  .adjust = small },
	{ .name = "the sum is too big",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 6\r\n1234\r\nBDAT 5 LAST\r\n567\r\nDATA\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 552 5.3.4 | 503 5.5.1",
	  .events = BEGUN " | BODY_BAD | REFUSED BDAT 552 #1 | REFUSED DATA 503 #2",
	  .adjust = small },
	{ .name = "too big once its line ends are mended",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 6\r\n\n\n\n\n\n\nNOOP\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 552 5.3.4 | 250 2.0.0",
	  .events = BEGUN " | BODY_BAD | REFUSED BDAT 552 #1",
	  .adjust = small },
	{ .name = "more than is worth reading",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 41\r\nQUIT\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 552 5.3.4",
	  .events = "MAIL a@example.com | RCPT b@example.net | REFUSED BDAT 552 #1 | CLOSE 552",
	  .adjust = small },
	{ .name = "2^63",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 1\r\nxBDAT 9223372036854775808 LAST\r\nQUIT\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 552 5.3.4",
	  .events = BEGUN " | REFUSED BDAT 552 #1 | CLOSE 552",
	  .adjust = unlimited },
	{ .name = "2^63 - 1 and what came before",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 1\r\nxBDAT 9223372036854775807\r\nQUIT\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0",
	  .events = BEGUN " | BODY_BAD",
	  .adjust = unlimited },
	{ .name = "2^64",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 18446744073709551616 LAST\r\nQUIT\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 552 5.3.4",
	  .events = "MAIL a@example.com | RCPT b@example.net | REFUSED BDAT 552 #1 | CLOSE 552",
	  .adjust = unlimited },

	/* order */
	{ .name = "before MAIL",
	  .start = LOGGED_IN,
	  .say = { "BDAT 6 LAST\r\nQUIT\r\nBDAT 3\r\nabcNOOP\r\n" },
	  .codes = "503 5.5.1 | 503 5.5.1 | 250 2.0.0",
	  .events = "REFUSED BDAT 503 #1 | REFUSED BDAT 503 #2" },
	{ .name = "before RCPT: what follows would be half a message",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK "BDAT 6\r\nQUIT\r\n" RCPT_OK "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n" },
	  .codes = "250 2.1.0 | 554 5.5.1 | 503 5.5.1 | 503 5.5.1 | 250 2.0.0",
	  .events = "MAIL a@example.com | RESET | REFUSED BDAT 554 #1 | REFUSED RCPT 503 #2 | "
		    "REFUSED BDAT 503 #3" },
	{ .name = "before EHLO",
	  .start = AT_TLS,
	  .say = { "BDAT 6\r\nQUIT\r\nNOOP\r\n" },
	  .codes = "503 5.5.1 | 250 2.0.0",
	  .events = "REFUSED BDAT 503 #1" },
	{ .name = "before the login, with all before it pipelined",
	  .start = AT_TLS,
	  .say = { "EHLO c\r\n", MAIL_OK RCPT_OK "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n" },
	  .codes = "250 | 530 5.7.0 | 530 5.7.0 | 530 5.7.0 | 250 2.0.0",
	  .events = "EHLO c | REFUSED MAIL 530 #1 | REFUSED RCPT 530 #2 | REFUSED BDAT 530 #3" },
	{ .name = "before TLS",
	  .start = AT_PLAIN,
	  .say = { "EHLO c\r\nBDAT 10\r\nSTARTTLS\r\nNOOP\r\n", "STARTTLS\r\n" },
	  .codes = "250 | 530 5.7.0 | 250 2.0.0 | 220 2.0.0",
	  .events = "EHLO c | REFUSED BDAT 530 #1 | STARTTLS" },
	{ .name = "much from a stranger",
	  .start = AT_TLS,
	  .say = { "EHLO c\r\nBDAT 1048577\r\nNOOP\r\n" },
	  .codes = "250 | 530 5.7.0",
	  .events = "EHLO c | REFUSED BDAT 530 #1 | CLOSE 530" },
	{ .name = "DATA, RCPT, MAIL, AUTH and STARTTLS between chunks",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 3\r\n1\r\nDATA\r\n",
		   RCPT_OK MAIL_OK "AUTH PLAIN\r\nSTARTTLS\r\n",
		   "NOOP\r\nVRFY x\r\nBDAT 3 LAST\r\n2\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | "
		   "503 5.5.1 | 503 5.5.1 | 250 2.0.0 | 252 2.0.0 | 250 2.0.0",
	  .events = BEGUN " | REFUSED DATA 503 #1 | REFUSED RCPT 503 #2 | REFUSED MAIL 503 #3 | "
			  "REFUSED AUTH 503 #4 | REFUSED STARTTLS 503 #5 | BODY_END",
	  .content = "1\r\n2\r\n" },
	{ .name = "RSET between chunks",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 3\r\n1\r\nRSET\r\nBDAT 3 LAST\r\n2\r\n" MAIL_OK RCPT_OK
				   "BDAT 3 LAST\r\n3\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 2.0.0 | 503 5.5.1 | 250 2.1.0 | "
		   "250 2.1.5 | 250 2.0.0",
	  .events = BEGUN " | RESET | REFUSED BDAT 503 #1 | " BEGUN " | BODY_END",
	  .content = "3\r\n" },
	{ .name = "EHLO between chunks",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 3\r\n1\r\nEHLO d\r\nBDAT 3 LAST\r\n2\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 | 503 5.5.1",
	  .events = BEGUN " | RESET | EHLO d | REFUSED BDAT 503 #1" },
	{ .name = "QUIT between chunks",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 3\r\n1\r\nQUIT\r\nBDAT 3 LAST\r\n2\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 221 2.0.0",
	  .events = BEGUN " | QUIT 221" },
	{ .name = "DATA behind a refused chunk",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<full@b>\r\n" RCPT_OK "BDAT 3\r\n1\r\nDATA\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 452 4.3.1 | 503 5.5.1",
	  .events = "MAIL full@b | RCPT b@example.net | BODY_BEGIN | REFUSED BDAT 452 #1 | "
		    "REFUSED DATA 503 #2" },

	/* the caller's answers */
	{ .name = "refused at the first chunk",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<full@b>\r\n" RCPT_OK
		   "BDAT 6\r\nQUIT\r\nBDAT 0\r\nBDAT 6 LAST\r\nQUIT\r\n" MAIL_OK },
	  .codes = "250 2.1.0 | 250 2.1.5 | 452 4.3.1 | 503 5.5.1 | 503 5.5.1 | 250 2.1.0",
	  .events = "MAIL full@b | RCPT b@example.net | BODY_BEGIN | REFUSED BDAT 452 #1 | "
		    "REFUSED BDAT 503 #2 | REFUSED BDAT 503 #3 | MAIL a@example.com" },
	{ .name = "chunks behind a refusal are no errors",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<full@b>\r\n" RCPT_OK "BDAT 1\r\n1BDAT 1\r\n2BDAT 1\r\n3BDAT 1\r\n4"
		   "BDAT 1\r\n5BDAT 1 LAST\r\n6FOO\r\nFOO\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 452 4.3.1 | 503 5.5.1 | 503 5.5.1 | 503 5.5.1 | "
		   "503 5.5.1 | 503 5.5.1 | 500 5.5.2 | 421 4.7.0",
	  .events = "MAIL full@b | RCPT b@example.net | BODY_BEGIN | REFUSED BDAT 452 #1 | "
		    "REFUSED BDAT 503 #2 | REFUSED BDAT 503 #3 | REFUSED BDAT 503 #4 | "
		    "REFUSED BDAT 503 #5 | REFUSED BDAT 503 #6 | REFUSED - 500 #7 | "
		    "REFUSED - 421 #8 | CLOSE 421",
	  .adjust = few_errors },
	{ .name = "chunks out of order are errors",
	  .start = LOGGED_IN,
	  .say = { "BDAT 4\r\n1234BDAT 4\r\n1234BDAT 4\r\n" },
	  .codes = "503 5.5.1 | 421 4.7.0",
	  .events = "REFUSED BDAT 503 #1 | REFUSED BDAT 421 #2 | CLOSE 421",
	  .adjust = few_errors },
	{ .name = "refused at the end",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<broken@b>\r\n" RCPT_OK "BDAT 3 LAST\r\nx\r\nRCPT TO:<a@b>\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 451 4.3.0 | 503 5.5.1",
	  .events = "MAIL broken@b | RCPT b@example.net | BODY_BEGIN | BODY_END | "
		    "REFUSED BDAT 451 #1 | REFUSED RCPT 503 #2",
	  .content = "x\r\n" },

	/* BINARYMIME */
	{ .name = "not an octet is changed",
	  .start = LOGGED_IN,
	  .say = { BINARY RCPT_OK "BDAT 8\r\n\n.\r\r\n.\r\nBDAT 1 LAST\r\n\r" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 2.0.0",
	  .events = "MAIL a@example.com binary | RCPT b@example.net | BODY_BEGIN | BODY_END",
	  .content = "\n.\r\r\n.\r\n\r",
	  .adjust = strict },
	{ .name = "too big",
	  .start = LOGGED_IN,
	  .say = { BINARY RCPT_OK "BDAT 10\r\n..........BDAT 1\r\n.NOOP\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 552 5.3.4 | 250 2.0.0",
	  .events = "MAIL a@example.com binary | RCPT b@example.net | BODY_BEGIN | BODY_BAD | "
		    "REFUSED BDAT 552 #1",
	  .adjust = small },
	{ .name = "not by DATA",
	  .start = LOGGED_IN,
	  .say = { BINARY RCPT_OK "DATA\r\n", "BDAT 1 LAST\r\nx" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 503 5.5.1 | 250 2.0.0",
	  .events = "MAIL a@example.com binary | RCPT b@example.net | REFUSED DATA 503 #1 | "
		    "BODY_BEGIN | BODY_END",
	  .content = "x" },

/* a size that cannot be read leaves the stream out of step */
#define OUT_OF_STEP(line)                                                                          \
	{                                                                                          \
		.name = line, .start = LOGGED_IN, .say = { MAIL_OK RCPT_OK line "\r\nQUIT\r\n" },  \
		.codes = "250 2.1.0 | 250 2.1.5 | 501 5.5.4",                                      \
		.events = "MAIL a@example.com | RCPT b@example.net | REFUSED BDAT 501 #1 | CLOSE " \
			  "501"                                                                    \
	}
	OUT_OF_STEP("BDAT"),
	OUT_OF_STEP("BDAT LAST"),
	OUT_OF_STEP("BDAT -1"),
	OUT_OF_STEP("BDAT +1"),
	OUT_OF_STEP("BDAT 4x"),
	OUT_OF_STEP("BDAT 0x4"),
	OUT_OF_STEP("BDAT 4 FIRST"),
	OUT_OF_STEP("BDAT 4 LAST LAST"),
	OUT_OF_STEP("BDAT 4 5"),
	OUT_OF_STEP("BDAT 4\tLAST"),
	{ .name = "a bare LF behind BDAT",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "BDAT 6 LAST\nQUIT\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 500 5.5.2",
	  .events = "MAIL a@example.com | RCPT b@example.net | REFUSED - 500 #1 | CLOSE 500" },
};

static void dialogues_however_split(void **state)
{
	(void)state;
	dialogues_check(dialogues, sizeof(dialogues) / sizeof(dialogues[0]));
}

static void open_mail(struct session *s, const struct smtp_server_conf *conf, const char *mail)
{
	session_start(s, conf);
	session_log_in(s);
	session_feed(s, span_text(mail));
	session_feed(s, span_text(RCPT_OK));
	session_forget(s);
}

/* All octets, and a NUL in a message that is not binary. */
static void every_octet(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct buf in = { 0 };
	struct session s;

	(void)state;
	open_mail(&s, &conf, BINARY);
	buf_put_text(&in, "BDAT 256 LAST\r\n");
	for (int c = 0; c < 256; c++)
		buf_put_char(&in, (char)c);
	session_feed(&s, buf_span(&in));
	assert_true(span_eq(buf_span(&s.content), span_from(buf_span(&in), in.len - 256)));
	session_end(&s);

	open_mail(&s, &conf, MAIL_OK);
	session_feed(&s, span_of("BDAT 5 LAST\r\na\0b\r\nNOOP\r\n", 24));
	assert_span_text(buf_span(&s.events), "BODY_BEGIN | BODY_BAD | REFUSED BDAT 550 #1");
	session_end(&s);
	buf_fini(&in);
}

/* By DATA, and with no dot in front of a line. */
static void tells_what_needs_no_second_look(void **state)
{
	static const struct {
		const char *mail, *begin, *content;
		bool is_dotless;
	} cases[] = {
		{ MAIL_OK, "DATA\r\n", "x.\r\n.\r\n", true },
		{ MAIL_OK, "DATA\r\n", "..x\r\n.\r\n", false },
		{ MAIL_OK, "DATA\r\n", "x\r\n.\r\n", true }, /* nothing of the one before is left */
		{ MAIL_OK, "BDAT 3 LAST\r\n", "x\r\n", false },
		{ MAIL_OK, "BDAT 0 LAST\r\n", "", false },
		{ BINARY, "BDAT 3 LAST\r\n", ".\n.", false },
	};
	struct smtp_server_conf conf = session_conf();
	struct session s;

	(void)state;
	session_start(&s, &conf);
	session_log_in(&s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		session_feed(&s, span_text(cases[i].mail));
		session_feed(&s, span_text(RCPT_OK));
		s.was_dotless = !cases[i].is_dotless;
		session_feed(&s, span_text(cases[i].begin));
		session_feed(&s, span_text(cases[i].content));
		assert_int_equal(s.was_dotless, cases[i].is_dotless);
	}
	session_end(&s);
}

/* Nothing is said of a refused chunk before its octets are here. */
static void refusal_waits_for_the_octets(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;

	(void)state;
	open_mail(&s, &conf, "MAIL FROM:<full@b>\r\n");
	session_feed(&s, span_text("BDAT 5\r\n1234"));
	assert_int_equal(s.output.len, 0);
	assert_int_equal(smtp_server_phase(s.srv), SMTP_PHASE_BODY);
	session_feed(&s, span_text("5"));
	assert_span_text(buf_span(&s.output),
			 "452 4.3.1 The spool is full; try later (ref 7F-1)\r\n");
	assert_int_equal(smtp_server_phase(s.srv), SMTP_PHASE_COMMAND);
	session_end(&s);
}

/* The 354 is not for the client, and the octets behind BDAT wait for it. */
static void octets_wait_for_the_answer(void **state)
{
	static const struct smtp_reply go = SMTP_REPLY(354, 0, 0, 0, "go");
	struct smtp_server_conf conf = session_conf();
	struct smtp_event ev;
	struct session s;

	(void)state;
	open_mail(&s, &conf, MAIL_OK);
	smtp_server_feed(s.srv, span_text("BDAT 3\r\nx\r\nNOOP\r\n"));
	assert_int_equal(smtp_server_next(s.srv, &ev), SMTP_EVENT_BODY_BEGIN);
	assert_int_equal(smtp_server_phase(s.srv), SMTP_PHASE_ANSWER);
	for (int i = 0; i < 2; i++) {
		struct smtp_event again;

		assert_int_equal(smtp_server_next(s.srv, &again), SMTP_EVENT_WAIT);
	}
	assert_int_equal(smtp_server_left(s.srv), 9);
	smtp_server_answer(s.srv, ev.ticket, &go);
	assert_int_equal(smtp_server_output(s.srv).len, 0);
	assert_int_equal(smtp_server_phase(s.srv), SMTP_PHASE_BODY);
	session_feed(&s, span_text("x\r\nNOOP\r\n"));
	assert_span_text(buf_span(&s.output), "250 2.0.0 3 octets\r\n250 2.0.0 Here\r\n");
	session_end(&s);
}

static void an_answer_of_421_closes(void **state)
{
	static const struct smtp_reply over = SMTP_REPLY(421, 4, 3, 2, "over");
	struct smtp_server_conf conf = session_conf();
	struct smtp_event ev;
	struct session s;

	(void)state;
	open_mail(&s, &conf, MAIL_OK);
	smtp_server_feed(s.srv, span_text("BDAT 3\r\nx\r\n"));
	assert_int_equal(smtp_server_next(s.srv, &ev), SMTP_EVENT_BODY_BEGIN);
	smtp_server_answer(s.srv, ev.ticket, &over);
	assert_span_text(smtp_server_output(s.srv), "421 4.3.2 over (ref 7F-1)\r\n");
	assert_int_equal(smtp_server_next(s.srv, &ev), SMTP_EVENT_REFUSED);
	assert_int_equal(smtp_server_next(s.srv, &ev), SMTP_EVENT_CLOSE);
	session_end(&s);
}

static void shut_amid_a_chunk(void **state)
{
	static const struct smtp_reply late = SMTP_REPLY(421, 4, 4, 2, "Nothing came");
	static const char *const senders[] = { MAIL_OK, "MAIL FROM:<full@b>\r\n" };
	struct smtp_server_conf conf = session_conf();
	struct smtp_event ev;
	struct session s;

	(void)state;
	for (int i = 0; i < 2; i++) {
		open_mail(&s, &conf, senders[i]);
		session_feed(&s, span_text("BDAT 5\r\n12"));
		smtp_server_shut(s.srv, &late);
		assert_true(span_istarts(smtp_server_output(s.srv), "421 4.4.2 Nothing came (ref"));
		assert_int_equal(smtp_server_next(s.srv, &ev), SMTP_EVENT_REFUSED);
		assert_int_equal(smtp_server_next(s.srv, &ev), SMTP_EVENT_CLOSE);
		assert_int_equal(smtp_server_next(s.srv, &ev), SMTP_EVENT_MORE);
		session_end(&s);
	}
}

/* What is thrown away for a stranger is no body: the time for a login goes on. */
static void a_stranger_is_not_in_a_body(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;

	(void)state;
	session_start(&s, &conf);
	session_feed(&s, span_text("BDAT 100\r\nxx"));
	assert_int_equal(smtp_server_phase(s.srv), SMTP_PHASE_GREETING);
	session_end(&s);
	session_start(&s, &conf);
	session_feed(&s, span_text("EHLO c\r\nBDAT 100\r\nxx"));
	assert_int_equal(smtp_server_phase(s.srv), SMTP_PHASE_COMMAND);
	session_end(&s);
}

static void many_small_chunks(void **state)
{
	enum { CHUNKS = 20000 };
	struct smtp_server_conf conf = session_conf();
	struct buf in = { 0 };
	struct session s;

	(void)state;
	conf.message_octets = CHUNKS;
	open_mail(&s, &conf, MAIL_OK);
	for (int i = 0; i < CHUNKS; i++)
		buf_put_text(&in, i % 50 == 48	 ? "BDAT 1\r\n\r"
				  : i % 50 == 49 ? "BDAT 1\r\n\n"
						 : "BDAT 1\r\nx");
	buf_put_text(&in, "BDAT 0 LAST\r\n");
	session_feed(&s, buf_span(&in));
	assert_span_text(buf_span(&s.events), "BODY_BEGIN | BODY_END");
	assert_int_equal(s.content.len, CHUNKS);
	assert_int_equal(s.output.len, CHUNKS * strlen("250 2.0.0 1 octets\r\n") +
					       strlen("250 2.0.0 Queued\r\n"));
	buf_fini(&in);
	session_end(&s);
}

/* A refused chunk of as much as is read at all, in blocks; then the session goes on. */
static void swallows_boundedly(void **state)
{
	struct smtp_server_conf conf = session_conf();
	unsigned char block[4096];
	struct session s;

	(void)state;
	memset(block, '\n', sizeof(block));
	conf.message_octets = 64 * sizeof(block);
	open_mail(&s, &conf, MAIL_OK);
	session_feed(&s, span_text("BDAT 1048576 LAST\r\n"));
	for (size_t i = 0; i < 4 * 64; i++) {
		assert_int_equal(s.output.len, 0);
		session_feed(&s, span_of(block, sizeof(block)));
	}
	session_feed(&s, span_text("NOOP\r\n"));
	assert_span_text(buf_span(&s.events), "RESET | REFUSED BDAT 552 #1");
	assert_int_equal(s.content.len, 0);
	session_end(&s);
}

static void tells_of_long_lines(void **state)
{
	struct smtp_server_conf conf = session_conf();
	char line[1100];
	struct session s;

	(void)state;
	conf.message_octets = 0;
	for (int octets = 998; octets <= 999; octets++) {
		open_mail(&s, &conf, MAIL_OK);
		snprintf(line, sizeof(line), "BDAT %d LAST\r\n%0*d\r\n", octets + 2, octets, 1);
		session_feed(&s, span_text(line));
		assert_span_text(buf_span(&s.events), octets == 998 ? "BODY_BEGIN | BODY_END"
								    : "BODY_BEGIN | BODY_END long");
		session_end(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialogues_however_split),
		cmocka_unit_test(every_octet),
		cmocka_unit_test(tells_what_needs_no_second_look),
		cmocka_unit_test(refusal_waits_for_the_octets),
		cmocka_unit_test(octets_wait_for_the_answer),
		cmocka_unit_test(an_answer_of_421_closes),
		cmocka_unit_test(shut_amid_a_chunk),
		cmocka_unit_test(a_stranger_is_not_in_a_body),
		cmocka_unit_test(many_small_chunks),
		cmocka_unit_test(swallows_boundedly),
		cmocka_unit_test(tells_of_long_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
