/* mail/received.h: the company's trace header.
 *
 * Shape    mail_received_format() appends one folded field that ends in CRLF
 * Source   RFC 5321 4.4 (the form), RFC 3848 (ESMTPSA), RFC 8601 knows no "auth" here
 *
 * company  Received: from example.com (Example Corp)
 *              by relay.example.com with ESMTPSA id 01ABC...;
 *              Sat, 21 Nov 2026 22:11:54 +0000
 * full     Received: from EHLO-NAME ([192.0.2.7]) by ...
 * none     Received: by relay.example.com ...
 */
#pragma once

#include "base/buf.h"

enum mail_trace { MAIL_TRACE_COMPANY, MAIL_TRACE_FULL, MAIL_TRACE_NONE };

struct mail_received {
	enum mail_trace trace;
	const char *company;	/* any UTF-8; becomes a comment, quoted as needed; "" for none */
	const char *from_domain; /* for `company` */
	const char *by;		/* our host name */
	struct span ehlo;	/* for `full`: only [A-Za-z0-9.:_-] and brackets are kept, 255 at most */
	const char *address;	/* for `full`: "192.0.2.7" or "2001:db8::1" */
	const char *protocol;	/* "ESMTPSA", "UTF8SMTPSA" (RFC 6531 4.3) */
	const char *id;
	int64_t unix_ms;
};

void mail_received_format(const struct mail_received *r, struct buf *out);
