/* smtp/run.h: the octets of a content that pass as they stand.
 *
 * Shape    smtp_run_length() says how many there are from the front
 * Thread   pure
 */
#pragma once

#include "base/span.h"

/* Whole lines that end in CRLF, and text; neither NUL, nor CR or LF alone. Where dots mean something no
 * line in it begins with one. *is_start: whether the front is the start of a line; then, whether what
 * follows the run is. A CR at the end of `in` is none of it. */
size_t smtp_run_length(struct span in, bool has_dots, bool *is_start);
/* Of the octets from the front those that are above CR, so neither a line end nor NUL; there may be more
 * that are neither behind them. */
size_t smtp_plain_length(struct span in);
