/* mail/header.h: one streaming pass over a message's header section.
 *
 * Shape    feed the content in parts of any size; what comes out is the content with Bcc and
 *          Resent-Bcc fields removed and, before the blank line that ends the header section, the
 *          fields that were missing. The body is looked at, and not copied. The Received field is
 *          not made here (mail/received.h): it goes in front.
 * Thread   one at a time; pure: time and id come in as text in the conf
 * Owns     a line's worth of memory: at most MAIL_SCAN_HELD octets are held back
 * Errors   verdicts in struct mail_scan: the caller refuses the message at its end
 * Source   RFC 5322 2.2, 3.6, 4.5 (white space before the colon); RFC 6409 8. (fix-ups a submission
 *          server may make)
 *
 * A message whose first line is no header field (no colon, a folded line, an mbox "From ") has an
 * empty header section: missing fields and a blank line are put in front of it.
 *
 * A later line that is no header field is passed on, but readers differ: to some it ends the header
 * section, to others only the blank line does. So missing fields go in front of it, where both find
 * them, and Bcc fields behind it are still removed.
 *
 * Everything else is passed on octet for octet.
 */
#pragma once

#include "base/buf.h"

#define MAIL_SCAN_HELD 998

struct mail_scan_conf {
	const char *date; /* value of Date to add: "Sat, 21 Nov 2026 22:11:54 +0000"; NULL: none */
	const char *message_id; /* value of Message-ID to add: "<...@...>"; NULL: none */
	size_t header_octets;	/* cap of the header section */
	unsigned hops;		/* more Received fields than this: a loop */
};

struct mail_scan {
	struct mail_scan_conf conf; /* the texts are borrowed */
	int state;		    /* private */
	struct buf held;	    /* private: a field name that is not complete yet */
	bool is_dropping;	    /* private: within a Bcc field */
	bool is_capturing;	    /* private: within the first Message-ID field */
	bool is_after_first;	/* private: a field was seen, so the header section is not empty */
	bool is_completed;	/* private: missing fields have been added */
	size_t counted;		/* private: of *out, what header_put has already */
	uint64_t header_octets; /* of the header section as it came */
	uint64_t header_put;	/* and as it was put out, without the blank line behind it */
	unsigned received;
	bool has_date, has_message_id, has_from; /* in the message as it came */
	bool is_too_long;			 /* the header section passed its cap */
	bool has_8bit;	      /* any octet above 127 in what was passed on, header or body */
	bool has_8bit_header; /* in the header section, so in header_put's part of it */
	bool is_in_body;
	/* The value of Message-ID, its own or the one added, unfolded, at most 250 octets; for the
	 * log. Peer text. */
	struct buf id;
};

void mail_scan_init(struct mail_scan *s, const struct mail_scan_conf *conf);
/* Of one that was used before: for another message, with the memory that it has. */
void mail_scan_restart(struct mail_scan *s, const struct mail_scan_conf *conf);
void mail_scan_fini(struct mail_scan *s);
/* Appends to *out what the octets of the header section become. Returned is the rest, which belongs
 * to the body and comes behind *out as it is. */
struct span mail_scan_feed(struct mail_scan *s, struct span content, struct buf *out);
/* The content is complete: a header section without a body is closed. */
void mail_scan_end(struct mail_scan *s, struct buf *out);
static inline bool mail_scan_is_loop(const struct mail_scan *s)
{
	return s->received > s->conf.hops;
}
