/* mail/quoted.h: quoted-printable.
 *
 * Shape    mail_quoted_put()... -> mail_quoted_end(); a zeroed one is ready, also after the end
 * Source   RFC 2045 6.7; RFC 2049 3. (what gateways do to lines)
 *
 * Lines have at most 76 columns. "From " and "." at the start of one are encoded, as is "--", which might
 * be read as a delimiter, and a blank at the end. CR and LF alone are encoded like any control.
 */
#pragma once

#include "base/buf.h"

struct mail_quoted {
	char line[80];
	size_t column;
	size_t unit; /* octets of "=XX" still to come, when mending */
	bool has_cr;
	bool is_mending; /* set at the start: the input is quoted-printable, of which only what must not
			    be in it is encoded, and lines are broken */
};

void mail_quoted_put(struct mail_quoted *q, struct span in, struct buf *out);
/* is_last: no line end follows that a delimiter brings. */
void mail_quoted_end(struct mail_quoted *q, bool is_last, struct buf *out);
/* At most as much comes out of what has so many columns and CRLFs (mail/facts.h). */
uint64_t mail_quoted_bound(uint64_t width, uint64_t lines);
