#include "mail/dsn.h"

#include <stdlib.h>

#include "test.h"

#define HEADER "Received: from example.com\r\nSubject: hello\r\nMessage-ID: <m1@example.com>\r\n"
#define BOUNDARY "=_0123456789abcdeffedcba9876543210_01DEF"
#define UMLAUT "j\xC3\xBCrgen@b\xC3\xBC.example"

static struct mail_dsn_recipient refused(const char *address)
{
	return (struct mail_dsn_recipient){
		.action = MAIL_DSN_FAILED,
		.address = span_text(address),
		.status = { 5, 1, 1 },
		.reply = SMTP_REPLY(550, 5, 1, 1, "No such user here"),
		.smarthost = "smtp.example.net",
	};
}

static struct mail_dsn notice(const struct mail_dsn_recipient *recipients, size_t count)
{
	return (struct mail_dsn){
		.reporting_mta = "relay.example.com",
		.company = "Example Corp",
		.id = "01ABC",
		.notice_id = "01DEF",
		.random = { 0x0123456789ABCDEF, 0xFEDCBA9876543210 },
		.sender = span_text("alice@example.com"),
		.header = span_text(HEADER "\r\n"),
		.arrived_ms = 1795299114123,
		.now_ms = 1795302714123,
		.last_ms = 1795302713000,
		.recipients = recipients,
		.recipient_count = count,
	};
}

/* The whole notice as text: lines with CRLF of at most 998 octets without controls, and 7-bit unless
 * it says otherwise, or the test fails. */
static char *format_with(const struct mail_dsn *dsn, const char *original)
{
	struct buf out = { 0 };
	struct span rest;

	mail_dsn_begin(dsn, &out);
	buf_put_text(&out, original);
	mail_dsn_end(dsn, &out);
	for (rest = buf_span(&out); rest.len;) {
		size_t end = span_find(rest, '\n');

		assert_true(end < rest.len && end > 0 && rest.at[end - 1] == '\r');
		assert_true(end - 1 <= 998);
		for (size_t i = 0; i + 1 < end; i++)
			assert_true((rest.at[i] >= ' ' && rest.at[i] != 127) || rest.at[i] == '\t');
		rest = span_from(rest, end + 1);
	}
	assert_true(mail_dsn_is_8bit(dsn) || span_is_ascii(buf_span(&out)));
	assert_true(span_is_utf8(buf_span(&out)));
	return buf_take_text(&out);
}

static char *format(const struct mail_dsn *dsn)
{
	return format_with(dsn, "");
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("missing: %s\nin: %s", part, text);
}

static void assert_lacks(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("should not be there: %s\nin: %s", part, text);
}

/* With every run of white space as one space. */
static char *flat(const char *text)
{
	struct buf out = { 0 };

	for (const char *p = text; *p; p++) {
		if (!strchr("\r\n\t ", *p))
			buf_put_char(&out, *p);
		else if (out.len && out.at[out.len - 1] != ' ')
			buf_put_char(&out, ' ');
	}
	return buf_take_text(&out);
}

/* As before, wherever the lines of a paragraph are broken. */
static void assert_says(const char *text, const char *words)
{
	char *joined = flat(text);

	assert_has(joined, words);
	free(joined);
}

static void test_one_recipient(void **state)
{
	static const char expected[] =
		"Date: Sat, 21 Nov 2026 23:11:54 +0000\r\n"
		"From: \"Example Corp mail delivery\" <MAILER-DAEMON@relay.example.com>\r\n"
		"To: <alice@example.com>\r\n"
		"Subject: Not delivered: your message to bob@example.net\r\n"
		"Message-ID: <01DEF@relay.example.com>\r\n"
		"In-Reply-To: <m1@example.com>\r\n"
		"References: <m1@example.com>\r\n"
		"Auto-Submitted: auto-replied\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;\r\n"
		"\tboundary=\"" BOUNDARY "\"\r\n"
		"\r\n"
		"--" BOUNDARY "\r\n"
		"Content-Type: text/plain; charset=us-ascii\r\n"
		"\r\n"
		"Your message to bob@example.net could not be delivered. There is no\r\n"
		"mailbox of that name. Please check the address for mistakes and send the\r\n"
		"message again.\r\n"
		"\r\n"
		"The words of smtp.example.net:\r\n"
		"\r\n"
		"    550 5.1.1 No such user here\r\n"
		"\r\n"
		"The message came to relay.example.com (Example Corp) on Sat, 21 Nov 2026\r\n"
		"22:11:54 +0000 (UTC) and has the id 01ABC there: please name it when you\r\n"
		"ask for help. Nothing more will be tried. Details for mail programs and\r\n"
		"the header of your message follow.\r\n"
		"\r\n"
		"\r\n"
		"--" BOUNDARY "\r\n"
		"Content-Type: message/delivery-status\r\n"
		"\r\n"
		"Original-Envelope-Id: QQ 314159\r\n"
		"Reporting-MTA: dns; relay.example.com\r\n"
		"X-Postern-Id: 01ABC\r\n"
		"Arrival-Date: Sat, 21 Nov 2026 22:11:54 +0000\r\n"
		"\r\n"
		"Original-Recipient: rfc822; bob+tag@example.net\r\n"
		"Final-Recipient: rfc822; bob@example.net\r\n"
		"Action: failed\r\n"
		"Status: 5.1.1\r\n"
		"Remote-MTA: dns; smtp.example.net\r\n"
		"Diagnostic-Code: smtp; 550 5.1.1 No such user here\r\n"
		"Last-Attempt-Date: Sat, 21 Nov 2026 23:11:53 +0000\r\n"
		"\r\n"
		"--" BOUNDARY "\r\n"
		"Content-Type: text/rfc822-headers\r\n"
		"\r\n" HEADER "\r\n"
		"--" BOUNDARY "--\r\n";
	struct mail_dsn_recipient r = refused("bob@example.net");
	struct mail_dsn dsn = notice(&r, 1);
	char *text;

	(void)state;
	dsn.envid = span_text("QQ+20314159");
	r.orcpt = span_text("rfc822;bob+2Btag@example.net");
	text = format(&dsn);
	assert_string_equal(text, expected);
	free(text);
}

static void test_delayed(void **state)
{
	static const char expected[] =
		"Your message to bob@example.net has not been delivered yet. There is\r\n"
		"nothing you need to do: we go on trying until Sun, 22 Nov 2026 23:11:54\r\n"
		"+0000 (UTC), and you will hear from us again if it cannot be delivered\r\n"
		"by then. smtp.example.net has put it off for now.\r\n"
		"\r\n"
		"The words of smtp.example.net:\r\n"
		"\r\n"
		"    450 4.2.0 Greylisted, come back later\r\n"
		"\r\n"
		"The message came to relay.example.com (Example Corp) on Sat, 21 Nov 2026\r\n"
		"22:11:54 +0000 (UTC) and has the id 01ABC there: please name it when you\r\n"
		"ask for help. Details for mail programs and the header of your message\r\n"
		"follow.\r\n"
		"\r\n";
	struct mail_dsn_recipient r = refused("bob@example.net");
	struct mail_dsn dsn = notice(&r, 1);
	char *text;

	(void)state;
	r.action = MAIL_DSN_DELAYED;
	r.status = (struct smtp_status){ 4, 2, 0 };
	r.reply = SMTP_REPLY(450, 4, 2, 0, "Greylisted, come back later");
	dsn.expires_ms = dsn.now_ms + 24 * 3600 * 1000;
	text = format(&dsn);
	assert_has(text, expected);
	assert_says(text, "Subject: Delayed, still being tried: your message to bob@example.net");
	assert_has(text, "Action: delayed\r\nStatus: 4.2.0\r\n");
	assert_has(text, "\r\nWill-Retry-Until: Sun, 22 Nov 2026 23:11:54 +0000\r\n");
	assert_lacks(text, "Nothing more will be tried");
	free(text);
}

static void test_relayed(void **state)
{
	struct mail_dsn_recipient r = refused("bob@example.net");
	struct mail_dsn dsn = notice(&r, 1);
	char *text;

	(void)state;
	r.action = MAIL_DSN_RELAYED;
	r.status = (struct smtp_status){ 2, 0, 0 };
	r.reply = SMTP_REPLY(250, 2, 0, 0, "queued as 77");
	text = format(&dsn);
	assert_has(text, "Subject: Passed on: your message to bob@example.net\r\n");
	assert_says(text, "has been passed on. There is nothing you need to do. smtp.example.net "
			  "has accepted it.");
	assert_has(text, "Action: relayed\r\nStatus: 2.0.0\r\n");
	assert_has(text, "Diagnostic-Code: smtp; 250 2.0.0 queued as 77\r\n");
	assert_lacks(text, "Will-Retry-Until");
	assert_lacks(text, "Nothing more will be tried");
	free(text);
}

/* Why a message failed, as a person is told and as a program is. */
static void test_failures(void **state)
{
	static const struct {
		const char *name;
		int code;
		struct smtp_status status;
		const char *words, *host, *reason;
		bool is_expired, is_by_hand;
		int64_t age_ms;
		const char *says, *has;
	} cases[] = {
		{ "mailbox full",
		  552,
		  { 5, 2, 2 },
		  "Quota",
		  "mx",
		  NULL,
		  false,
		  false,
		  0,
		  "The mailbox is full.",
		  "Status: 5.2.2\r\n" },
		{ "too large",
		  552,
		  { 5, 3, 4 },
		  "Big",
		  "mx",
		  NULL,
		  false,
		  false,
		  0,
		  "with less attached",
		  "Status: 5.3.4\r\n" },
		{ "policy",
		  550,
		  { 5, 7, 1 },
		  "Spam",
		  "mx",
		  NULL,
		  false,
		  false,
		  0,
		  "A rule of the receiving side forbids it.",
		  "Status: 5.7.1\r\n" },
		{ "no enhanced code",
		  550,
		  { 0, 0, 0 },
		  "No",
		  "mx",
		  NULL,
		  false,
		  false,
		  0,
		  "The receiving side refused it. If the reason is not clear",
		  "Status: 5.0.0\r\n" },
		{ "no enhanced code, a plain one",
		  553,
		  { 0, 0, 0 },
		  "No",
		  "mx",
		  NULL,
		  false,
		  false,
		  0,
		  "The address is not written as",
		  "smtp; 553 No\r\n" },
		{ "an enhanced code of another class",
		  550,
		  { 2, 1, 1 },
		  "No",
		  "mx",
		  NULL,
		  false,
		  false,
		  0,
		  "The receiving side refused it.",
		  "Status: 5.0.0\r\n" },
		{ "put off until the end",
		  450,
		  { 4, 4, 7 },
		  "Greylisted",
		  "mx",
		  NULL,
		  true,
		  false,
		  5 * 24 * 3600 * INT64_C(1000),
		  "could not be delivered in the time allowed (5 days). mx puts it off again and "
		  "again. Please send",
		  "Status: 4.4.7\r\nRemote-MTA: dns; mx\r\nDiagnostic-Code: smtp; 450" },
		{ "never reached",
		  0,
		  { 4, 4, 7 },
		  "",
		  NULL,
		  "mx:587: connection refused",
		  true,
		  false,
		  7200000,
		  "in the time allowed (2 hours). The reason: mx:587: connection refused. Please",
		  "Status: 4.4.7\r\nDiagnostic-Code: x-postern; mx:587: connection refused\r\n" },
		{ "never tried",
		  0,
		  { 4, 4, 7 },
		  "",
		  NULL,
		  NULL,
		  true,
		  false,
		  0,
		  "in the time allowed. No mail server could be reached.",
		  "Status: 4.4.7\r\nLast-Attempt-Date" },
		{ "a clock that went back",
		  0,
		  { 4, 4, 7 },
		  "",
		  NULL,
		  "",
		  true,
		  false,
		  -1000000,
		  "in the time allowed. No mail",
		  "Status: 4.4.7\r\n" },
		{ "by hand",
		  450,
		  { 5, 3, 0 },
		  "Later",
		  "mx",
		  NULL,
		  false,
		  true,
		  0,
		  "could not be delivered. It was given up by an administrator of this mail "
		  "server.",
		  "Status: 5.3.0\r\nRemote-MTA: dns; mx\r\nDiagnostic-Code: smtp; 450" },
		{ "by hand, untried",
		  0,
		  { 5, 3, 0 },
		  "",
		  NULL,
		  NULL,
		  false,
		  true,
		  0,
		  "It was given up by an administrator",
		  "Status: 5.3.0\r\n" },
		{ "refused by ourselves",
		  0,
		  { 5, 6, 0 },
		  "",
		  NULL,
		  "too odd",
		  false,
		  false,
		  0,
		  "cannot take. The reason: too odd. Please",
		  "x-postern; too odd\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mail_dsn_recipient r = {
			.address = span_text("bob@example.net"),
			.status = cases[i].status,
			.reply = { cases[i].code, { 0 }, span_text(cases[i].words) },
			.smarthost = cases[i].host,
			.reason = cases[i].reason
		};
		struct mail_dsn dsn = notice(&r, 1);
		char *text;

		print_message("%s\n", cases[i].name);
		dsn.is_expired = cases[i].is_expired;
		dsn.is_by_hand = cases[i].is_by_hand;
		dsn.arrived_ms = dsn.now_ms - cases[i].age_ms;
		text = format(&dsn);
		assert_says(text, cases[i].says);
		assert_has(text, cases[i].has);
		assert_has(text, "Action: failed\r\n");
		free(text);
	}
}

static void test_many_recipients(void **state)
{
	struct mail_dsn_recipient r[] = { refused("bob@example.net"), refused("carl@example.net"),
					  refused("dora@example.net") };
	struct mail_dsn dsn = notice(r, 3);
	char *text;

	(void)state;
	r[2].status = (struct smtp_status){ 5, 2, 2 };
	r[2].reply = SMTP_REPLY(552, 5, 2, 2, "Mailbox full");
	text = format(&dsn);
	assert_has(text, "Subject: Not delivered: your message to 3 recipients\r\n");
	assert_says(text, "Your message to 3 recipients could not be delivered. Each is named "
			  "below, with the reason.");
	assert_has(text,
		   "\r\n\r\n"
		   "Not delivered:\r\n"
		   "    bob@example.net\r\n"
		   "    carl@example.net\r\n"
		   "\r\n"
		   "There is no mailbox of that name. Please check the address for mistakes\r\n"
		   "and send the message again.\r\n"
		   "\r\n"
		   "The words of smtp.example.net:\r\n"
		   "\r\n"
		   "    550 5.1.1 No such user here\r\n"
		   "\r\n"
		   "Not delivered:\r\n"
		   "    dora@example.net\r\n"
		   "\r\n"
		   "The mailbox is full. ");
	assert_has(text, "\r\n\r\nFinal-Recipient: rfc822; carl@example.net\r\nAction: failed\r\n");
	assert_has(text, "Status: 5.2.2\r\n");
	free(text);
}

/* One was refused before the time of the other ran out; a third is still being tried. */
static void test_mixed(void **state)
{
	struct mail_dsn_recipient r[] = { refused("bob@example.net"), refused("carl@example.net"),
					  refused("dora@example.net") };
	struct mail_dsn dsn = notice(r, 3);
	char *text;

	(void)state;
	dsn.is_expired = true;
	r[1].status = (struct smtp_status){ 4, 4, 7 };
	r[1].reply = r[2].reply = (struct smtp_reply){ 0 };
	r[1].smarthost = r[2].smarthost = NULL;
	r[2].action = MAIL_DSN_DELAYED;
	text = format(&dsn);
	assert_has(text, "Subject: Not delivered: ");
	assert_says(text, "Not delivered: bob@example.net There is no mailbox of that name.");
	assert_says(text,
		    "Not delivered: carl@example.net No mail server could be reached. Please");
	assert_says(text,
		    "Not delivered yet: dora@example.net No mail server could be reached. The "
		    "message came");
	assert_has(text, "Action: delayed\r\nStatus: 4.0.0\r\n");
	free(text);
}

static void test_words_of_many_lines(void **state)
{
	struct mail_dsn_recipient r = refused("bob@example.net");
	struct mail_dsn dsn = notice(&r, 1);
	char *text;

	(void)state;
	r.reply.text = span_text(
		"No such user here.\nSee https://example.net/why\n\nand a line that is so long "
		"that it has to be broken somewhere in the middle of it");
	text = format(&dsn);
	assert_has(text,
		   "\r\n"
		   "    550 5.1.1 No such user here.\r\n"
		   "    See https://example.net/why\r\n"
		   "    and a line that is so long that it has to be broken somewhere in the\r\n"
		   "    middle of it\r\n"
		   "\r\n");
	assert_has(
		text,
		"Diagnostic-Code: smtp; 550 5.1.1 No such user here. See\r\n"
		" https://example.net/why and a line that is so long that it has to be broken\r\n"
		" somewhere in the middle of it\r\n");
	free(text);
}

/* ORCPT and ENVID as the sender gave them; what is malformed is left out. */
static void test_given_by_the_sender(void **state)
{
	static const struct {
		const char *name, *orcpt, *envid;
		const char *seven, *eight; /* NULL: no such field */
	} cases[] = {
		{ "plain", "rfc822;Bob@Example.net", "", "rfc822; Bob@Example.net", "=" },
		{ "xtext", "rfc822;a+2Bb+3Dc+20+20d@e", "", "rfc822; a+b=c  d@e", "=" },
		{ "another type", "X400;/c=us", "", NULL, NULL },
		{ "another type, xtext", "X400;/c+3Dus", "", "X400; /c=us", "=" },
		{ "utf-8, escaped", "utf-8;j\\x{FC}rgen@b", "", "utf-8; j\\x{FC}rgen@b", "=" },
		{ "utf-8, raw", "UTF-8;j\xC3\xBCrgen@b", "", "utf-8; j\\x{FC}rgen@b",
		  "utf-8; j\xC3\xBCrgen@b" },
		{ "8-bit in rfc822", "rfc822;j+C3+BCrgen@b", "", "rfc822; j?rgen@b", "=" },
		{ "no type", "bob@example.net", "", NULL, NULL },
		{ "empty", "rfc822;", "", NULL, NULL },
		{ "bad xtext", "rfc822;a+2", "", NULL, NULL },
		{ "a line break", "rfc822;a+0D+0AX-Evil:+20b", "", NULL, NULL },
		{ "a raw line break", "rfc822;a\r\nX-Evil: b", "", NULL, NULL },
		{ "a line break in utf-8", "utf-8;a\r\nX-Evil: b", "",
		  "utf-8; a\\x{0D}\\x{0A}X-Evil:\\x{20}b", "utf-8; a??X-Evil: b" },
		{ "a bad type", "rfc\r\n822;a", "", NULL, NULL },
		{ "envid", "", "a+20+20b+3D", "a  b=", "=" },
		{ "envid with a line break", "", "a+0D+0AX-Evil:+20b", NULL, NULL },
		{ "envid, 8-bit", "", "a+FFb", "a?b", "=" },
		{ "envid, malformed", "", "a=b", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		size_t at = i / 2;
		struct mail_dsn_recipient r = refused("bob@example.net");
		struct mail_dsn dsn = notice(&r, 1);
		const char *field = cases[at].envid[0] ? "\r\nOriginal-Envelope-Id:"
						       : "\r\nOriginal-Recipient:";
		const char *value = cases[at].seven;
		struct buf line = { 0 };
		char *text, *wanted;

		print_message("%s, %s\n", cases[at].name, i % 2 ? "by SMTPUTF8" : "7-bit");
		if (i % 2) {
			dsn.sender = span_text(UMLAUT);
			if (value && cases[at].eight[0] != '=')
				value = cases[at].eight;
		}
		r.orcpt = span_text(cases[at].orcpt);
		dsn.envid = span_text(cases[at].envid);
		text = format(&dsn);
		assert_lacks(text, "\nX-Evil");
		if (value) {
			buf_printf(&line, "%s %s\r\n", field, value);
			wanted = buf_take_text(&line);
			assert_has(text, wanted);
			free(wanted);
		} else {
			assert_lacks(text, field);
		}
		free(text);
	}
}

static void test_remote_mta(void **state)
{
	static const char *const cases[][2] = {
		{ "smtp.example.net", "\r\nRemote-MTA: dns; smtp.example.net\r\n" },
		{ "192.0.2.7", "\r\nRemote-MTA: dns; [192.0.2.7]\r\n" },
		{ "2001:db8::1", "\r\nRemote-MTA: dns; [IPv6:2001:db8::1]\r\n" },
		{ "a\r\nX-Evil: b", "\r\nRemote-MTA: dns; [IPv6:a??X-Evil: b]\r\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mail_dsn_recipient r = refused("bob@example.net");
		struct mail_dsn dsn = notice(&r, 1);
		char *text;

		r.smarthost = cases[i][0];
		text = format(&dsn);
		assert_has(text, cases[i][1]);
		free(text);
	}
}

/* What the notice answers: In-Reply-To and References, where the original's Message-ID is one. */
static void test_thread(void **state)
{
	static const struct {
		const char *header, *id;
	} cases[] = {
		{ "A: b\r\nmessage-id : <x@y>\r\n\r\n", "<x@y>" },
		{ "Message-ID:\r\n <x@y>\r\nC: d\r\n", "<x@y>" },
		{ "Message-ID: (no) <x@y> z\r\n", "<x@y>" },
		{ "Message-ID: <x@y>", "<x@y>" },
		{ "A: b\r\n\r\nMessage-ID: <body@y>\r\n", NULL },
		{ "A:\r\n Message-ID: <folded@y>\r\n", NULL },
		{ "Message-ID: <x\r\n y@z>\r\n", NULL },
		{ "Message-ID: <x>\r\nMessage-ID: <y>\r\n", "<x>" },
		{ "Message-ID: <\xC3\xBC@y>\r\n", NULL },
		{ "Message-ID: x@y\r\n", NULL },
		{ "Message-ID: <>\r\n", NULL },
		{ "Message-ID: <x<y@z>\r\n", NULL },
		{ "Message-ID: <x\ry>\r\n", NULL },
		{ "", NULL },
		{ "\r\n", NULL },
		{ "\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mail_dsn_recipient r = refused("bob@example.net");
		struct mail_dsn dsn = notice(&r, 1);
		struct buf fields = { 0 };
		char *text, *wanted;

		dsn.header = span_text(cases[i].header);
		text = format(&dsn);
		if (cases[i].id) {
			buf_printf(&fields, "\r\nIn-Reply-To: %s\r\nReferences: %s\r\nAuto-",
				   cases[i].id, cases[i].id);
			wanted = buf_take_text(&fields);
			assert_has(text, wanted);
			free(wanted);
		} else {
			assert_lacks(text, "In-Reply-To");
			assert_lacks(text, "References");
		}
		free(text);
	}
}

static void test_header_cut(void **state)
{
	static const struct {
		const char *header, *part;
	} cases[] = {
		{ "To: bob\r\nSubject: this is cut he", "\r\n\r\nTo: bob\r\n\r\n--" },
		{ "", "Content-Type: text/rfc822-headers\r\n\r\n\r\n--" },
		{ "\r\n", "Content-Type: text/rfc822-headers\r\n\r\n\r\n--" },
		{ "cut", "Content-Type: text/rfc822-headers\r\n\r\n\r\n--" },
		{ "A: b\r\n\r\n", "\r\n\r\nA: b\r\n\r\n--" },
		{ "A: b\x7F\r\n", "quoted-printable\r\n\r\nA: b=7F\r\n\r\n--" },
		{ "A: b\nC: d\n", "quoted-printable\r\n\r\nA: b\r\nC: d\r\n\r\n--" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mail_dsn_recipient r = refused("bob@example.net");
		struct mail_dsn dsn = notice(&r, 1);
		char *text;

		dsn.header = span_text(cases[i].header);
		text = format(&dsn);
		assert_has(text, cases[i].part);
		assert_lacks(text, "this is cut");
		free(text);
	}
}

static void test_unreadable(void **state)
{
	struct mail_dsn_recipient r = refused("bob@example.net");
	struct mail_dsn dsn = notice(&r, 1);
	char *text;

	(void)state;
	dsn.is_unreadable = true;
	text = format(&dsn);
	assert_says(text, "what could still be read of the header of your message");
	free(text);
	dsn.header = span_of(NULL, 0);
	text = format(&dsn);
	assert_says(text, "Your message cannot be read any more and is not enclosed.");
	free(text);
}

/* The whole original stands in its own part, whatever lines it has. */
static void test_full(void **state)
{
	static const char original[] =
		HEADER "\r\n--=_0_01DEF\r\n--" BOUNDARY "x\r\nbody \xC3\xBC\r\n";
	struct mail_dsn_recipient r = refused("bob@example.net");
	struct mail_dsn dsn = notice(&r, 1);
	char *text;

	(void)state;
	dsn.is_full = true;
	assert_false(mail_dsn_is_8bit(&dsn));
	text = format_with(&dsn, "A: b\r\n\r\nbody\r\n");
	assert_has(text, "\r\n\r\n--" BOUNDARY "\r\nContent-Type: message/rfc822\r\n\r\n"
			 "A: b\r\n\r\nbody\r\n\r\n--" BOUNDARY "--\r\n");
	assert_says(text, "Details for mail programs and your message follow.");
	assert_lacks(text, "8bit");
	free(text);

	dsn.is_full_8bit = true;
	dsn.random[1]++;
	assert_true(mail_dsn_is_8bit(&dsn));
	text = format_with(&dsn, original);
	assert_has(text, "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n");
	assert_has(text,
		   "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" HEADER
		   "\r\n--=_0_01DEF\r\n--" BOUNDARY "x\r\nbody \xC3\xBC\r\n\r\n--=_");
	assert_has(text, "0123456789abcdeffedcba9876543211_01DEF--\r\n");
	free(text);
	dsn.is_full = false;
	assert_false(mail_dsn_is_8bit(&dsn));
}

static void test_form(void **state)
{
	static const struct {
		const char *name, *sender;
		bool is_full, is_8bit, is_long, is_utf8;
		unsigned form;
	} cases[] = {
		{ "header only", "a@x", false, true, true, true, 0 },
		{ "whole", "a@x", true, false, false, true, 0 },
		{ "whole, 8-bit", "a@x", true, true, false, false, SMTP_FORM_8BIT },
		{ "whole, long lines", "a@x", true, false, true, false, SMTP_FORM_LONG_LINES },
		{ "to an address beyond ASCII", "\xC3\xBC@x", false, false, false, true,
		  SMTP_FORM_8BIT | SMTP_FORM_8BIT_HEADER },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct mail_dsn_recipient r = refused("bob@example.net");
		struct mail_dsn dsn = notice(&r, 1);
		char *text;

		print_message("%s\n", cases[i].name);
		dsn.sender = span_text(cases[i].sender);
		dsn.is_full = cases[i].is_full;
		dsn.is_full_8bit = cases[i].is_8bit;
		dsn.is_full_long = cases[i].is_long;
		dsn.is_utf8 = cases[i].is_utf8;
		assert_int_equal(mail_dsn_form(&dsn), cases[i].form);
		assert_int_equal(mail_dsn_is_utf8(&dsn), !span_is_ascii(dsn.sender));
		text = format_with(&dsn, "A: b\r\n\r\n");
		if (dsn.is_full && dsn.is_utf8)
			assert_has(text, "Content-Type: message/global\r\n\r\nA: b");
		else if (dsn.is_full)
			assert_has(text, "Content-Type: message/rfc822\r\n");
		free(text);
	}
}

/* To an ASCII address everything is 7-bit, and still there. */
static void test_not_ascii(void **state)
{
	struct mail_dsn_recipient r = refused(UMLAUT);
	struct mail_dsn dsn = notice(&r, 1);
	char *text;

	(void)state;
	dsn.company = "M\xC3\xBCller";
	dsn.header = span_text("Subject: \xFC = x \r\n");
	r.reply.text = span_text("Unbekannt: \xC3\xBC\x1B[31m \xFF");
	text = format(&dsn);
	assert_has(text, "\r\nFrom: =?UTF-8?Q?M=C3=BCller_mail_delivery?= "
			 "<MAILER-DAEMON@relay.example.com>\r\n");
	assert_says(text, "Subject: Not delivered: your message to "
			  "=?UTF-8?Q?j=C3=BCrgen=40b=C3=BC=2Eexample?=");
	assert_has(text, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
			 "quoted-printable\r\n");
	assert_has(text, "M=C3=BCller");
	assert_has(text, "Content-Type: message/delivery-status\r\n\r\n");
	assert_has(text, "Final-Recipient: utf-8; j\\x{FC}rgen@b\\x{FC}.example\r\n");
	assert_has(text, "Diagnostic-Code: smtp; 550 5.1.1 Unbekannt: ? [31m ?\r\n");
	assert_has(text, "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: "
			 "quoted-printable\r\n\r\nSubject: =FC =3D x=20\r\n");
	free(text);
	dsn.is_full = dsn.is_full_8bit = true;
	text = format_with(&dsn, "Subject: \xC3\xBC\r\n\r\n");
	assert_has(text, "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n\r\n");
	free(text);
}

/* RFC 6533: to an address beyond ASCII the parts are of the new types, as far as they need to be. */
static void test_global(void **state)
{
	struct mail_dsn_recipient r = refused(UMLAUT);
	struct mail_dsn dsn = notice(&r, 1);
	char words[990], *text;

	(void)state;
	dsn.sender = span_text("j\xC3\xB6rg@example.com");
	dsn.header = span_text("Subject: \xC3\xBC\r\n");
	r.reply.text = span_text("Unbekannt: \xC3\xBC");
	assert_true(mail_dsn_is_8bit(&dsn));
	text = format(&dsn);
	assert_has(text, "\r\nTo: <j\xC3\xB6rg@example.com>\r\n");
	assert_has(text, "MIME-Version: 1.0\r\nContent-Transfer-Encoding: 8bit\r\n");
	assert_has(text, "Content-Type: message/global-delivery-status\r\n"
			 "Content-Transfer-Encoding: 8bit\r\n\r\nReporting-MTA");
	assert_has(text, "Final-Recipient: utf-8; " UMLAUT "\r\n");
	assert_has(text, "Diagnostic-Code: smtp; 550 5.1.1 Unbekannt: \xC3\xBC\r\n");
	assert_has(text, "Content-Type: message/global-headers\r\n"
			 "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: \xC3\xBC\r\n");
	free(text);

	/* Words of any length are cut between characters. */
	memset(words, 'x', sizeof(words));
	for (size_t i = 0; i + 1 < sizeof(words); i += 2)
		memcpy(words + i, "\xC3\xBC", 2);
	for (size_t skip = 0; skip < 2; skip++) {
		words[skip] = 'x';
		r.reply.text = span_of(words + skip, sizeof(words) - skip);
		free(format(&dsn));
	}

	r = refused("bob@example.net");
	dsn.header = span_text("Subject: \xFC\r\n");
	text = format(&dsn);
	assert_has(text, "Content-Type: message/delivery-status\r\n\r\n");
	assert_has(text, "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: "
			 "quoted-printable\r\n\r\nSubject: =FC\r\n");
	free(text);
}

static unsigned count_lines(const char *text, const char *start)
{
	unsigned n = 0;

	for (const char *p = text; (p = strstr(p, start)) != NULL; p++)
		n += p == text || p[-1] == '\n';
	return n;
}

/* Whatever others may say, the notice keeps its shape. */
static void test_injection(void **state)
{
	static const char *const evils[] = {
		"a\r\nX-Evil: 1",
		"a\nX-Evil: 1\r\n\r\n--" BOUNDARY "--\r\n",
		"a\rX-Evil: 1",
		"\r\n\r\nX-Evil: 1",
		"a\xC2\x85X-Evil: 1\xE2\x80\xA8X-Evil: 1",
		"--" BOUNDARY "--",
		"\r\n.\r\nX-Evil: 1",
		"a\"b<c>d,e;f:g@h",
		"=?UTF-8?Q?=0D=0AX-Evil:_1?=",
		"\x01\x1B[31m\x7F\xFF",
	};

	(void)state;
	for (size_t i = 0; i < 4 * sizeof(evils) / sizeof(*evils); i++) {
		const char *evil = evils[i / 4];
		struct mail_dsn_recipient r[] = { refused(evil), refused(evil) };
		struct mail_dsn dsn = notice(r, 1 + i % 2);
		char *text;

		r[0].smarthost = r[1].smarthost = evil;
		r[0].reply.text = r[1].orcpt = span_text(evil);
		r[1].reply.code = 0;
		r[1].reason = evil;
		dsn.company = evil;
		dsn.envid = span_text(evil);
		dsn.sender = i & 2 ? span_text(UMLAUT) : span_text(evil);
		text = format(&dsn);
		assert_int_equal(count_lines(text, "X-Evil"), 0);
		assert_int_equal(count_lines(text, "--" BOUNDARY "\r\n"), 3);
		assert_int_equal(count_lines(text, "--" BOUNDARY "--\r\n"), 1);
		assert_int_equal(count_lines(text, "Final-Recipient:"), 1 + i % 2);
		assert_int_equal(count_lines(text, "Action: failed\r\n"), 1 + i % 2);
		assert_int_equal(count_lines(text, "MIME-Version: 1.0\r\n"), 1);
		assert_int_equal(count_lines(text, "Subject: Not delivered: "), 1);
		free(text);
	}
}

static void test_long_values(void **state)
{
	static char big[100001];
	struct mail_dsn_recipient r[] = { refused(big), refused(big) };
	struct mail_dsn dsn = notice(r, 2);

	(void)state;
	for (int i = 0; i < 4; i++) {
		memset(big, 'x', sizeof(big) - 1);
		for (size_t k = 9; i == 1 && k < sizeof(big) - 1; k += 10)
			big[k] = ' ';
		for (size_t k = 0; i >= 2 && k < sizeof(big) - 1; k++)
			big[k] = k % 2 ? '\xBC' : '\xC3';
		r[0].reply.text = r[0].orcpt = span_text(big);
		r[0].smarthost = big;
		r[1].reason = big;
		r[1].reply.code = 0;
		dsn.company = big;
		dsn.header = span_text(big);
		dsn.sender = i == 3 ? span_text("alice@example.com") : span_text(big);
		dsn.envid = span_text(big);
		dsn.recipient_count = 1 + (size_t)i % 2;
		free(format(&dsn));
	}
}

/* Ours are short: no line that we make of common values is longer than a reader's 78 columns. */
static void test_short_lines(void **state)
{
	struct mail_dsn_recipient r[] = { refused("a.rather.long.name@department.example.net"),
					  refused(UMLAUT) };
	struct mail_dsn dsn = notice(r, 2);
	struct span rest;
	char *text;

	(void)state;
	dsn.company = "Gesellschaft f\xC3\xBCr gro\xC3\x9F"
		      "e und kleine T\xC3\xBCren mit sehr langem Namen";
	r[0].orcpt = span_text("rfc822;a.rather.long.name+2Bwith.a.tag@department.example.net");
	r[0].reply.text = span_text(
		"this is a long reply with many words that say little, but say it in many ways");
	for (int i = 0; i < 2; i++) {
		dsn.recipient_count = 1 + (size_t)i;
		text = format(&dsn);
		for (rest = span_text(text); rest.len;) {
			size_t end = span_find(rest, '\n');

			if (end - 1 > 78)
				fail_msg("%.*s", (int)end, (const char *)rest.at);
			rest = span_from(rest, end + 1);
		}
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_recipient),
		cmocka_unit_test(test_delayed),
		cmocka_unit_test(test_relayed),
		cmocka_unit_test(test_failures),
		cmocka_unit_test(test_many_recipients),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_words_of_many_lines),
		cmocka_unit_test(test_given_by_the_sender),
		cmocka_unit_test(test_remote_mta),
		cmocka_unit_test(test_thread),
		cmocka_unit_test(test_header_cut),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_not_ascii),
		cmocka_unit_test(test_global),
		cmocka_unit_test(test_injection),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_short_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
