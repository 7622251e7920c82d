/* mail/facts.h: what must be known of octets to choose how they may be sent.
 *
 * Shape    mail_facts_feed(octets)... -> mail_facts_end() -> the fields; the same whatever the pieces
 * Source   RFC 2045 2.7 to 2.9 (7bit, 8bit, binary), 6.7 (quoted-printable); RFC 3629 4 (UTF-8)
 */
#pragma once

#include "base/span.h"
#include "smtp/content.h"

struct mail_facts {
	uint64_t octets;
	uint64_t lines; /* CRLFs */
	uint64_t width; /* columns in quoted-printable, at most; without line ends and breaks */
	bool is_8bit;
	bool is_long;	/* a line above SMTP_LINE_MOST */
	bool is_binary; /* NUL, or CR or LF alone. width and is_broken are then not to be used */
	bool is_broken; /* not well-formed UTF-8 */
	bool is_ragged; /* the last line has no CRLF; not to be used either where is_binary is set */

	/* private */
	uint64_t column;
	bool has_cr;
	unsigned char last;	   /* octet of the line under way */
	uint8_t wanted, low, high; /* continuation octets to come, and what the next may be */
};

/* A zeroed one is ready. */
void mail_facts_feed(struct mail_facts *f, struct span octets);
/* The octets end here, or a line end follows that is not theirs. More may be fed: as a new line. */
void mail_facts_end(struct mail_facts *f);
