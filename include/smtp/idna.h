/* smtp/idna.h: domains beyond ASCII.
 *
 * Shape    pure; libidn2 does the work
 * Errors   -EINVAL: no domain that IDNA 2008 allows (or one whose A-label form is over 255 octets)
 * Source   RFC 5890, 5891, 6531 3.2
 */
#pragma once

#include "base/buf.h"

/* "bücher.example" -> "xn--bcher-kva.example", lower case; what is ASCII already is appended as it
 * is, address literals too. Nothing is appended on failure. */
int smtp_domain_to_ascii(struct span domain, struct buf *out);
/* A mailbox whose domain is turned so. -EINVAL also where the local part is beyond ASCII: only
 * SMTPUTF8 can carry that. */
int smtp_mailbox_to_ascii(struct span mailbox, struct buf *out);
