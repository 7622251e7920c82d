/* queue/wire.h: the fields of the room's records, as queue/envelope.h lays them down.
 *
 * Shape    wire_put_... append; wire_take_... use up `left`, and set is_bad (once, for good) where a
 *          field does not fit
 * Owns     a text that was taken is the caller's
 */
#pragma once

#include "base/buf.h"
#include "queue/envelope.h"

enum { WIRE_TEXT_LEAST = 4 };

struct wire {
	struct span left;
	uint64_t version;
	bool is_bad;
};

void wire_put_number(struct buf *out, uint64_t value, unsigned octets);
void wire_put_text(struct buf *out, const char *text);

/* Takes the version: -EINVAL where there is none, -ENOTSUP for one that is later than `newest`. */
int wire_begin(struct wire *w, struct span in, uint64_t newest);
uint64_t wire_take_number(struct wire *w, unsigned octets);
/* NULL: it did not fit, or holds a NUL, which would shorten it behind our back. */
char *wire_take_text(struct wire *w);
/* How many follow, each of at least `least` octets: a count that cannot be true is refused before
 * anything is allocated for it. */
size_t wire_take_count(struct wire *w, size_t least);
bool wire_is_whole(const struct wire *w);
