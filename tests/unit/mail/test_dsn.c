#include "mail/dsn.h"

#include <stdlib.h>

#include "test.h"

#define HEADER "Received: from example.com\r\nSubject: hello\r\n"

static struct mail_dsn_recipient refused(const char *address)
{
	return (struct mail_dsn_recipient){
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
		.sender = span_text("alice@example.com"),
		.header = span_text(HEADER "\r\n"),
		.arrived_ms = 1795299114123,
		.now_ms = 1795302714123,
		.recipients = recipients,
		.recipient_count = count,
	};
}

/* The whole notice as text; 7-bit lines with CRLF of at most 998 octets, or the test fails. */
static char *format(const struct mail_dsn *dsn)
{
	struct buf out = { 0 };
	struct span rest;

	mail_dsn_format(dsn, &out);
	for (rest = buf_span(&out); rest.len;) {
		size_t end = span_find(rest, '\n');

		assert_true(end < rest.len && end > 0 && rest.at[end - 1] == '\r');
		assert_true(end - 1 <= 998);
		for (size_t i = 0; i + 1 < end; i++)
			assert_true((rest.at[i] >= ' ' && rest.at[i] < 127) || rest.at[i] == '\t');
		rest = span_from(rest, end + 1);
	}
	return buf_take_text(&out);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("missing: %s\nin: %s", part, text);
}

/* As before, wherever the lines of a paragraph are broken. */
static void assert_says(const char *text, const char *words)
{
	struct buf flat = { 0 };
	char *joined;

	for (const char *p = text; *p; p++)
		if (*p != '\r')
			buf_put_char(&flat, *p == '\n' ? ' ' : *p);
	joined = buf_take_text(&flat);
	assert_has(joined, words);
	free(joined);
}

static void test_one_recipient(void **state)
{
	static const char expected[] =
		"Date: Sat, 21 Nov 2026 23:11:54 +0000\r\n"
		"From: \"Mail delivery at relay.example.com\"\r\n"
		"\t<postmaster@relay.example.com>\r\n"
		"To: alice@example.com\r\n"
		"Subject: Not delivered: your message to bob@example.net\r\n"
		"Message-ID: <01DEF@relay.example.com>\r\n"
		"Auto-Submitted: auto-replied\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;\r\n"
		"\tboundary=\"=_0_01DEF\"\r\n"
		"\r\n"
		"--=_0_01DEF\r\n"
		"Content-Type: text/plain; charset=us-ascii\r\n"
		"\r\n"
		"Your message to bob@example.net could not be delivered. smtp.example.net\r\n"
		"refused it and said: \"550 5.1.1 No such user here\". Please check the\r\n"
		"address for mistakes and send the message again.\r\n"
		"\r\n"
		"The message came to relay.example.com (Example Corp) on Sat, 21 Nov 2026\r\n"
		"22:11:54 +0000 and has the id 01ABC there: please name it when you ask\r\n"
		"for help. Nothing more will be tried. Details for mail programs and the\r\n"
		"header of your message follow.\r\n"
		"\r\n"
		"\r\n"
		"--=_0_01DEF\r\n"
		"Content-Type: message/delivery-status\r\n"
		"\r\n"
		"Reporting-MTA: dns; relay.example.com\r\n"
		"X-Postern-Id: 01ABC\r\n"
		"Arrival-Date: Sat, 21 Nov 2026 22:11:54 +0000\r\n"
		"\r\n"
		"Final-Recipient: rfc822; bob@example.net\r\n"
		"Action: failed\r\n"
		"Status: 5.1.1\r\n"
		"Remote-MTA: dns; smtp.example.net\r\n"
		"Diagnostic-Code: smtp; 550 5.1.1 No such user here\r\n"
		"\r\n"
		"--=_0_01DEF\r\n"
		"Content-Type: text/rfc822-headers\r\n"
		"\r\n" HEADER "\r\n"
		"--=_0_01DEF--\r\n";
	struct mail_dsn_recipient r = refused("bob@example.net");
	struct mail_dsn dsn = notice(&r, 1);
	char *text = format(&dsn);

	(void)state;
	assert_string_equal(text, expected);
	free(text);
}

static void test_many_recipients(void **state)
{
	struct mail_dsn_recipient r[] = { refused("bob@example.net"), refused("carl@example.net"),
					  refused("dora@example.net") };
	struct mail_dsn dsn = notice(r, 3);
	char *text;

	(void)state;
	r[1].status = (struct smtp_status){ 5, 2, 2 };
	r[1].reply = SMTP_REPLY(552, 5, 2, 2, "Mailbox full");
	r[2].status = (struct smtp_status){ 5, 7, 1 };
	r[2].reply = SMTP_REPLY(550, 0, 0, 0, "Policy");
	text = format(&dsn);
	assert_has(text, "Subject: Not delivered: your message to 3 recipients\r\n");
	assert_says(text, "to 3 of its recipients");
	assert_has(text, "\r\n\r\nbob@example.net: ");
	assert_says(text, "The mailbox is full");
	assert_says(text, "\"550 Policy\"");
	assert_has(
		text,
		"Final-Recipient: rfc822; carl@example.net\r\nAction: failed\r\nStatus: 5.2.2\r\n");
	assert_has(text, "Status: 5.7.1\r\n");
	free(text);
}

static void test_expired(void **state)
{
	struct mail_dsn_recipient r[] = { refused("bob@example.net"), refused("carl@example.net"),
					  refused("dora@example.net") };
	struct mail_dsn dsn = notice(r, 3);
	char *text;

	(void)state;
	dsn.is_expired = true;
	for (size_t i = 0; i < 3; i++)
		r[i].status = (struct smtp_status){ 4, 4, 7 };
	r[0].reply = SMTP_REPLY(450, 4, 2, 0, "Greylisted");
	r[1].reply.code = r[2].reply.code = 0;
	r[1].smarthost = r[2].smarthost = NULL;
	r[1].reason = "smtp.example.net:587: connection refused";
	text = format(&dsn);
	assert_says(text, "could not be delivered in the time allowed");
	assert_says(text, "put it off at the last attempt and said: \"450");
	assert_says(text, "The reason: smtp.example.net:587: connection refused. Please send");
	assert_says(text, "No mail server could be reached.");
	assert_has(text, "Status: 4.4.7\r\n");
	assert_has(text,
		   "Diagnostic-Code: x-postern; smtp.example.net:587: connection refused\r\n");
	assert_null(strstr(text, "refused it"));
	free(text);
}

/* One was refused before the time of the other ran out. */
static void test_mixed(void **state)
{
	struct mail_dsn_recipient r[] = { refused("bob@example.net"), refused("carl@example.net") };
	struct mail_dsn dsn = notice(r, 2);
	char *text;

	(void)state;
	dsn.is_expired = true;
	r[1].status = (struct smtp_status){ 4, 4, 7 };
	r[1].reply.code = 0;
	r[1].reason = "";
	text = format(&dsn);
	assert_says(text, "bob@example.net: smtp.example.net refused it and said");
	assert_says(text, "carl@example.net: No mail server could be reached. Please send");
	free(text);
}

/* A boundary that a peer put into the original header or into a reply is not used. */
static void test_boundary(void **state)
{
	struct mail_dsn_recipient r = refused("bob@example.net");
	struct mail_dsn dsn = notice(&r, 1);
	char *text;

	(void)state;
	dsn.header = span_text("X: --=_0_01DEF\r\n--=_2_01DEF--\r\n");
	r.reply.text = span_text("=_1_01DEF");
	text = format(&dsn);
	assert_has(text, "boundary=\"=_3_01DEF\"");
	assert_has(text, "\r\n--=_3_01DEF--\r\n");
	free(text);
}

static void test_header_cut(void **state)
{
	struct mail_dsn_recipient r = refused("bob@example.net");
	struct mail_dsn dsn = notice(&r, 1);
	char *text;

	(void)state;
	dsn.header = span_text("To: bob\r\nSubject: this is cut he");
	text = format(&dsn);
	assert_has(text, "\r\n\r\nTo: bob\r\n\r\n--");
	assert_null(strstr(text, "Subject: this"));
	free(text);
	dsn.header = span_of(NULL, 0);
	text = format(&dsn);
	assert_has(text, "Content-Type: text/rfc822-headers\r\n\r\n\r\n--");
	free(text);
}

static void test_not_ascii(void **state)
{
	struct mail_dsn_recipient r = refused("j\xC3\xBCrgen@b\xC3\xBC.example");
	struct mail_dsn dsn = notice(&r, 1);
	char *text;

	(void)state;
	dsn.company = "M\xC3\xBCller";
	dsn.header = span_text("Subject: \xFC = x \r\n");
	r.reply.text = span_text("Unbekannt: \xC3\xBC\x1B[31m \xFF");
	text = format(&dsn);
	assert_has(text, "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
			 "quoted-printable\r\n");
	assert_has(text, "M=C3=BCller");
	assert_has(text, "Final-Recipient: utf-8; j\\x{FC}rgen@b\\x{FC}.example\r\n");
	assert_has(text, "Diagnostic-Code: smtp; 550 5.1.1 Unbekannt: ? [31m ?\r\n");
	assert_has(text, "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: "
			 "quoted-printable\r\n\r\nSubject: =FC =3D x=20\r\n");
	assert_has(text, "Subject: Not delivered: your message to j?rgen@b?.example\r\n");
	free(text);
}

static void test_long_values(void **state)
{
	static char big[100001];
	struct mail_dsn_recipient r[] = { refused(big), refused(big) };
	struct mail_dsn dsn = notice(r, 2);

	(void)state;
	for (int spaced = 0; spaced < 2; spaced++) {
		memset(big, 'x', sizeof(big) - 1);
		for (size_t i = 9; spaced && i < sizeof(big) - 1; i += 10)
			big[i] = ' ';
		r[0].reply.text = span_text(big);
		r[0].smarthost = big;
		r[1].reason = big;
		r[1].reply.code = 0;
		dsn.header = span_text(big);
		dsn.sender = span_text(big);
		free(format(&dsn));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_recipient), cmocka_unit_test(test_many_recipients),
		cmocka_unit_test(test_expired),	      cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_boundary),      cmocka_unit_test(test_header_cut),
		cmocka_unit_test(test_not_ascii),     cmocka_unit_test(test_long_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
