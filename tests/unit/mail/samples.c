/* Writes a sample to standard output, for read_by_python.py. */
#include "mail/dsn.h"
#include "mail/received.h"

#include <stdio.h>

static void put_notice(struct buf *out)
{
	const struct mail_dsn_recipient recipients[] = {
		{ .address = span_text("bob@example.net"),
		  .status = { 5, 1, 1 },
		  .reply = SMTP_REPLY(550, 5, 1, 1, "No such user \xC3\xBC here"),
		  .smarthost = "smtp.example.net" },
		{ .address = span_text("carl@example.net"),
		  .status = { 4, 4, 7 },
		  .reason = "smtp.example.net:587: connection refused" },
	};
	const struct mail_dsn dsn = {
		.reporting_mta = "relay.example.com",
		.company = "M\xC3\xBCller",
		.id = "01ABC",
		.notice_id = "01DEF",
		.sender = span_text("alice@example.com"),
		.header = span_text("Subject: \xC3\xBC\r\nTo: bob@example.net\r\n\r\n"),
		.arrived_ms = 1795299114123,
		.now_ms = 1795302714123,
		.recipients = recipients,
		.recipient_count = 2,
	};

	mail_dsn_format(&dsn, out);
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

int main(int argc, char **argv)
{
	struct buf out = { 0 };

	if (argc == 2 && strcmp(argv[1], "notice") == 0)
		put_notice(&out);
	else
		put_received(&out);
	fwrite(buf_span(&out).at, 1, out.len, stdout);
	buf_fini(&out);
	return 0;
}
