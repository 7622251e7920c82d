/* mail/lines64.h: base64 in lines of 76.
 *
 * Shape    mail_lines64_put()... -> mail_lines64_end(); a zeroed one is ready, also after the end
 * Source   RFC 2045 6.8
 */
#pragma once

#include "base/buf.h"

struct mail_lines64 {
	unsigned char held[57]; /* what makes a line */
	size_t count, column;
	bool has_line;
	bool is_mending; /* set at the start: the input is base64, of which what is none is left out */
};

void mail_lines64_put(struct mail_lines64 *l, struct span in, struct buf *out);
/* is_last: no line end follows that a delimiter brings. */
void mail_lines64_end(struct mail_lines64 *l, bool is_last, struct buf *out);
/* At most as much comes out of so many octets. */
uint64_t mail_lines64_bound(uint64_t octets, bool is_mending);
