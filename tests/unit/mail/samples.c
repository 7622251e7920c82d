/* Writes a sample to standard output, for read_by_python.py. */
#include "mail/dsn.h"
#include "mail/received.h"

#include <stdio.h>

#define HEADER "Subject: \xC3\xBC\r\nTo: bob@example.net\r\nMessage-ID: <m1@example.com>\r\n"

static struct mail_dsn notice(const struct mail_dsn_recipient *recipients, size_t count)
{
	return (struct mail_dsn){
		.reporting_mta = "relay.example.com",
		.company = "M\xC3\xBCller",
		.id = "01ABC",
		.notice_id = "01DEF",
		.random = { 1, 2 },
		.sender = span_text("alice@example.com"),
		.envid = span_text("QQ+20314159"),
		.header = span_text(HEADER "\r\n"),
		.arrived_ms = 1795299114123,
		.now_ms = 1795302714123,
		.last_ms = 1795302713000,
		.expires_ms = 1795389114000,
		.recipients = recipients,
		.recipient_count = count,
	};
}

static void put_failed(struct buf *out)
{
	const struct mail_dsn_recipient recipients[] = {
		{ .address = span_text("bob@example.net"),
		  .orcpt = span_text("rfc822;bob+2Bx@example.net"),
		  .status = { 5, 1, 1 },
		  .reply = SMTP_REPLY(550, 5, 1, 1, "No such user \xC3\xBC here"),
		  .smarthost = "smtp.example.net" },
		{ .address = span_text("carl@example.net"),
		  .status = { 4, 4, 7 },
		  .reason = "smtp.example.net:587: connection refused" },
	};
	struct mail_dsn dsn = notice(recipients, 2);

	mail_dsn_begin(&dsn, out);
	mail_dsn_end(&dsn, out);
}

static void put_delayed(struct buf *out)
{
	const struct mail_dsn_recipient r = { .action = MAIL_DSN_DELAYED,
					      .address = span_text("j\xC3\xBCrgen@example.net"),
					      .status = { 4, 2, 0 },
					      .reply = SMTP_REPLY(450, 4, 2, 0, "Greylisted"),
					      .smarthost = "smtp.example.net" };
	struct mail_dsn dsn = notice(&r, 1);

	mail_dsn_begin(&dsn, out);
	mail_dsn_end(&dsn, out);
}

static void put_full(struct buf *out)
{
	const struct mail_dsn_recipient r = { .address = span_text("bob@example.net"),
					      .status = { 5, 7, 1 },
					      .reply = SMTP_REPLY(550, 5, 7, 1, "Spam"),
					      .smarthost = "smtp.example.net" };
	struct mail_dsn dsn = notice(&r, 1);

	dsn.is_full = dsn.is_full_8bit = true;
	mail_dsn_begin(&dsn, out);
	buf_put_text(out, HEADER "\r\n--=_0_01DEF\r\n\xC3\xBC\r\n--=_0_01DEF--\r\n");
	mail_dsn_end(&dsn, out);
}

static void put_global(struct buf *out)
{
	const struct mail_dsn_recipient r = { .action = MAIL_DSN_RELAYED,
					      .address = span_text("j\xC3\xBCrgen@example.net"),
					      .status = { 2, 0, 0 },
					      .reply = SMTP_REPLY(250, 2, 0, 0, "queued \xC3\xBC"),
					      .smarthost = "smtp.example.net" };
	struct mail_dsn dsn = notice(&r, 1);

	dsn.sender = span_text("j\xC3\xB6rg@example.com");
	mail_dsn_begin(&dsn, out);
	mail_dsn_end(&dsn, out);
}

static void put_received(struct buf *out)
{
	const struct mail_received r = {
		.trace = MAIL_TRACE_COMPANY,
		.company = "Gesellschaft f\xC3\xBCr gro\xC3\x9F"
			   "e (und kleine) T\xC3\xBCren mit sehr langem Namen",
		.from_domain = "example.com",
		.by = "relay.example.com",
		.protocol = "ESMTPSA",
		.id = "01ABC",
		.unix_ms = 1795299114123,
	};

	mail_received_format(&r, out);
	buf_put_text(out, "Subject: x\r\n\r\nbody\r\n");
}

static const struct {
	const char *name;
	void (*put)(struct buf *out);
} samples[] = { { "failed", put_failed },
		{ "delayed", put_delayed },
		{ "full", put_full },
		{ "global", put_global },
		{ "received", put_received } };

int main(int argc, char **argv)
{
	struct buf out = { 0 };

	for (size_t i = 0; argc == 2 && i < sizeof(samples) / sizeof(*samples); i++)
		if (strcmp(argv[1], samples[i].name) == 0)
			samples[i].put(&out);
	if (out.len == 0)
		return 1;
	fwrite(buf_span(&out).at, 1, out.len, stdout);
	buf_fini(&out);
	return 0;
}
