/* mail/loose.h: octets that no encoding can be told of, made 7-bit lines: what stands before and behind
 * the parts of a multipart (which readers ignore, RFC 2046 5.1.1), and lines in a header section that
 * are no fields.
 *
 * Shape    mail_loose_put()... -> mail_loose_end(); a zeroed one is ready, also after the end
 * Source   RFC 2045 2.7
 *
 * An octet above 127, NUL, CR alone and LF alone become '?'; a line that is too long is folded.
 */
#pragma once

#include "base/buf.h"

struct mail_loose {
	size_t column;
	bool has_cr;
};

void mail_loose_put(struct mail_loose *l, struct span in, struct buf *out);
void mail_loose_end(struct mail_loose *l, struct buf *out);
/* At most as much comes out of so many octets. */
uint64_t mail_loose_bound(uint64_t octets);
