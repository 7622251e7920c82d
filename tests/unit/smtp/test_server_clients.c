/* What real clients send that the grammar does not have, or that other servers trip over. */
#include "test.h"

#include "dialogue.h"

static void offers_utf8(struct smtp_server_conf *conf)
{
	conf->offers_utf8 = true;
}

#define RIGHT "AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n"

static const struct dialogue dialogues[] = {
	{ .name = "Outlook: a bare NetBIOS name, a space before the path",
	  .start = AT_TLS,
	  .say = { "EHLO DESKTOP3507CDS\r\n", "AUTH LOGIN\r\n", "YWxpY2U=\r\n", "cmlnaHQ=\r\n",
		   "MAIL FROM: <a@example.com>\r\n", "RCPT TO: <b@example.net>\r\n", "DATA\r\n",
		   "x\r\n.\r\n", "QUIT\r\n" },
	  .codes = "250 | 334 | 334 | 235 2.7.0 | 250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0 | "
		   "221 2.0.0",
	  .events = "EHLO DESKTOP3507CDS | AUTH LOGIN | AUTH_LINE alice | AUTH_LINE right | "
		    "MAIL a@example.com | RCPT b@example.net | BODY_BEGIN | BODY_END | QUIT 221",
	  .content = "x\r\n" },
	{ .name = "Windows Mail: two spaces in AUTH PLAIN",
	  .start = AT_TLS,
	  .say = { "EHLO WIN-PC\r\n", "AUTH PLAIN  AGFsaWNlAHJpZ2h0\r\n" },
	  .codes = "250 | 235 2.7.0",
	  .events = "EHLO WIN-PC | AUTH PLAIN ~alice~right" },
	{ .name = ".NET: AUTH login in lower case with the name; hides the 535 and goes on",
	  .start = AT_TLS,
	  .say = { "EHLO DESKTOP_1\r\n", "AUTH login YWxpY2U=\r\n", "d3Jvbmc=\r\n",
		   "MAIL FROM:<a@example.com>\r\n", "AUTH login YWxpY2U=\r\n", "cmlnaHQ=\r\n",
		   "MAIL FROM:<a@example.com>\r\n" },
	  .codes = "250 | 334 | 535 5.7.8 | 530 5.7.0 | 334 | 235 2.7.0 | 250 2.1.0",
	  .events = "EHLO DESKTOP_1 | AUTH LOGIN alice | AUTH_LINE wrong | REFUSED AUTH 535 #1 | "
		    "REFUSED MAIL 530 #2 | AUTH LOGIN alice | AUTH_LINE right | "
		    "MAIL a@example.com" },
	{ .name = "Eudora: PLAIN without a response, and a long-winded cancel",
	  .start = AT_TLS,
	  .say = { "EHLO [10.0.0.5]\r\n", "AUTH LOGIN\r\n", "*\r\n", "AUTH PLAIN\r\n",
		   "AGFsaWNlAHJpZ2h0\r\n" },
	  .codes = "250 | 334 | 501 5.7.0 | 334 | 235 2.7.0",
	  .events = "EHLO [10.0.0.5] | AUTH LOGIN | AUTH_CANCEL | REFUSED AUTH 501 #1 | AUTH PLAIN "
		    "| AUTH_LINE ~alice~right" },
	{ .name = "Outlook Express: AUTH behind HELO",
	  .start = AT_TLS,
	  .say = { "HELO oe\r\n", "AUTH LOGIN\r\n", "YWxpY2U=\r\n", "cmlnaHQ=\r\n", MAIL_OK },
	  .codes = "250 | 334 | 334 | 235 2.7.0 | 250 2.1.0",
	  .events = "EHLO oe (HELO) | AUTH LOGIN | AUTH_LINE alice | AUTH_LINE right | "
		    "MAIL a@example.com" },
	{ .name = "Thunderbird: [IPV6: in upper case, all its parameters",
	  .start = AT_TLS,
	  .say = { "EHLO [IPV6:fe80::1]\r\n", RIGHT,
		   "MAIL FROM:<a@example.com> BODY=8BITMIME SIZE=4 SMTPUTF8\r\n",
		   "RCPT TO:<b@example.net> NOTIFY=SUCCESS\r\n" },
	  .codes = "250 | 235 2.7.0 | 250 2.1.0 | 250 2.1.5",
	  .events = "EHLO [IPV6:fe80::1] | AUTH PLAIN ~alice~right | "
		    "MAIL a@example.com size=4 8bit utf8 | RCPT b@example.net notify=2",
	  .adjust = offers_utf8 },
	{ .name = "Thunderbird's account wizard",
	  .start = AT_PLAIN,
	  .say = { "EHLO we-guess.mozilla.org\r\n", "QUIT\r\n" },
	  .codes = "250 | 221 2.0.0",
	  .events = "EHLO we-guess.mozilla.org | QUIT 221" },
	{ .name = "K-9: MAIL and all RCPT at once",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<a@example.com> BODY=8BITMIME\r\n" RCPT_OK RCPT_OK RCPT_OK,
		   "DATA\r\n", "\303\274\r\n.\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.1.5 | 250 2.1.5 | 354 | 250 2.0.0",
	  .events = "MAIL a@example.com 8bit | RCPT b@example.net | RCPT b@example.net | "
		    "RCPT b@example.net | BODY_BEGIN | BODY_END",
	  .content = "\303\274\r\n" },
	{ .name = "iOS Mail: SMTPUTF8 without BODY, and 8-bit content",
	  .start = AT_TLS,
	  .say = { "EHLO [IPv6:::ffff:10.0.0.1]\r\n", RIGHT,
		   "MAIL FROM:<a@example.com> SMTPUTF8\r\n", RCPT_OK "DATA\r\n", "\374\r\n.\r\n" },
	  .codes = "250 | 235 2.7.0 | 250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0",
	  .events = "EHLO [IPv6:::ffff:10.0.0.1] | AUTH PLAIN ~alice~right | "
		    "MAIL a@example.com utf8 | RCPT b@example.net | BODY_BEGIN | BODY_END",
	  .content = "\374\r\n",
	  .adjust = offers_utf8 },
	{ .name = "smtplib: lower case, size=, every way to log in",
	  .start = AT_TLS,
	  .say = { "ehlo [127.0.1.1]\r\n", "AUTH CRAM-MD5\r\n", "AUTH PLAIN AGFsaWNlAHdyb25n\r\n",
		   "AUTH LOGIN YWxpY2U=\r\n", "cmlnaHQ=\r\n",
		   "mail FROM:<a@example.com> size=3 body=8bitmime\r\n",
		   "rcpt TO:<b@example.net>\r\n", "data\r\n", "x\r\n.\r\n", "quit\r\n" },
	  .codes = "250 | 504 5.5.4 | 535 5.7.8 | 334 | 235 2.7.0 | 250 2.1.0 | 250 2.1.5 | 354 | "
		   "250 2.0.0 | 221 2.0.0",
	  .events = "EHLO [127.0.1.1] | REFUSED AUTH 504 #1 | AUTH PLAIN ~alice~wrong | "
		    "REFUSED AUTH 535 #2 | AUTH LOGIN alice | AUTH_LINE right | "
		    "MAIL a@example.com size=3 8bit | RCPT b@example.net | BODY_BEGIN | BODY_END | "
		    "QUIT 221",
	  .content = "x\r\n" },
	{ .name = "old scripts: addresses without brackets",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:a@example.com\r\nRCPT TO: b@example.net \r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5",
	  .events = "MAIL a@example.com | RCPT b@example.net" },
	{ .name = "devices: trailing blanks",
	  .start = AT_TLS,
	  .say = { "EHLO scanner \r\n", "AUTH PLAIN AGFsaWNlAHJpZ2h0 \r\n",
		   "MAIL FROM:<a@example.com> \r\n", "RCPT TO:<b@example.net>  \r\n", "DATA \r\n",
		   "x\r\n.\r\n", "RSET \r\nNOOP \r\nQUIT  \r\n" },
	  .codes = "250 | 235 2.7.0 | 250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0 | 250 2.0.0 | "
		   "250 2.0.0 | 221 2.0.0",
	  .events = "EHLO scanner | AUTH PLAIN ~alice~right | MAIL a@example.com | "
		    "RCPT b@example.net | BODY_BEGIN | BODY_END | QUIT 221",
	  .content = "x\r\n" },
	{ .name = "devices and PHP scripts: bare LF in the content",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK "DATA\r\n", "Subject: x\n\nscan\n.\n\r\n.\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0",
	  .events = "MAIL a@example.com | RCPT b@example.net | BODY_BEGIN | BODY_END",
	  .content = "Subject: x\r\n\r\nscan\r\n.\r\n\r\n" },
	{ .name = "names that are no domains: DokuWiki, worker-mailer, K-9, others",
	  .start = AT_TLS,
	  .say = { "EHLO localhost\r\nEHLO 10.0.0.5\r\nEHLO [fe80::1%eth0]\r\nEHLO [::1]\r\n",
		   "EHLO [IPv6:2001:db8::]\r\nEHLO [10.0.0.5\r\nEHLO [\r\nEHLO my_host\r\n",
		   "EHLO b\303\274ro\r\nEHLO \374\r\nEHLO -\r\nEHLO a b\r\n" },
	  .codes = "250 | 250 | 250 | 250 | 250 | 250 | 250 | 250 | 250 | 250 | 250 | 250",
	  .events = "EHLO localhost | EHLO 10.0.0.5 | EHLO [fe80::1%eth0] | EHLO [::1] | "
		    "EHLO [IPv6:2001:db8::] | EHLO [10.0.0.5 | EHLO [ | EHLO my_host | "
		    "EHLO b\303\274ro | EHLO \374 | EHLO - | EHLO a b" },
	{ .name = "MailKit: BINARYMIME in pipelined chunks",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<a@example.com> BODY=BINARYMIME\r\n" RCPT_OK "BDAT 3\r\n\n\n\n"
		   "BDAT 2 LAST\r\n\r\r" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 2.0.0",
	  .events = "MAIL a@example.com binary | RCPT b@example.net | BODY_BEGIN | BODY_END",
	  .content = "\n\n\n\r\r" },
	{ .name = "Jakarta Mail: chunks, AUTH= and DSN",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<a@example.com> RET=HDRS AUTH=<>\r\n",
		   "RCPT TO:<b@example.net> NOTIFY=FAILURE\r\n", "BDAT 3\r\nx\r\n",
		   "BDAT 0 LAST\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.0.0 | 250 2.0.0",
	  .events = "MAIL a@example.com auth=<> ret=hdrs | RCPT b@example.net notify=4 | "
		    "BODY_BEGIN | BODY_END",
	  .content = "x\r\n" },
	{ .name = "msmtp: the whole envelope with DATA",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK RCPT_OK RCPT_OK "DATA\r\n", "x\r\n.\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.1.5 | 354 | 250 2.0.0",
	  .events = "MAIL a@example.com | RCPT b@example.net | RCPT b@example.net | BODY_BEGIN | "
		    "BODY_END",
	  .content = "x\r\n" },
	{ .name = "curl: an empty initial response",
	  .start = AT_TLS,
	  .say = { "EHLO host\r\n", "AUTH PLAIN =\r\n", "AUTH LOGIN\r\n", "=\r\n" },
	  .codes = "250 | 535 5.7.8 | 334 | 501 5.5.2",
	  .events = "EHLO host | AUTH PLAIN  | REFUSED AUTH 535 #1 | AUTH LOGIN | AUTH_CANCEL | "
		    "REFUSED AUTH 501 #2" },
};

static void dialogues_however_split(void **state)
{
	(void)state;
	dialogues_check(dialogues, sizeof(dialogues) / sizeof(dialogues[0]));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(dialogues_however_split) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
