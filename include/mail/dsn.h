/* mail/dsn.h: the text of a non-delivery notice.
 *
 * Shape    mail_dsn_format() appends a whole message (CRLF line ends) of type multipart/report
 * Source   RFC 3462 (multipart/report), RFC 3464 (delivery-status), RFC 3463; RFC 3834 for
 *          Auto-Submitted
 */
#pragma once

#include "base/buf.h"
#include "smtp/reply.h"

struct mail_dsn_recipient {
	struct span address;
	struct smtp_status status; /* 5.1.1; 4.4.7 when the time ran out */
	struct smtp_reply reply;   /* what the smarthost said last; code 0: it said nothing */
	const char *smarthost;	   /* who said so; NULL: nobody */
	const char *reason;	   /* our own words when the time ran out or nobody could be asked */
};

struct mail_dsn {
	const char *reporting_mta; /* our host name */
	const char *company;
	const char *id;		/* qid of the message this is about */
	const char *notice_id;	/* for Message-ID and the boundary of the notice itself */
	struct span sender;	/* who gets it */
	struct span header;	/* header section of the original, as far as kept (may be cut) */
	int64_t arrived_ms, now_ms;
	bool is_expired;	/* the time ran out, as against refused */
	const struct mail_dsn_recipient *recipients;
	size_t recipient_count;
};

void mail_dsn_format(const struct mail_dsn *dsn, struct buf *out);
