/* smtp/domain.h: the domains and address literals of paths.
 *
 * Source   RFC 5321 4.1.2, 4.1.3; labels of UTF-8 as in RFC 6531
 */
#pragma once

#include "base/span.h"

/* The octets of a domain at the front, 0 when there is none. An underscore counts as a letter:
 * such host names exist, and whether they can be reached is not for us to say. */
size_t smtp_domain_length(struct span in);
/* The same for an address literal, from "[" to "]". */
size_t smtp_literal_length(struct span in);
