/* What EHLO offers, and the parameters that go with it. */
#include "test.h"

#include "dialogue.h"

static void all(struct smtp_server_conf *conf)
{
	conf->offers_utf8 = conf->offers_require_tls = conf->auth_line = true;
	conf->future_s = 86400;
	conf->future_until = "2026-11-29T12:00:00Z";
}

static void all_but_utf8(struct smtp_server_conf *conf)
{
	all(conf);
	conf->offers_utf8 = false;
}

static void in_the_clear(struct smtp_server_conf *conf)
{
	all(conf);
	conf->is_tls = false;
	conf->allow_plaintext = true;
}

/* The words of RCPT's refusals hold them: "ü" is two octets. */
#define U "\303\274"
#define BUECHER "b" U "cher.example"
#define UTF8_MAIL "MAIL FROM:<" U "@" BUECHER "> SMTPUTF8\r\n"

static const struct dialogue dialogues[] = {
	{ .name = "SMTPUTF8",
	  .start = LOGGED_IN,
	  .say = { UTF8_MAIL "RCPT TO:<" U "@" BUECHER ">\r\nRCPT TO:<b@example.net>\r\n"
			     "RCPT TO:<b@[192.0.2.1]>\r\nRCPT TO:<" U "@[IPv6:::1]>\r\n" },
	  .codes = "250 2.1.0 | 250 2.1.5 | 250 2.1.5 | 250 2.1.5 | 250 2.1.5",
	  .events = "MAIL " U "@" BUECHER " utf8 | RCPT " U "@" BUECHER " | RCPT b@example.net | "
		    "RCPT b@[192.0.2.1] | RCPT " U "@[IPv6:::1]",
	  .adjust = all },
	{ .name = "addresses beyond ASCII without SMTPUTF8",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<" U "@b>\r\nMAIL FROM:<a@" BUECHER "> SIZE=1\r\n" MAIL_OK
		   "RCPT TO:<" U "@b>\r\nRCPT TO:<a@" BUECHER ">\r\n" },
	  .codes = "553 5.6.7 | 553 5.6.7 | 250 2.1.0 | 553 5.6.7 | 553 5.6.7",
	  .events = "REFUSED MAIL 553 #1 | REFUSED MAIL 553 #2 | MAIL a@example.com | "
		    "REFUSED RCPT 553 #3 | REFUSED RCPT 553 #4",
	  .adjust = all },
	{ .name = "where SMTPUTF8 is not offered",
	  .start = LOGGED_IN,
	  .say = { UTF8_MAIL "MAIL FROM:<a@b> SMTPUTF8\r\n" MAIL_OK "RCPT TO:<" U "@b>\r\n" },
	  .codes = "550 5.6.7 | 555 5.5.4 | 250 2.1.0 | 550 5.6.7",
	  .events = "REFUSED MAIL 550 #1 | REFUSED MAIL 555 #2 | MAIL a@example.com | "
		    "REFUSED RCPT 550 #3",
	  .adjust = all_but_utf8 },
	{ .name = "SMTPUTF8 lasts for one message",
	  .start = LOGGED_IN,
	  .say = { UTF8_MAIL "RSET\r\n" MAIL_OK "RCPT TO:<" U "@b>\r\n" },
	  .codes = "250 2.1.0 | 250 2.0.0 | 250 2.1.0 | 553 5.6.7",
	  .events =
		  "MAIL " U "@" BUECHER " utf8 | RESET | MAIL a@example.com | REFUSED RCPT 553 #1",
	  .adjust = all },
	{ .name = "domains that cannot exist",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<a@\342\230\203.net> SMTPUTF8\r\n" UTF8_MAIL,
		   "RCPT TO:<a@\342\230\203.net>\r\nRCPT TO:<a@-" U ".de>\r\n"
		   "RCPT TO:<a@" U "\357\274\236x.de>\r\nRCPT TO:<\303@b>\r\n"
		   "RCPT TO:<a@\300\256.de>\r\nRCPT TO:<a@" U "..de>\r\nRCPT TO:<a@[" U "]>\r\n" },
	  .codes = "553 5.1.8 | 250 2.1.0 | 553 5.1.2 | 501 5.1.3 | 553 5.1.2 | 501 5.1.3 | "
		   "501 5.1.3 | 501 5.1.3 | 501 5.1.3",
	  .events = "REFUSED MAIL 553 #1 | MAIL " U "@" BUECHER " utf8 | REFUSED RCPT 553 #2 | "
		    "REFUSED RCPT 501 #3 | REFUSED RCPT 553 #4 | REFUSED RCPT 501 #5 | "
		    "REFUSED RCPT 501 #6 | REFUSED RCPT 501 #7 | REFUSED RCPT 501 #8",
	  .adjust = all },
	{ .name = "VRFY and EXPN, with SMTPUTF8 and without, leave a message alone",
	  .start = LOGGED_IN,
	  .say = { MAIL_OK "VRFY " U "@b SMTPUTF8\r\nVRFY <" U "@b>\r\nVRFY a SMTPUTF8\r\n"
			   "EXPN " U " SMTPUTF8\r\n" RCPT_OK },
	  .codes = "250 2.1.0 | 252 2.0.0 | 252 2.0.0 | 252 2.0.0 | 502 5.5.1 | 250 2.1.5",
	  .events = "MAIL a@example.com | REFUSED EXPN 502 #1 | RCPT b@example.net",
	  .adjust = all },
	{ .name = "all parameters",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<a@b> SIZE=1 BODY=BINARYMIME SMTPUTF8 REQUIRETLS HOLDFOR=86400 "
		   "AUTH=<> RET=FULL ENVID=x\r\nRSET\r\n",
		   "mail from:<a@b> smtputf8 requiretls holduntil=1970-01-02t00:00:10z "
		   "body=binarymime\r\n" },
	  .codes = "250 2.1.0 | 250 2.0.0 | 250 2.1.0",
	  .events = "MAIL a@b size=1 binary utf8 tls for=86400 auth=<> ret=full envid=x | RESET | "
		    "MAIL a@b binary utf8 tls until=86410",
	  .adjust = all },
	{ .name = "parameters with what they do not take",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<a@b> SMTPUTF8=1\r\nMAIL FROM:<a@b> REQUIRETLS=1\r\n"
		   "MAIL FROM:<a@b> HOLDFOR\r\nMAIL FROM:<a@b> HOLDFOR=86401\r\n"
		   "MAIL FROM:<a@b> HOLDFOR=-1\r\nMAIL FROM:<a@b> HOLDFOR=0000000001\r\n",
		   "MAIL FROM:<a@b> HOLDUNTIL=tomorrow\r\nMAIL FROM:<a@b> HOLDUNTIL\r\n"
		   "MAIL FROM:<a@b> HOLDFOR=1 HOLDUNTIL=2026-11-29T12:00:00Z\r\n"
		   "MAIL FROM:<a@b> HOLDUNTIL=2026-11-29T12:00:00Z HOLDFOR=1\r\n"
		   "MAIL FROM:<a@b> SMTPUTF8 SMTPUTF8\r\nMAIL FROM:<a@b> REQUIRETLS REQUIRETLS\r\n",
		   "MAIL FROM:<a@b> HOLDFOR=1 HOLDFOR=1\r\nMAIL FROM:<a@b> BODY\r\n"
		   "MAIL FROM:<a@b> BODY=BINARY\r\nMAIL FROM:<a@b> BODY=7BIT BODY=7BIT\r\n"
		   "MAIL FROM:<a@b> HOLDFOR=0\r\n" },
	  .codes = "501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | "
		   "501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | "
		   "501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 501 5.5.4 | 250 2.1.0",
	  .events = "REFUSED MAIL 501 #1 | REFUSED MAIL 501 #2 | REFUSED MAIL 501 #3 | "
		    "REFUSED MAIL 501 #4 | REFUSED MAIL 501 #5 | REFUSED MAIL 501 #6 | "
		    "REFUSED MAIL 501 #7 | REFUSED MAIL 501 #8 | REFUSED MAIL 501 #9 | "
		    "REFUSED MAIL 501 #10 | REFUSED MAIL 501 #11 | REFUSED MAIL 501 #12 | "
		    "REFUSED MAIL 501 #13 | REFUSED MAIL 501 #14 | REFUSED MAIL 501 #15 | "
		    "REFUSED MAIL 501 #16 | MAIL a@b",
	  .adjust = all },
	{ .name = "parameters that are not offered",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<a@b> SMTPUTF8\r\nMAIL FROM:<a@b> REQUIRETLS\r\n"
		   "MAIL FROM:<a@b> HOLDFOR=1\r\nMAIL FROM:<a@b> MT-PRIORITY=3\r\n"
		   "MAIL FROM:<a@b> HOLDUNTIL=2026-11-29T12:00:00Z\r\n" MAIL_OK
		   "RCPT TO:<b@c> SMTPUTF8\r\n" },
	  .codes = "555 5.5.4 | 555 5.5.4 | 555 5.5.4 | 555 5.5.4 | 555 5.5.4 | 250 2.1.0 | "
		   "555 5.5.4",
	  .events = "REFUSED MAIL 555 #1 | REFUSED MAIL 555 #2 | REFUSED MAIL 555 #3 | "
		    "REFUSED MAIL 555 #4 | REFUSED MAIL 555 #5 | MAIL a@example.com | "
		    "REFUSED RCPT 555 #6" },
	{ .name = "REQUIRETLS only under TLS",
	  .start = LOGGED_IN,
	  .say = { "MAIL FROM:<a@b> REQUIRETLS\r\n" MAIL_OK },
	  .codes = "555 5.5.4 | 250 2.1.0",
	  .events = "REFUSED MAIL 555 #1 | MAIL a@example.com",
	  .adjust = in_the_clear },
};

static void dialogues_however_split(void **state)
{
	(void)state;
	dialogues_check(dialogues, sizeof(dialogues) / sizeof(dialogues[0]));
}

static void check_ehlo(struct session *s, const char *expected)
{
	session_forget(s);
	session_feed(s, span_text("EHLO c\r\n"));
	assert_span_text(buf_span(&s->output), expected);
}

/* Before TLS no login, and no REQUIRETLS; after it no STARTTLS. No keyword comes twice. */
static void offers_everything(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;

	(void)state;
	all(&conf);
	conf.is_tls = false;
	conf.starttls_offered = true;
	session_start(&s, &conf);
	check_ehlo(&s, "250-relay.example.com\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n"
		       "250-STARTTLS\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-DSN\r\n"
		       "250-SMTPUTF8\r\n250-FUTURERELEASE 86400 2026-11-29T12:00:00Z\r\n"
		       "250-LIMITS RCPTMAX=5\r\n250-CHUNKING\r\n250 BINARYMIME\r\n");
	session_feed(&s, span_text("STARTTLS\r\n"));
	check_ehlo(&s, "250-relay.example.com\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n"
		       "250-AUTH PLAIN LOGIN\r\n250-AUTH=PLAIN LOGIN\r\n250-SIZE 1000\r\n"
		       "250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250-REQUIRETLS\r\n"
		       "250-FUTURERELEASE 86400 2026-11-29T12:00:00Z\r\n250-LIMITS RCPTMAX=5\r\n"
		       "250-CHUNKING\r\n250 BINARYMIME\r\n");
	session_end(&s);
}

static void offers_the_least(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;

	(void)state;
	conf.mechanisms = "";
	conf.message_octets = 0;
	session_start(&s, &conf);
	check_ehlo(&s, "250-relay.example.com\r\n250-PIPELINING\r\n250-ENHANCEDSTATUSCODES\r\n"
		       "250-SIZE\r\n250-8BITMIME\r\n250-DSN\r\n250-LIMITS RCPTMAX=5\r\n"
		       "250-CHUNKING\r\n250 BINARYMIME\r\n");
	session_feed(&s, span_text("AUTH PLAIN AGFsaWNlAHJpZ2h0\r\n"));
	assert_span_text(buf_span(&s.events), "EHLO c | REFUSED AUTH 504 #1");
	session_end(&s);
}

/* A certificate came with the handshake. */
static void offers_other_mechanisms(void **state)
{
	struct smtp_server_conf conf = session_conf();
	struct session s;

	(void)state;
	conf.is_tls = false;
	conf.starttls_offered = true;
	session_start(&s, &conf);
	session_feed(&s, span_text("EHLO c\r\nSTARTTLS\r\n"));
	smtp_server_offer(s.srv, "EXTERNAL PLAIN");
	session_forget(&s);
	session_feed(&s, span_text("EHLO c\r\n"));
	buf_put_char(&s.output, 0);
	assert_non_null(
		strstr((const char *)buf_span(&s.output).at, "\r\n250-AUTH EXTERNAL PLAIN\r\n"));
	session_forget(&s);
	session_feed(&s, span_text("AUTH LOGIN\r\nAUTH EXTERNAL =\r\n"));
	assert_span_text(buf_span(&s.events),
			 "REFUSED AUTH 504 #1 | AUTH EXTERNAL  | REFUSED AUTH 535 #2");
	session_end(&s);
}

static void dates(void **state)
{
	static const struct {
		const char *in;
		long long at; /* -1: none */
	} cases[] = {
		{ "1970-01-01T00:00:01Z", 1 },
		{ "1970-01-01T00:00:00Z", 1 }, /* long past, but given */
		{ "1970-01-01T00:00:00+12:00", 1 },
		{ "2026-11-29T12:00:00Z", 1795953600 },
		{ "2026-11-29t12:00:00.999z", 1795953600 },
		{ "2026-11-29T13:30:00+01:30", 1795953600 },
		{ "2026-11-29T12:00:00-00:00", 1795953600 },
		{ "2026-11-28T18:00:00-18:00", 1795953600 },
		{ "2000-02-29T23:59:60Z", 951868800 },
		{ "2100-03-01T00:00:00Z", 4107542400 },
		{ "9999-12-31T23:59:59Z", 253402300799 },
		{ "2026-02-29T12:00:00Z", -1 },
		{ "2100-02-29T12:00:00Z", -1 },
		{ "2026-11-31T12:00:00Z", -1 },
		{ "2026-13-01T12:00:00Z", -1 },
		{ "2026-00-01T12:00:00Z", -1 },
		{ "2026-11-00T12:00:00Z", -1 },
		{ "1969-12-31T23:59:59Z", -1 },
		{ "2026-11-29T24:00:00Z", -1 },
		{ "2026-11-29T12:60:00Z", -1 },
		{ "2026-11-29T12:00:61Z", -1 },
		{ "2026-11-29T12:00:00", -1 },
		{ "2026-11-29T12:00:00.Z", -1 },
		{ "2026-11-29T12:00:00+0100", -1 },
		{ "2026-11-29T12:00:00+24:00", -1 },
		{ "2026-11-29T12:00:00ZZ", -1 },
		{ "2026-11-29T12:00Z", -1 },
		{ "2026-11-29", -1 },
		{ "20261129T120000Z", -1 },
		{ "+026-11-29T12:00:00Z", -1 },
		{ "10000-01-01T00:00:00Z", -1 },
	};
	struct smtp_server_conf conf = session_conf();
	struct session s;

	(void)state;
	all(&conf);
	conf.errors = 1000;
	session_start(&s, &conf);
	session_log_in(&s);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf line = { 0 }, expected = { 0 };

		buf_printf(&line, "MAIL FROM:<a@b> HOLDUNTIL=%s\r\n", cases[i].in);
		session_feed(&s, buf_span(&line));
		buf_put_char(&s.events, 0);
		buf_printf(&expected, "MAIL a@b until=%lld", cases[i].at);
		buf_put_char(&expected, 0);
		if (cases[i].at < 0 ? strncmp((const char *)buf_span(&s.events).at, "REFUSED", 7)
				    : strcmp((const char *)buf_span(&s.events).at,
					     (const char *)buf_span(&expected).at))
			fail_msg("%s: %s", cases[i].in, buf_span(&s.events).at);
		session_feed(&s, span_text("RSET\r\n"));
		session_forget(&s);
		buf_fini(&line);
		buf_fini(&expected);
	}
	session_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialogues_however_split),
		cmocka_unit_test(offers_everything),
		cmocka_unit_test(offers_the_least),
		cmocka_unit_test(offers_other_mechanisms),
		cmocka_unit_test(dates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
