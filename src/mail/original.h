/* mail/original.h: what a notice takes from the header section of the message it is about.
 *
 * Shape    each looks at the header section as it was kept: it may be cut, and is peer text
 */
#pragma once

#include "base/buf.h"

/* Whole lines of it, without the blank line at its end. */
struct span mail_original_header(struct span header);
/* Its Message-ID with angle brackets, fit for a field of ours; empty: none that is. */
struct span mail_original_id(struct span header);
