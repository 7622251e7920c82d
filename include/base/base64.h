/* base/base64.h: RFC 4648 section 4, strict: canonical padding, no other octets.
 *
 * Errors   -EINVAL: not base64; what was appended before is taken back
 */
#pragma once

#include "base/buf.h"

void base64_encode(struct span in, struct buf *out);
int base64_decode(struct span in, struct buf *out);
