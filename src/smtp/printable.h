/* smtp/printable.h: text of a reply that may be shown to anybody.
 *
 * Thread   pure
 */
#pragma once

#include "base/buf.h"

/* Appends the text with '?' for each octet that is a control. */
void smtp_put_printable(struct span text, struct buf *out);
