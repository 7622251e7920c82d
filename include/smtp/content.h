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
	/* Known of what was looked at as it came, and holds only as long as nothing is changed in it: lines
	 * that end in CRLF, none of which begins with a dot. */
	SMTP_FORM_DOTLESS = 16,
};
