/* base/id.h: the names that lead through the log: sid, qid and refusal references.
 *
 * Shape    a 64-bit number as 13 characters of Crockford's base 32, greatest digit first, so
 *          that text sorts as the numbers do
 */
#pragma once

#include "base/span.h"

#define ID_TEXT_MAX 14 /* with the NUL */

void id_format(uint64_t id, char out[ID_TEXT_MAX]);
/* Accepts either case, and o for 0, i and l for 1. -EINVAL otherwise. */
int id_parse(struct span text, uint64_t *out);
