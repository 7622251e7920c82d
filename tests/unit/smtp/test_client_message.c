/* Messages, and all that can end a connection. */
#include "client_dialogue.h"

#include "smtp/body.h"

#include "test.h"

static const struct dialogue messages[] = {
	{ "one at a time",
	  PLAIN,
	  { UP_SLOW,
	    "!message 2",
	    ">MAIL FROM:<s@x>",
	    "<250 2.1.0 ok",
	    ">RCPT TO:<r0@y>",
	    "<250 2.1.5 ok",
	    "=RCPT 0 250 2.1.5 ok",
	    ">RCPT TO:<r1@y>",
	    "<251 will forward",
	    "=RCPT 1 251 will forward",
	    ">DATA",
	    "<354 go",
	    "=SEND_BODY",
	    "!body Subject: x\r\n\r\n.\r\n",
	    "!end",
	    ">Subject: x",
	    ">",
	    ">..",
	    ">.",
	    "<250 2.0.0 taken",
	    "=RESULT 250 2.0.0 taken",
	    "=READY" } },
	{ "all in one go",
	  PLAIN,
	  { UP, "!message 2", MAIL_TWO, ">DATA", "<250 ok", "<250 ok", "<250 ok", "<354 go",
	    "=RCPT 0 250 ok", "=RCPT 1 250 ok", "=SEND_BODY", "!body x", "!end", ">x", ">.",
	    "<250 taken", "=RESULT 250 taken", "=READY" } },
	{ "null sender, SIZE and 8BITMIME",
	  PLAIN,
	  { "<220 mx", ">EHLO relay", "<250-mx", "<250-SIZE 1000", "<250 8BITMIME", "=READY",
	    "!message 1 null 8bit size", ">MAIL FROM:<> SIZE=1000 BODY=8BITMIME", "<250 ok",
	    ">RCPT TO:<r0@y>" } },
	{ "7-bit content says nothing of BODY",
	  PLAIN,
	  { "<220 mx", ">EHLO relay", "<250-mx", "<250-SIZE", "<250 8BITMIME", "=READY",
	    "!message 1 size", ">MAIL FROM:<s@x> SIZE=1000" } },
	{ "size unknown",
	  PLAIN,
	  { "<220 mx", ">EHLO relay", "<250-mx", "<250 SIZE 1", "=READY", "!message 1",
	    ">MAIL FROM:<s@x>" } },
	{ "8 bit to a peer without 8BITMIME",
	  PLAIN,
	  { UP, "!message 1 8bit",
	    "=RESULT 554 5.6.3 The smarthost takes no 8-bit messages (before) (ours)", "=READY",
	    "!message 1", MAIL_ONE, ">DATA" } },
	{ "too large",
	  PLAIN,
	  { "<220 mx", ">EHLO relay", "<250-mx", "<250 SIZE 999", "=READY", "!message 1 size",
	    "=RESULT 552 5.3.4 The message is larger than the smarthost takes (before) (ours)",
	    "=READY" } },
	{ "UTF-8 address without SMTPUTF8",
	  PLAIN,
	  { UP, "!message 1 utf8",
	    "=RESULT 553 5.6.7 The smarthost takes no addresses beyond ASCII (before) (ours)",
	    "=READY" } },
	{ "UTF-8 address with SMTPUTF8",
	  PLAIN,
	  { "<220 mx", ">EHLO relay", "<250-mx", "<250-PIPELINING", "<250 SMTPUTF8", "=READY",
	    "!message 1 utf8", ">MAIL FROM:<s@x> SMTPUTF8", ">RCPT TO:<\xC3\xBC@y>", ">DATA" } },
	{ "line end in an address",
	  PLAIN,
	  { UP, "!message 1 control",
	    "=RESULT 553 5.1.3 An address holds a control character (before) (ours)", "=READY" } },
	{ "some are refused",
	  PLAIN,
	  { UP, "!message 3", MAIL_THREE, ">DATA", "<250 ok", "<550 5.1.1 no", "<250 ok",
	    "<451 4.7.1 later", "<354 go", "=RCPT 0 550 5.1.1 no", "=RCPT 1 250 ok",
	    "=RCPT 2 451 4.7.1 later", "=SEND_BODY", "!end", ">.", "<250 taken",
	    "=RESULT 250 taken", "=READY" } },
	{ "all are refused, DATA too",
	  PLAIN,
	  { UP, "!message 2", MAIL_TWO, ">DATA", "<250 ok", "<550 no", "<450 later",
	    "<554 5.5.1 no valid recipients", "=RCPT 0 550 no", "=RCPT 1 450 later",
	    "=RESULT 554 5.5.1 No recipient was accepted (before) (ours)", ">RSET", "<250 ok",
	    "=READY" } },
	{ "all are refused, DATA is not",
	  PLAIN,
	  { UP, "!message 2", MAIL_TWO, ">DATA", "<250 ok", "<550 no", "<550 no", "<354 go",
	    "=RCPT 0 550 no", "=RCPT 1 550 no",
	    "=RESULT 554 5.5.1 No recipient was accepted (before) (ours)", ">.", "<554 nobody",
	    ">RSET", "<250 ok", "=READY" } },
	{ "all are refused, the empty message is taken",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<550 no", "<354 go", "=RCPT 0 550 no",
	    "=RESULT 554 5.5.1 No recipient was accepted (before) (ours)", ">.", "<250 taken",
	    ">RSET", "<250 ok", "=READY" } },
	{ "all are refused, one at a time",
	  PLAIN,
	  { UP_SLOW, "!message 1", ">MAIL FROM:<s@x>", "<250 ok", ">RCPT TO:<r0@y>", "<550 no",
	    "=RCPT 0 550 no", "=RESULT 554 5.5.1 No recipient was accepted (before) (ours)",
	    ">RSET", "<250 ok", "=READY" } },
	{ "MAIL refused",
	  PLAIN,
	  { UP, "!message 2", MAIL_TWO, ">DATA", "<550 5.7.1 not you",
	    "=RESULT 550 5.7.1 not you (before)", "<503 no", "<503 no", "<503 no", "=READY",
	    "!message 1", MAIL_ONE, ">DATA" } },
	{ "MAIL put off, one at a time",
	  PLAIN,
	  { UP_SLOW, "!message 2", ">MAIL FROM:<s@x>", "<451 later", "=RESULT 451 later (before)",
	    "=READY" } },
	{ "MAIL refused, but all else is not",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<550 no", "<250 ok", "<354 go",
	    "=RESULT 550 no (before)", "=LOST 354 go: waiting for the reply to DATA" } },
	{ "DATA refused",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<554 5.7.1 spam",
	    "=RCPT 0 250 ok", "=RESULT 554 5.7.1 spam (before)", ">RSET", "<250 ok", "=READY" } },
	{ "DATA put off, one at a time",
	  PLAIN,
	  { UP_SLOW, "!message 1", ">MAIL FROM:<s@x>", "<250 ok", ">RCPT TO:<r0@y>", "<250 ok",
	    "=RCPT 0 250 ok", ">DATA", "<451 full", "=RESULT 451 full (before)", ">RSET", "<250 ok",
	    "=READY" } },
	{ "message refused, then the next",
	  PLAIN,
	  { UP,
	    "!message 1",
	    MAIL_ONE,
	    ">DATA",
	    "<250 ok",
	    "<250 ok",
	    "<354 go",
	    "=RCPT 0 250 ok",
	    "=SEND_BODY",
	    "!body x\r\n",
	    "!end",
	    ">x",
	    ">.",
	    "<552 5.3.4 too big",
	    "=RESULT 552 5.3.4 too big",
	    "=READY",
	    "!message 2",
	    MAIL_TWO,
	    ">DATA",
	    "<250 ok",
	    "<250 a",
	    "<250 b",
	    "<354 go",
	    "=RCPT 0 250 a",
	    "=RCPT 1 250 b",
	    "=SEND_BODY" } },
	{ "the second message begins with a dot",
	  PLAIN,
	  { UP,
	    "!message 1",
	    MAIL_ONE,
	    ">DATA",
	    "<250 ok",
	    "<250 ok",
	    "<354 go",
	    "=RCPT 0 250 ok",
	    "=SEND_BODY",
	    "!body x",
	    "!end",
	    ">x",
	    ">.",
	    "<250 ok",
	    "=RESULT 250 ok",
	    "=READY",
	    "!message 1",
	    MAIL_ONE,
	    ">DATA",
	    "<250 ok",
	    "<250 ok",
	    "<354 go",
	    "=RCPT 0 250 ok",
	    "=SEND_BODY",
	    "!body .\r\n",
	    "!end",
	    ">..",
	    ">." } },
	{ "RSET refused",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<550 no", "<554 no", "=RCPT 0 550 no",
	    "=RESULT 554 5.5.1 No recipient was accepted (before) (ours)", ">RSET", "<500 what",
	    "=LOST 500 what: waiting for the reply to RSET" } },
	{ "RSET answered 220",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<554 no", "=RCPT 0 250 ok",
	    "=RESULT 554 no (before)", ">RSET", "<220 ok",
	    "=LOST 220 ok: waiting for the reply to RSET" } },
	{ "421 to MAIL",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<421 4.4.2 idle",
	    "=RESULT 421 4.4.2 idle (before)",
	    "=LOST 421 4.4.2 idle: waiting for the reply to MAIL" } },
	{ "421 to the second recipient",
	  PLAIN,
	  { UP, "!message 3", MAIL_THREE, ">DATA", "<250 ok", "<250 ok", "<421 bye",
	    "=RCPT 0 250 ok", "=RCPT 1 421 bye", "=LOST 421 bye: waiting for the reply to RCPT",
	    "<250 ok" } },
	{ "421 to the last recipient",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<421 bye", "=RCPT 0 421 bye",
	    "=LOST 421 bye: waiting for the reply to RCPT" } },
	{ "421 to DATA",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<421 bye", "=RCPT 0 250 ok",
	    "=RESULT 421 bye (before)", "=LOST 421 bye: waiting for the reply to DATA" } },
	{ "421 to the message",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<354 go", "=RCPT 0 250 ok",
	    "=SEND_BODY", "!end", ">.", "<421 bye", "=RESULT 421 bye",
	    "=LOST 421 bye: waiting for the reply to the end of the message" } },
	{ "421 while what is left is read",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<550 no", "=RESULT 550 no (before)", "<421 bye",
	    "=LOST 421 bye: waiting for the reply to RCPT" } },
	{ "421 to the empty message",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<550 no", "<354 go", "=RCPT 0 550 no",
	    "=RESULT 554 5.5.1 No recipient was accepted (before) (ours)", ">.", "<421 bye",
	    "=LOST 421 bye: ending a message that has no recipient" } },
	{ "replies in another order",
	  PLAIN,
	  { UP, "!message 2", MAIL_TWO, ">DATA", "<250 ok", "<250 ok", "<354 go", "<250 ok",
	    "=RCPT 0 250 ok", "=LOST 354 go: waiting for the reply to RCPT" } },
	{ "MAIL answered 354",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<354 go",
	    "=LOST 354 go: waiting for the reply to MAIL" } },
	{ "DATA answered 250",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<250 ok", "=RCPT 0 250 ok",
	    "=LOST 250 ok: waiting for the reply to DATA" } },
	{ "DATA answered 334",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<334 ok", "=RCPT 0 250 ok",
	    "=LOST 334 ok: waiting for the reply to DATA" } },
	{ "the message answered 354",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<354 go", "=RCPT 0 250 ok",
	    "=SEND_BODY", "!end", ">.", "<354 go",
	    "=LOST 354 go: waiting for the reply to the end of the message" } },
	{ "idle peer says goodbye",
	  PLAIN,
	  { UP, "<421 4.4.2 idle", "=LOST 421 4.4.2 idle: reading a reply that nobody asked for",
	    "!message 1" } },
	{ "a message into half a goodbye",
	  PLAIN,
	  { UP, "<~421 4.4", "!message 1", "!waits reading a reply that nobody asked for 5",
	    "<.2 idle", "=LOST 421 4.4.2 idle: reading a reply that nobody asked for" } },
	{ "reply in the middle of the body",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<354 go", "=RCPT 0 250 ok",
	    "=SEND_BODY", "!body x\r\n", ">x", "<552 too big",
	    "=LOST 552 too big: reading a reply that nobody asked for", "!body y", "!end" } },
	{ "a reply too many",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<354 go", "=RCPT 0 250 ok",
	    "=SEND_BODY", "!end", ">.", "<250 ok", "<250 more", "=RESULT 250 ok", "=READY",
	    "=LOST 250 more: reading a reply that nobody asked for" } },
	{ "replies of many lines",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<550-5.7.1 first", "<550-5.7.1 second ", "<550-",
	    "<550-5.7.1", "<550 5.7.1 http://x/\x1B[31m\ty",
	    "=RESULT 550 5.7.1 first second http://x/?[31m?y (before)" } },
	{ "an enhanced code of another class is text",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<550 4.7.1 x", "=RESULT 550 4.7.1 x (before)" } },
	{ "a reply without text",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<550", "=RESULT 550 (before)" } },
	{ "QUIT",
	  PLAIN,
	  { UP, "!quit", QUITS, "<221 2.0.0 bye", "!message 1", "!waits closing 5" } },
	{ "peer talks ahead of EHLO",
	  SMTP_CLIENT_TLS_NONE,
	  false,
	  true,
	  { "<220 mx", "<250 mx", "=LOST 250 mx: reading a reply that nobody asked for" } },
	{ "lost with the reply to MAIL due",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "!waits waiting for the reply to MAIL 300",
	    "!lost", "=LOST: waiting for the reply to MAIL", "= false", "!message 1", "!quit" } },
	{ "lost within the body",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<354 go", "=RCPT 0 250 ok",
	    "=SEND_BODY", "!body x", ">~x", "!waits sending the message 180", "!lost",
	    "=LOST: sending the message", "= false" } },
	{ "lost with the last reply due",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<354 go", "=RCPT 0 250 ok",
	    "=SEND_BODY", "!end", ">.",
	    "!waits waiting for the reply to the end of the message 600", "!lost",
	    "=LOST: waiting for the reply to the end of the message", "= true", "!lost",
	    "= false" } },
	{ "lost with half of the last reply here",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<250 ok", "<250 ok", "<354 go", "=RCPT 0 250 ok",
	    "=SEND_BODY", "!end", ">.", "<~250 2.0", "!lost",
	    "=LOST: waiting for the reply to the end of the message", "= true" } },
	{ "lost while idle",
	  PLAIN,
	  { UP, "!waits waiting for the next message 0", "!lost",
	    "=LOST: waiting for the next message", "= false" } },
	{ "no reply: letters",
	  PLAIN,
	  { "<HTTP/1.1 400 no", "=LOST: reading what is no SMTP reply" } },
	{ "no reply: two digits",
	  PLAIN,
	  { UP, "!message 1", MAIL_ONE, ">DATA", "<25", "=LOST: reading what is no SMTP reply" } },
	{ "no reply: a space within",
	  PLAIN,
	  { "<2 20 x", "=LOST: reading what is no SMTP reply" } },
	{ "no reply: 999", PLAIN, { "<999 x", "=LOST: reading what is no SMTP reply" } },
	{ "no reply: codes differ",
	  PLAIN,
	  { "<220-x", "<250 x", "=LOST: reading what is no SMTP reply" } },
};

static void test_messages(void **state)
{
	(void)state;
	dialogue_run_everywhere(messages, sizeof(messages) / sizeof(messages[0]));
}

/* Up to the point where content is wanted, by DATA. */
static void begin_content(struct run *r)
{
	run_begin(r, SMTP_CLIENT_TLS_NONE, false, "PIPELINING");
	run_message(r, "1");
	run_turn(r);
	run_feed(r, span_text("250 ok\r\n250 ok\r\n354 go\r\n"));
	run_turn(r);
	buf_clear(&r->output);
}

static void end_content(struct run *r)
{
	smtp_client_body_end(r->cl);
	run_turn(r);
}

/* What is not copied stands in the content, and comes behind the output as it is then. */
static void test_long_content_is_passed_on(void **state)
{
	struct buf content = { 0 };
	struct run copied, passed;
	size_t uncopied = 0, pieces = 0;
	struct span left;

	(void)state;
	buf_put_text(&content, ".first\r\nbare\nend\r\n");
	for (int i = 0; i < 1000; i++)
		buf_put_text(&content, i % 200 ? "seventy octets or so\r\n" : ".dot\r\n");
	begin_content(&copied);
	smtp_client_body(copied.cl, buf_span(&content));
	end_content(&copied);
	begin_content(&passed);
	left = buf_span(&content);
	while (left.len) {
		struct span run = smtp_client_pass(passed.cl, &left);

		run_turn(&passed);
		if (run.len) {
			assert_true(run.at >= content.at &&
				    run.at + run.len <= content.at + content.len);
			assert_true(run.len >= SMTP_BODY_RUN);
		}
		buf_put_span(&passed.output, run);
		uncopied += run.len;
		pieces++;
	}
	end_content(&passed);
	assert_true(uncopied > content.len * 9 / 10);
	assert_true(pieces <= 12);
	assert_int_equal(passed.output.len, copied.output.len);
	assert_memory_equal(buf_span(&passed.output).at, buf_span(&copied.output).at,
			    copied.output.len);
	run_end(&copied);
	run_end(&passed);
	buf_fini(&content);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_long_content_is_passed_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
