/* mail/header.h: one streaming pass over a message's header section.
 *
 * Shape    feed the content in parts of any size; what comes out is the content with Bcc fields
 *          removed and, before the blank line that ends the header section, the fields that were
 *          missing. The Received field is not made here (mail/received.h): it goes in front.
 * Thread   one at a time; pure: time and id come in as text in the conf
 * Owns     a line's worth of memory: at most `field_name_octets` are held back
 * Errors   verdicts in struct mail_scan: the caller refuses the message at its end
 * Source   RFC 5322 2.2, 3.6; RFC 6409 8. (fix-ups a submission server may make)
 *
 * A message whose first line is no header field (no colon, a folded line, an mbox "From ") has an
 * empty header section: missing fields and a blank line are put in front of it. Everything
 * else is passed on octet for octet.
 */
#pragma once

#include "base/buf.h"

struct mail_scan_conf {
	const char *date;	/* value of Date to add: "Sat, 21 Nov 2026 22:11:54 +0000" */
	const char *message_id; /* value of Message-ID to add: "<...@...>" */
	size_t header_octets;	/* cap of the header section */
	unsigned hops;		/* more Received fields than this: a loop */
};

struct mail_scan {
	struct mail_scan_conf conf; /* the texts are borrowed */
	int state;		    /* private */
	struct buf held;	    /* private: a field name that is not complete yet */
	bool is_dropping;	    /* private: within a Bcc field */
	uint64_t header_octets;
	unsigned received;
	bool has_date, has_message_id, has_from;
	bool is_too_long; /* the header section passed its cap */
	bool has_8bit;	  /* any octet above 127, header or body */
	bool is_in_body;
	struct buf id; /* the value of Message-ID, at most 250 octets, for the log */
};

void mail_scan_init(struct mail_scan *s, const struct mail_scan_conf *conf);
void mail_scan_fini(struct mail_scan *s);
/* Appends to *out what the octets become. */
void mail_scan_feed(struct mail_scan *s, struct span content, struct buf *out);
/* The content is complete: a header section without a body is closed. */
void mail_scan_end(struct mail_scan *s, struct buf *out);
static inline bool mail_scan_is_loop(const struct mail_scan *s)
{
	return s->received > s->conf.hops;
}
