/* Over a connection that is kept open a message costs the engine and the header scan no allocation: what
 * they need they have from the first message on. */
#include "test.h"

#include "mail/header.h"
#include "mail/received.h"
#include "smtp/server.h"

#include <stdlib.h>

static unsigned allocations;

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t n);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t n);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
	allocations++;
	return __real_malloc(n);
}

void *__wrap_calloc(size_t count, size_t n)
{
	allocations++;
	return __real_calloc(count, n);
}

void *__wrap_realloc(void *p, size_t n)
{
	allocations++;
	return __real_realloc(p, n);
}

struct rig {
	struct smtp_server *srv;
	struct mail_scan scan;
	struct buf content, out;
	unsigned ended;
};

static const struct smtp_reply *reply_to(enum smtp_event_type type)
{
	static const struct smtp_reply login = SMTP_REPLY(235, 2, 7, 0, "Hello");
	static const struct smtp_reply begin = SMTP_REPLY(354, 0, 0, 0, "Send it");
	static const struct smtp_reply done = SMTP_REPLY(250, 2, 0, 0, "Accepted as 01ABC");

	if (type == SMTP_EVENT_AUTH)
		return &login;
	return type == SMTP_EVENT_BODY_BEGIN ? &begin : &done;
}

static void begin_message(struct rig *r)
{
	static const struct mail_scan_conf conf = { "Sat, 21 Nov 2026 22:11:54 +0000", "<m@h>",
						    1 << 16, 50 };
	const struct mail_received trace = { .trace = MAIL_TRACE_COMPANY,
					     .company = "Example Corp",
					     .from_domain = "example.com",
					     .by = "relay.example.com",
					     .protocol = "ESMTPSA",
					     .id = "01ABC",
					     .unix_ms = 1795299114123 };

	buf_clear(&r->out);
	mail_received_format(&trace, &r->out);
	mail_scan_restart(&r->scan, &conf);
}

static void say(struct rig *r, struct span octets)
{
	struct smtp_event ev;

	smtp_server_feed(r->srv, octets);
	while (smtp_server_next(r->srv, &ev) > SMTP_EVENT_WAIT) {
		if (ev.type == SMTP_EVENT_BODY_BEGIN)
			begin_message(r);
		if (ev.type == SMTP_EVENT_BODY_CHUNK)
			buf_put_span(&r->out, mail_scan_feed(&r->scan, ev.data, &r->out));
		if (ev.type == SMTP_EVENT_BODY_END) {
			mail_scan_end(&r->scan, &r->out);
			r->ended++;
		}
		if (ev.ticket)
			smtp_server_answer(r->srv, ev.ticket, reply_to(ev.type));
		smtp_server_sent(r->srv, smtp_server_output(r->srv).len);
	}
}

static void say_text(struct rig *r, const char *text)
{
	say(r, span_text(text));
}

static void send_message(struct rig *r)
{
	say_text(r, "MAIL FROM:<alice@example.com> SIZE=4321 BODY=8BITMIME\r\n"
		    "RCPT TO:<somebody.with.a.long.name@a-domain-of-some-length.example>\r\n");
	say_text(r, "DATA\r\n");
	for (size_t at = 0; at < r->content.len; at += 1448)
		say(r, span_first(span_from(buf_span(&r->content), at), 1448));
}

static void start(struct rig *r)
{
	static const struct smtp_server_conf conf = {
		.hostname = "relay.example.com",
		.mechanisms = "PLAIN",
		.sid = "01SID",
		.recipients = 100,
		.errors = 10,
		.login_failures = 3,
		.line_octets = 1400,
		.auth_line_octets = 12290,
		.output_octets = 65536,
		.allow_plaintext = true,
	};

	*r = (struct rig){ .srv = smtp_server_new(&conf) };
	buf_put_text(&r->content, "From: Alice <alice@example.com>\r\nTo: b@example.net\r\n"
				  "Subject: one\r\n two\r\nReceived: x\r\nBcc: c@example.net\r\n"
				  "Message-ID: <1234.5678@example.com>\r\n\r\n..\r\n");
	for (int i = 0; i < 100; i++)
		buf_put_text(&r->content, "A line of text as they come, with \xC3\xBC in it\r\n");
	buf_put_text(&r->content, ".\r\n");
	smtp_server_greet(r->srv, NULL);
	say_text(r, "EHLO client.example.com\r\n");
	say_text(r, "AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n");
}

static void test_no_allocation(void **state)
{
	enum { MESSAGES = 20 };
	struct rig r;

	(void)state;
	start(&r);
	send_message(&r);
	assert_int_equal(r.ended, 1);
	allocations = 0;
	for (int i = 0; i < MESSAGES; i++)
		send_message(&r);
	assert_int_equal(allocations, 0);
	assert_int_equal(r.ended, 1 + MESSAGES);
	assert_true(r.out.len > r.content.len);
	mail_scan_fini(&r.scan);
	buf_fini(&r.out);
	buf_fini(&r.content);
	smtp_server_free(&r.srv);
}

/* What is counted is what is asserted: the first message does allocate. */
static void test_counts(void **state)
{
	struct rig r;

	(void)state;
	allocations = 0;
	start(&r);
	assert_true(allocations > 0);
	mail_scan_fini(&r.scan);
	buf_fini(&r.out);
	buf_fini(&r.content);
	smtp_server_free(&r.srv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_no_allocation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
