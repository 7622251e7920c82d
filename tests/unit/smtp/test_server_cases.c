#include "test.h"

#include "dialogue.h"

#define X10 "xxxxxxxxxx"
#define X100 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static const struct dialogue dialogues[] = {
	{ "a message",
	  LOGGED_IN,
	  { MAIL_OK RCPT_OK "DATA\r\n", "Subject: x\r\n\r\n..dot\r\n.\r\n", "QUIT\r\n" },
	  "250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0 | 221 2.0.0",
	  "MAIL a@example.com | RCPT b@example.net | BODY_BEGIN | BODY_END | QUIT 221",
	  "Subject: x\r\n\r\n.dot\r\n",
	  NULL },
	{ "two messages, pipelined behind the dot",
	  LOGGED_IN,
	  { MAIL_OK RCPT_OK "DATA\r\n", "1\r\n.\r\n" MAIL_OK RCPT_OK "DATA\r\n",
	    "2\r\n.\r\nQUIT\r\n" },
	  "250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0 | 250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0 | "
	  "221 2.0.0",
	  "MAIL a@example.com | RCPT b@example.net | BODY_BEGIN | BODY_END | MAIL a@example.com | "
	  "RCPT b@example.net | BODY_BEGIN | BODY_END | QUIT 221",
	  "1\r\n2\r\n",
	  NULL },
	{ "empty message",
	  LOGGED_IN,
	  { MAIL_OK RCPT_OK "DATA\r\n", ".\r\n" },
	  "250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0",
	  "MAIL a@example.com | RCPT b@example.net | BODY_BEGIN | BODY_END",
	  NULL,
	  NULL },
	{ "null sender, postmaster, lower case, no brackets, space before the path",
	  LOGGED_IN,
	  { "mail from: <>\r\nrcpt to:<Postmaster>\r\nRcpt To: b@example.net\r\n" },
	  "250 2.1.0 | 250 2.1.5 | 250 2.1.5",
	  "MAIL  | RCPT Postmaster | RCPT b@example.net",
	  NULL,
	  NULL },

	/* before TLS */
	{ "before TLS",
	  AT_PLAIN,
	  { "MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nVRFY a\r\nHELP\r\nNOOP\r\nRSET\r\n",
	    "AUTH PLAIN AGFsaWNlAHJpZ2h0\r\nDATA\r\n", "EXPN a\r\nWHAT\r\nQUIT\r\n" },
	  "530 5.7.0 | 530 5.7.0 | 530 5.7.0 | 530 5.7.0 | 250 2.0.0 | 250 2.0.0 | 538 5.7.11 | "
	  "530 5.7.0 | 530 5.7.0 | 500 5.5.2 | 221 2.0.0",
	  "REFUSED MAIL 530 #1 | REFUSED RCPT 530 #2 | REFUSED VRFY 530 #3 | REFUSED HELP 530 #4 "
	  "| REFUSED AUTH 538 #5 | REFUSED DATA 530 #6 | REFUSED EXPN 530 #7 | REFUSED - 500 #8 | "
	  "QUIT 221",
	  NULL,
	  NULL },
	{ "STARTTLS forgets EHLO",
	  AT_PLAIN,
	  { "EHLO one\r\n", "STARTTLS\r\n", "MAIL FROM:<a@b>\r\n", "EHLO two\r\n", "STARTTLS\r\n" },
	  "250 | 220 2.0.0 | 503 5.5.1 | 250 | 503 5.5.1",
	  "EHLO one | STARTTLS | REFUSED MAIL 503 #1 | EHLO two | REFUSED STARTTLS 503 #2",
	  NULL,
	  NULL },
	{ "STARTTLS with an argument",
	  AT_PLAIN,
	  { "STARTTLS now\r\n", "STARTTLS \r\n" },
	  "501 5.5.4 | 220 2.0.0",
	  "REFUSED STARTTLS 501 #1 | STARTTLS",
	  NULL,
	  NULL },
	{ "login lost with STARTTLS over",
	  AT_TLS,
	  { "EHLO c\r\n", "MAIL FROM:<a@b>\r\n" },
	  "250 | 530 5.7.0",
	  "EHLO c | REFUSED MAIL 530 #1",
	  NULL,
	  NULL },

	/* logins */
	{ "AUTH before EHLO",
	  AT_TLS,
	  { "AUTH PLAIN\r\n" },
	  "503 5.5.1",
	  "REFUSED AUTH 503 #1",
	  NULL,
	  NULL },
	{ "AUTH behind HELO, PLAIN in two steps",
	  AT_TLS,
	  { "HELO c\r\nAUTH PLAIN\r\n", "AGFsaWNlAHJpZ2h0\r\n" MAIL_OK },
	  "250 | 334 | 235 2.7.0 | 250 2.1.0",
	  "EHLO c (HELO) | AUTH PLAIN | AUTH_LINE ~alice~right | MAIL a@example.com",
	  NULL,
	  NULL },
	{ "LOGIN with a name, lower case, spaces",
	  AT_TLS,
	  { "HELO c\r\n", "auth  login   YWxpY2U=\r\n", "cmlnaHQ=\r\n" },
	  "250 | 334 | 235 2.7.0",
	  "EHLO c (HELO) | AUTH LOGIN alice | AUTH_LINE right",
	  NULL,
	  NULL },
	{ "empty initial response",
	  AT_TLS,
	  { "HELO c\r\n", "AUTH PLAIN =\r\n" },
	  "250 | 535 5.7.8",
	  "EHLO c (HELO) | AUTH PLAIN  | REFUSED AUTH 535 #1",
	  NULL,
	  NULL },
	{ "cancelled",
	  AT_TLS,
	  { "HELO c\r\n", "AUTH LOGIN\r\n", "YWxpY2U=\r\n", "*\r\n", "NOOP\r\n" },
	  "250 | 334 | 334 | 501 5.7.0 | 250 2.0.0",
	  "EHLO c (HELO) | AUTH LOGIN | AUTH_LINE alice | AUTH_CANCEL | REFUSED AUTH 501 #1",
	  NULL,
	  NULL },
	{ "broken base64 in a response",
	  AT_TLS,
	  { "HELO c\r\n", "AUTH LOGIN\r\n", "YWxpY2U\r\n", "AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n" },
	  "250 | 334 | 501 5.5.2 | 235 2.7.0",
	  "EHLO c (HELO) | AUTH LOGIN | AUTH_CANCEL | REFUSED AUTH 501 #1 | "
	  "AUTH PLAIN ~alice~right",
	  NULL,
	  NULL },
	{ "broken initial responses",
	  AT_TLS,
	  { "HELO c\r\n",
	    "AUTH PLAIN ====\r\nAUTH PLAIN A\r\nAUTH PLAIN AA\r\nAUTH PLAIN AAA\r\n"
	    "AUTH PLAIN AA=A\r\nAUTH PLAIN AAAA=AAA\r\nAUTH PLAIN !!!!\r\nAUTH PLAIN AA AA\r\n"
	    "AUTH PLAIN AA\tAA\r\n" },
	  "250 | 501 5.5.2 | 501 5.5.2 | 501 5.5.2 | 501 5.5.2 | 501 5.5.2 | 501 5.5.2 | "
	  "501 5.5.2 | 501 5.5.2 | 501 5.5.2",
	  "EHLO c (HELO) | REFUSED AUTH 501 #1 | REFUSED AUTH 501 #2 | REFUSED AUTH 501 #3 | "
	  "REFUSED AUTH 501 #4 | REFUSED AUTH 501 #5 | REFUSED AUTH 501 #6 | "
	  "REFUSED AUTH 501 #7 | REFUSED AUTH 501 #8 | REFUSED AUTH 501 #9",
	  NULL,
	  NULL },
	{ "mechanisms that are not offered",
	  AT_TLS,
	  { "HELO c\r\n", "AUTH ANONYMOUS\r\nAUTH NTLM\r\nAUTH PLAI\r\nAUTH PLAINX\r\n"
			  "AUTH ABCDEFGHIJKLMNOPQRSTU\r\nAUTH\r\n" },
	  "250 | 504 5.5.4 | 504 5.5.4 | 504 5.5.4 | 504 5.5.4 | 504 5.5.4 | 501 5.5.4",
	  "EHLO c (HELO) | REFUSED AUTH 504 #1 | REFUSED AUTH 504 #2 | REFUSED AUTH 504 #3 | "
	  "REFUSED AUTH 504 #4 | REFUSED AUTH 504 #5 | REFUSED AUTH 501 #6",
	  NULL,
	  NULL },
	{ "AUTH twice and within a message",
	  LOGGED_IN,
	  { "AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n" MAIL_OK "AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n"
	    "STARTTLS\r\n" },
	  "503 5.5.1 | 250 2.1.0 | 503 5.5.1 | 503 5.5.1",
	  "REFUSED AUTH 503 #1 | MAIL a@example.com | REFUSED AUTH 503 #2 | "
	  "REFUSED STARTTLS 503 #3",
	  NULL,
	  NULL },
	{ "too many failed logins",
	  AT_TLS,
	  { "HELO c\r\n", "AUTH PLAIN AGFsaWNlAHdyb25n\r\n", "AUTH PLAIN AGFsaWNlAGJ1c3k=\r\n",
	    "AUTH PLAIN AGFsaWNlAHdyb25n\r\n", "AUTH PLAIN AGFsaWNlAHdyb25n\r\n",
	    "AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n", "NOOP\r\n" },
	  "250 | 535 5.7.8 | 454 4.7.0 | 535 5.7.8 | 535 5.7.8 | 421 4.7.0",
	  "EHLO c (HELO) | AUTH PLAIN ~alice~wrong | REFUSED AUTH 535 #1 | "
	  "AUTH PLAIN ~alice~busy | REFUSED AUTH 454 #2 | AUTH PLAIN ~alice~wrong | "
	  "REFUSED AUTH 535 #3 | AUTH PLAIN ~alice~wrong | REFUSED AUTH 535 #4 | "
	  "REFUSED AUTH 421 #5 | CLOSE 421",
	  NULL,
	  NULL },

	/* the envelope */
	{ "parameters",
	  LOGGED_IN,
	  { "MAIL FROM:<a@example.com> SIZE=999 body=8bitmime AUTH=e+3Dx@y\r\nRSET\r\n",
	    "MAIL FROM:<a@example.com> AUTH=<> size=0 BODY=7BIT\r\n" },
	  "250 2.1.0 | 250 2.0.0 | 250 2.1.0",
	  "MAIL a@example.com size=999 8bit auth=e=x@y | RESET | MAIL a@example.com auth=<>",
	  NULL,
	  NULL },
	{ "bad parameters",
	  LOGGED_IN,
	  { "MAIL FROM:<a@b> SIZE=-1\r\nMAIL FROM:<a@b> SIZE=1 SIZE=1\r\n"
	    "MAIL FROM:<a@b> BODY=X\r\nMAIL FROM:<a@b> AUTH=a+0D+0AX\r\n",
	    "MAIL FROM:<a@b> AUTH=+00\r\nMAIL FROM:<a@b> AUTH=+\r\nMAIL FROM:<a@b> AUTH=+G1\r\n"
	    "MAIL FROM:<a@b> AUTH=a\r\nMAIL FROM:<a@b> AUTH=<a@b>\r\nMAIL FROM:<a@b> AUTH=\r\n"
	    "MAIL FROM:<a@b> SIZE\r\n",
	    "MAIL FROM:<a@b> BY=1\r\nMAIL FROM:<a@b> SMTPUTF8\r\n"
	    "MAIL FROM:<a@b> SIZE=1001\r\nMAIL FROM:<a@b> SIZE=18446744073709551616\r\n"
	    "MAIL FROM:<a@b> SIZE=1000\r\nRCPT TO:<a@b> BY=1\r\nRCPT TO:<a@b> =\r\n" },
	  "501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | "
	  "501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 555 5.5.4 | 555 5.5.4 | 552 5.3.4 | "
	  "552 5.3.4 | 250 2.1.0 | 555 5.5.4 | 501 5.5.4",
	  "REFUSED MAIL 501 #1 | REFUSED MAIL 501 #2 | REFUSED MAIL 501 #3 | "
	  "REFUSED MAIL 501 #4 | REFUSED MAIL 501 #5 | REFUSED MAIL 501 #6 | "
	  "REFUSED MAIL 501 #7 | REFUSED MAIL 501 #8 | REFUSED MAIL 501 #9 | "
	  "REFUSED MAIL 501 #10 | REFUSED MAIL 501 #11 | REFUSED MAIL 555 #12 | "
	  "REFUSED MAIL 555 #13 | REFUSED MAIL 552 #14 | REFUSED MAIL 552 #15 | "
	  "MAIL a@b size=1000 | REFUSED RCPT 555 #16 | REFUSED RCPT 501 #17",
	  NULL,
	  NULL },
	{ "DSN",
	  LOGGED_IN,
	  { "MAIL FROM:<a@example.com> RET=HDRS ENVID=QQ+2B314159\r\n",
	    "RCPT TO:<b@c> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+3Dx@c\r\nRCPT TO:<d@e>\r\n",
	    "RCPT TO:<f@g> orcpt=x400;/S=+20 notify=never\r\nRSET\r\n",
	    "MAIL FROM:<a@example.com> ret=full\r\n", "RCPT TO:<b@c> NOTIFY=Failure\r\n" },
	  "250 2.1.0 | 250 2.1.5 | 250 2.1.5 | 501 5.5.4 | 250 2.0.0 | 250 2.1.0 | 250 2.1.5",
	  "MAIL a@example.com ret=hdrs envid=QQ+2B314159 | "
	  "RCPT b@c notify=10 orcpt=rfc822;B+3Dx@c | RCPT d@e | REFUSED RCPT 501 #1 | RESET | "
	  "MAIL a@example.com ret=full | RCPT b@c notify=4",
	  NULL,
	  NULL },
	{ "bad DSN in MAIL",
	  LOGGED_IN,
	  { "MAIL FROM:<a@b> RET=ALL\r\nMAIL FROM:<a@b> RET\r\nMAIL FROM:<a@b> RET=\r\n",
	    "MAIL FROM:<a@b> RET=FULL RET=FULL\r\nMAIL FROM:<a@b> ENVID=a ENVID=a\r\n",
	    "MAIL FROM:<a@b> ENVID\r\nMAIL FROM:<a@b> ENVID=a+0Ab\r\nMAIL FROM:<a@b> ENVID=+\r\n",
	    "MAIL FROM:<a@b> ENVID=+C3+BC\r\nMAIL FROM:<a@b> NOTIFY=NEVER\r\n" MAIL_OK },
	  "501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | "
	  "501 5.5.4 | 501 5.5.4 | 555 5.5.4 | 250 2.1.0",
	  "REFUSED MAIL 501 #1 | REFUSED MAIL 501 #2 | REFUSED MAIL 501 #3 | "
	  "REFUSED MAIL 501 #4 | REFUSED MAIL 501 #5 | REFUSED MAIL 501 #6 | "
	  "REFUSED MAIL 501 #7 | REFUSED MAIL 501 #8 | REFUSED MAIL 501 #9 | "
	  "REFUSED MAIL 555 #10 | MAIL a@example.com",
	  NULL,
	  NULL },
	{ "empty values",
	  LOGGED_IN,
	  { "MAIL FROM:<a@b> SIZE=\r\nMAIL FROM:<a@b> BODY=\r\nMAIL FROM:<a@b> AUTH=\r\n",
	    "MAIL FROM:<a@b> RET=\r\n" MAIL_OK,
	    "RCPT TO:<a@b> NOTIFY=\r\nRCPT TO:<a@b> ORCPT=\r\n" },
	  "501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 250 2.1.0 | 501 5.5.4 | 501 5.5.4",
	  "REFUSED MAIL 501 #1 | REFUSED MAIL 501 #2 | REFUSED MAIL 501 #3 | REFUSED MAIL 501 #4 | "
	  "MAIL a@example.com | REFUSED RCPT 501 #5 | REFUSED RCPT 501 #6",
	  NULL,
	  NULL },
	{ "an ENVID that no ENVID can be",
	  LOGGED_IN,
	  { "MAIL FROM:<a@b> RET=HDRS ENVID=<1@b\xC3\xBC"
	    "cher.example>\r\nRSET\r\n",
	    "MAIL FROM:<a@b> ENVID=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nRSET\r\n",
	    "MAIL FROM:<a@b> RET=FULL ENVID=\r\nRSET\r\nMAIL FROM:<a@b> ENVID= ENVID=\r\n" },
	  "250 2.1.0 | 250 2.0.0 | 250 2.1.0 | 250 2.0.0 | 250 2.1.0 | 250 2.0.0 | 501 5.5.4",
	  "MAIL a@b ret=hdrs | RESET | MAIL a@b | RESET | MAIL a@b ret=full | RESET | REFUSED MAIL "
	  "501 #1",
	  NULL,
	  NULL },
	{ "bad DSN in RCPT",
	  LOGGED_IN,
	  { MAIL_OK "RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS\r\nRCPT TO:<a@b> NOTIFY\r\n",
	    "RCPT TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY\r\nRCPT TO:<a@b> ORCPT=rfc822\r\n",
	    "RCPT TO:<a@b> ORCPT=rfc822;a ORCPT=rfc822;a\r\nRCPT TO:<a@b> ORCPT=;a\r\n",
	    "RCPT TO:<a@b> ORCPT=rfc822;a+0A-H\r\nRCPT TO:<a@b> RET=FULL\r\n",
	    "RCPT TO:<a@b> NOTIFY=DELAY SIZE=1\r\nDATA\r\n", RCPT_OK "DATA\r\n" },
	  "250 2.1.0 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | "
	  "501 5.5.4 | 555 5.5.4 | 555 5.5.4 | 554 5.5.1 | 250 2.1.5 | 354",
	  "MAIL a@example.com | REFUSED RCPT 501 #1 | REFUSED RCPT 501 #2 | "
	  "REFUSED RCPT 501 #3 | REFUSED RCPT 501 #4 | REFUSED RCPT 501 #5 | "
	  "REFUSED RCPT 501 #6 | REFUSED RCPT 501 #7 | REFUSED RCPT 555 #8 | "
	  "REFUSED RCPT 555 #9 | REFUSED DATA 554 #10 | RCPT b@example.net | BODY_BEGIN",
	  NULL,
	  NULL },
	{ "bad paths",
	  LOGGED_IN,
	  { "MAIL FROM:<a\r\nMAIL FROM <a@b>\r\nMAIL\r\nMAIL FROM:<@x:a@b>\r\n"
	    "MAIL FROM:<\303\274@b>\r\nMAIL FROM:<\303@b>\r\n" MAIL_OK
	    "RCPT TO:<>\r\nRCPT TO:<@x,@y:c@d>\r\nRCPT TO:<c@\303\274.de>\r\n" },
	  "501 5.1.7 | 501 5.5.4 | 501 5.5.4 | 550 5.1.7 | 550 5.6.7 | 501 5.1.7 | 250 2.1.0 | "
	  "501 5.1.3 | 550 5.1.3 | 550 5.6.7",
	  "REFUSED MAIL 501 #1 | REFUSED MAIL 501 #2 | REFUSED MAIL 501 #3 | "
	  "REFUSED MAIL 550 #4 | REFUSED MAIL 550 #5 | REFUSED MAIL 501 #6 | "
	  "MAIL a@example.com | REFUSED RCPT 501 #7 | REFUSED RCPT 550 #8 | "
	  "REFUSED RCPT 550 #9",
	  NULL,
	  NULL },
	{ "too many recipients",
	  LOGGED_IN,
	  { MAIL_OK RCPT_OK RCPT_OK RCPT_OK "RCPT TO:<no@example.net>\r\n" RCPT_OK RCPT_OK RCPT_OK
					    "DATA\r\n" },
	  "250 2.1.0 | 250 2.1.5 | 250 2.1.5 | 250 2.1.5 | 550 5.1.1 | 250 2.1.5 | 250 2.1.5 | "
	  "452 4.5.3 | 354",
	  "MAIL a@example.com | RCPT b@example.net | RCPT b@example.net | RCPT b@example.net | "
	  "RCPT no@example.net | REFUSED RCPT 550 #1 | RCPT b@example.net | "
	  "RCPT b@example.net | REFUSED RCPT 452 #2 | BODY_BEGIN",
	  NULL,
	  NULL },
	{ "out of order",
	  LOGGED_IN,
	  { "RCPT TO:<a@b>\r\n", "DATA\r\n", MAIL_OK MAIL_OK "DATA\r\n", "DATA now\r\n",
	    RCPT_OK "RSET\r\nRCPT TO:<a@b>\r\n" },
	  "503 5.5.1 | 503 5.5.1 | 250 2.1.0 | 503 5.5.1 | 554 5.5.1 | 501 5.5.4 | 250 2.1.5 | "
	  "250 2.0.0 | 503 5.5.1",
	  "REFUSED RCPT 503 #1 | REFUSED DATA 503 #2 | MAIL a@example.com | REFUSED MAIL 503 #3 "
	  "| REFUSED DATA 554 #4 | REFUSED DATA 501 #5 | RCPT b@example.net | RESET | "
	  "REFUSED RCPT 503 #6",
	  NULL,
	  NULL },
	{ "all recipients refused",
	  LOGGED_IN,
	  { MAIL_OK "RCPT TO:<no@b>\r\nRCPT TO:<later@b>\r\nDATA\r\n", RCPT_OK "DATA\r\n" },
	  "250 2.1.0 | 550 5.1.1 | 450 4.2.0 | 554 5.5.1 | 250 2.1.5 | 354",
	  "MAIL a@example.com | RCPT no@b | REFUSED RCPT 550 #1 | RCPT later@b | "
	  "REFUSED RCPT 450 #2 | REFUSED DATA 554 #3 | RCPT b@example.net | BODY_BEGIN",
	  NULL,
	  NULL },
	{ "refused MAIL opens nothing",
	  LOGGED_IN,
	  { "MAIL FROM:<denied@b>\r\nRCPT TO:<a@b>\r\n" MAIL_OK },
	  "550 5.7.60 | 503 5.5.1 | 250 2.1.0",
	  "MAIL denied@b | REFUSED MAIL 550 #1 | REFUSED RCPT 503 #2 | MAIL a@example.com",
	  NULL,
	  NULL },
	{ "EHLO ends a message, a bad EHLO does not",
	  LOGGED_IN,
	  { MAIL_OK "EHLO \r\n" RCPT_OK "EHLO again\r\nRCPT TO:<a@b>\r\n" },
	  "250 2.1.0 | 501 5.5.4 | 250 2.1.5 | 250 | 503 5.5.1",
	  "MAIL a@example.com | REFUSED EHLO 501 #1 | RCPT b@example.net | RESET | EHLO again | "
	  "REFUSED RCPT 503 #2",
	  NULL,
	  NULL },
	{ "VRFY, EXPN, HELP and old verbs leave a message alone",
	  LOGGED_IN,
	  { MAIL_OK "VRFY \303\274\r\nVRFY\r\nEXPN x\r\nHELP\r\nETRN x\r\nXCLIENT ADDR=1\r\nWIZ\r\n"
		    "NOOP x\r\nFOO\r\n\r\n" RCPT_OK },
	  "250 2.1.0 | 252 2.0.0 | 501 5.5.4 | 502 5.5.1 | 214 2.0.0 | 502 5.5.1 | 502 5.5.1 | "
	  "502 5.5.1 | 250 2.0.0 | 500 5.5.2 | 500 5.5.2 | 250 2.1.5",
	  "MAIL a@example.com | REFUSED VRFY 501 #1 | REFUSED EXPN 502 #2 | REFUSED ETRN 502 #3 "
	  "| REFUSED XCLIENT 502 #4 | REFUSED WIZ 502 #5 | "
	  "REFUSED - 500 #6 | REFUSED - 500 #7 | RCPT b@example.net",
	  NULL,
	  NULL },

	/* every outcome of DATA ends the transaction */
	{ "refused DATA",
	  LOGGED_IN,
	  { "MAIL FROM:<full@b>\r\n" RCPT_OK "DATA\r\n", "RCPT TO:<a@b>\r\nDATA\r\n" },
	  "250 2.1.0 | 250 2.1.5 | 452 4.3.1 | 503 5.5.1 | 503 5.5.1",
	  "MAIL full@b | RCPT b@example.net | BODY_BEGIN | REFUSED DATA 452 #1 | "
	  "REFUSED RCPT 503 #2 | REFUSED DATA 503 #3",
	  NULL,
	  NULL },
	{ "refused content",
	  LOGGED_IN,
	  { "MAIL FROM:<broken@b>\r\n" RCPT_OK "DATA\r\n", "x\r\n.\r\nRCPT TO:<a@b>\r\nDATA\r\n" },
	  "250 2.1.0 | 250 2.1.5 | 354 | 451 4.3.0 | 503 5.5.1 | 503 5.5.1",
	  "MAIL broken@b | RCPT b@example.net | BODY_BEGIN | BODY_END | REFUSED DATA 451 #1 | "
	  "REFUSED RCPT 503 #2 | REFUSED DATA 503 #3",
	  "x\r\n",
	  NULL },
	{ "bare CR in the content",
	  LOGGED_IN,
	  { MAIL_OK RCPT_OK "DATA\r\n", "x\r\n\r.\r\ny\r\n.\r\nRCPT TO:<a@b>\r\n" },
	  "250 2.1.0 | 250 2.1.5 | 354 | 550 5.6.0 | 503 5.5.1",
	  "MAIL a@example.com | RCPT b@example.net | BODY_BEGIN | BODY_BAD | "
	  "REFUSED DATA 550 #1 | REFUSED RCPT 503 #2",
	  NULL,
	  NULL },
	{ "bare LF made CRLF",
	  LENIENT_LF,
	  { MAIL_OK RCPT_OK "DATA\r\n", "x\n.\r\nMAIL FROM:<e@x>\ny\r\n.\r\n" },
	  "250 2.1.0 | 250 2.1.5 | 354 | 250 2.0.0",
	  "MAIL a@example.com | RCPT b@example.net | BODY_BEGIN | BODY_END",
	  "x\r\n.\r\nMAIL FROM:<e@x>\r\ny\r\n",
	  NULL },

	/* line ends in commands */
	{ "bare LF ends nothing",
	  LOGGED_IN,
	  { "MAIL FROM:<a@b>\nRCPT TO:<c@d>\r\n" },
	  "500 5.5.2",
	  "REFUSED - 500 #1 | CLOSE 500",
	  NULL,
	  NULL },
	{ "bare CR",
	  LOGGED_IN,
	  { "NOOP\rNOOP\r\n" },
	  "500 5.5.2",
	  "REFUSED - 500 #1 | CLOSE 500",
	  NULL,
	  NULL },
	{ "CR CR LF",
	  LOGGED_IN,
	  { "NOOP\r\r\n" },
	  "500 5.5.2",
	  "REFUSED - 500 #1 | CLOSE 500",
	  NULL,
	  NULL },
	{ "LF within a login",
	  AT_TLS,
	  { "HELO c\r\n", "AUTH LOGIN\r\n", "YWxpY2U=\n" },
	  "250 | 334 | 500 5.5.2",
	  "EHLO c (HELO) | AUTH LOGIN | REFUSED - 500 #1 | CLOSE 500",
	  NULL,
	  NULL },
	{ "HTTP", AT_TLS, { "GET / HTTP/1.1\r\nHost: x\r\n" }, "", "CLOSE 0", NULL, NULL },
	{ "HTTP, before TLS",
	  AT_PLAIN,
	  { "post /x HTTP/1.1\r\n\r\nEHLO x\r\n" },
	  "",
	  "CLOSE 0",
	  NULL,
	  NULL },
	{ "TLS before STARTTLS",
	  AT_PLAIN,
	  { "\x16\x03\x01\x02\x06\x01 and more\r\nEHLO x\r\n", "EHLO x\r\n" },
	  "530 5.7.0",
	  "REFUSED - 530 #1 | CLOSE 530",
	  NULL,
	  NULL },
	{ "TLS without STARTTLS behind EHLO, a record of 0x0D0A octets",
	  AT_PLAIN,
	  { "EHLO c\r\n", "\x16\x03\x01\r\n\x01" },
	  "250 | 530 5.7.0",
	  "EHLO c | REFUSED - 530 #1 | CLOSE 530",
	  NULL,
	  NULL },
	{ "what is no record of TLS, or not at the beginning of a line",
	  AT_PLAIN,
	  { "\x16\r\n\x16x\r\nNOOP \x16\x03\x01\r\n" },
	  "500 5.5.2 | 500 5.5.2 | 250 2.0.0",
	  "REFUSED - 500 #1 | REFUSED - 500 #2",
	  NULL,
	  NULL },
	{ "a record of TLS in TLS",
	  AT_TLS,
	  { "\x16\x03\x01\r\nNOOP\r\n" },
	  "500 5.5.2 | 250 2.0.0",
	  "REFUSED - 500 #1",
	  NULL,
	  NULL },
	{ "a record of TLS in a line that is too long",
	  AT_PLAIN,
	  { X100 X100 X100 X100 X100 X100 "\x16\x03\x01\r\nNOOP\r\n" },
	  "500 5.5.2 | 250 2.0.0",
	  "REFUSED - 500 #1",
	  NULL,
	  NULL },
	{ "QUIT twice",
	  AT_TLS,
	  { "QUIT\r\nQUIT\r\n", "QUIT\r\n" },
	  "221 2.0.0",
	  "QUIT 221",
	  NULL,
	  NULL },
	{ "too many errors",
	  AT_TLS,
	  { "a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\nj\r\n",
	    "a\r\nb\r\nc\r\nd\r\ne\r\nf\r\ng\r\nh\r\ni\r\nj\r\n", "k\r\nNOOP\r\n" },
	  "500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | "
	  "500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | "
	  "500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 500 5.5.2 | 421 4.7.0",
	  "REFUSED - 500 #1 | REFUSED - 500 #2 | REFUSED - 500 #3 | REFUSED - 500 #4 | "
	  "REFUSED - 500 #5 | REFUSED - 500 #6 | REFUSED - 500 #7 | REFUSED - 500 #8 | "
	  "REFUSED - 500 #9 | REFUSED - 500 #10 | REFUSED - 500 #11 | REFUSED - 500 #12 | "
	  "REFUSED - 500 #13 | REFUSED - 500 #14 | REFUSED - 500 #15 | REFUSED - 500 #16 | "
	  "REFUSED - 500 #17 | REFUSED - 500 #18 | REFUSED - 500 #19 | REFUSED - 500 #20 | "
	  "REFUSED - 421 #21 | CLOSE 421",
	  NULL,
	  NULL },
	{ "names that real clients give",
	  AT_TLS,
	  { "EHLO DESKTOP_1\r\n", "EHLO [IPV6:::ffff:10.0.0.1]\r\n", "HELO a)(b;${run{/x}}%n\r\n",
	    "EHLO\r\nHELO \r\nEHLO a\tb\r\n" },
	  "250 | 250 | 250 | "
	  "501 5.5.4 | 501 5.5.4 | 501 5.5.4",
	  "EHLO DESKTOP_1 | EHLO [IPV6:::ffff:10.0.0.1] | EHLO a)(b;${run{/x}}%n (HELO) | "
	  "REFUSED EHLO 501 #1 | REFUSED HELO 501 #2 | REFUSED EHLO 501 #3",
	  NULL,
	  NULL },
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
