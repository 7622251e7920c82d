/* mail/dsn.h: the text of a notice to the sender: failed, delayed, passed on.
 *
 * Shape    mail_dsn_begin() appends a whole message (CRLF line ends) of type multipart/report up to
 *          where the original stands; the caller puts the original behind it where is_full is set;
 *          mail_dsn_end() appends the rest, and needs of *dsn only what names the notice
 * Source   RFC 6522 (multipart/report), RFC 3464 (delivery-status), RFC 3463; RFC 6533 where an
 *          address is beyond ASCII; RFC 3461 6 (what is said of RET, ENVID and ORCPT); RFC 3834 for
 *          Auto-Submitted
 *
 * A notice to an ASCII address is 7-bit throughout, so that any smarthost can take it, unless it
 * brings a whole original that is 8-bit: words beyond ASCII are encoded, also the header section of
 * the original, and a recipient beyond ASCII stands in the 7-bit form of RFC 6533 3. A notice to an
 * address beyond ASCII needs SMTPUTF8 in any case, and makes use of it. An original that was sent as
 * BINARYMIME is not to be brought whole: within a notice its lines would be no lines.
 */
#pragma once

#include "base/buf.h"
#include "smtp/content.h"
#include "smtp/dsn.h"
#include "smtp/reply.h"

enum mail_dsn_action {
	MAIL_DSN_FAILED,
	MAIL_DSN_DELAYED,
	MAIL_DSN_RELAYED, /* taken by a smarthost that sends no success notices itself */
};

struct mail_dsn_recipient {
	enum mail_dsn_action action;
	struct span address;
	struct span orcpt;	   /* as sent: "rfc822;" and xtext; empty: not given */
	struct smtp_status status; /* 5.1.1; 4.4.7 when the time ran out. One that does not fit the
				      action is told as "other" (5.0.0) */
	struct smtp_reply reply; /* what the smarthost said last; code 0: it said nothing. The text
				      may hold LF between lines */
	const char *smarthost;	 /* who said so; NULL: nobody */
	const char *reason;	 /* our own words when the time ran out or nobody could be asked */
};

struct mail_dsn {
	const char *reporting_mta; /* our host name */
	const char *company;
	const char *id;	       /* qid of the message this is about */
	const char *notice_id; /* for Message-ID and the boundary of the notice itself */
	uint64_t random[2];    /* for the boundary: who wrote the original could not know them */
	struct span sender;    /* who gets it */
	struct span envid;     /* xtext as sent; empty: not given */
	struct span header;    /* header section of the original, as far as kept (may be cut) */
	bool is_full;	       /* the caller puts the whole original in place of the header */
	bool is_full_8bit;     /* and it holds octets above 127 */
	bool is_full_long;     /* and lines above SMTP_LINE_MOST */
	bool is_utf8;	       /* it was sent with SMTPUTF8 */
	bool is_unreadable;    /* the original is lost, but for what header has of it */
	int64_t arrived_ms, now_ms;
	int64_t last_ms;    /* of the last attempt; 0: there was none */
	int64_t expires_ms; /* DELAYED: we go on trying until then */
	bool is_expired;    /* FAILED: the time ran out, as against refused */
	bool is_by_hand;    /* FAILED: an administrator gave it up */
	const struct mail_dsn_recipient
		*recipients;	/* those of one action and one answer best next to
							each other: they are told of together */
	size_t recipient_count; /* at least 1 */
};

void mail_dsn_begin(const struct mail_dsn *dsn, struct buf *out);
void mail_dsn_end(const struct mail_dsn *dsn, struct buf *out);
/* Whether the notice as a whole is 8-bit: it goes to an address beyond ASCII, or brings a whole
 * original that is. */
bool mail_dsn_is_8bit(const struct mail_dsn *dsn);
/* Whether it needs SMTPUTF8: it goes to an address beyond ASCII. */
bool mail_dsn_is_utf8(const struct mail_dsn *dsn);
/* enum smtp_form of the notice as a whole. */
unsigned mail_dsn_form(const struct mail_dsn *dsn);
