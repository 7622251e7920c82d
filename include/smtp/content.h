/* smtp/content.h: what must be known of a content to send it on.
 *
 * Source   RFC 6152 (8BITMIME), 3030 (BINARYMIME), 6531 (SMTPUTF8), 5321 4.5.3.1.6 (lines of at most
 *          998 octets without their CRLF)
 */
#pragma once

#include <stdint.h>

enum { SMTP_LINE_MOST = 998 };

/* Flags; 0: plain 7-bit. */
enum smtp_form {
	SMTP_FORM_8BIT = 1,	   /* octets above 127 in the body or the header section */
	SMTP_FORM_8BIT_HEADER = 2, /* in the header section, those of the parts not counted */
	SMTP_FORM_LONG_LINES = 4,  /* a line above SMTP_LINE_MOST */
	SMTP_FORM_BINARY = 8,	   /* was sent as BINARYMIME: octets, not lines */
	/* It may go out by DATA without being looked at again: no line begins with a dot, each ends in CRLF,
	 * there is no CR, LF or NUL besides. Told by smtp_body_decode() alone, of a content that came by
	 * DATA. Whole header fields may come and go behind that; whoever changes anything else takes it
	 * away, and it is not stored. Without it a content is looked at, which is never wrong. */
	SMTP_FORM_DOTLESS = 16,
};
