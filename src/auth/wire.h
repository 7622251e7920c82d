/* auth/wire.h (private): frames on a worker's socket: 32-bit length (little-endian), octets.
 *
 * Shape    waits; whole frames only, one system call each way where the socket allows it
 * Owns     what has come and was not taken yet; wiped once it was
 * Errors   -EPIPE: closed within a frame; -EINVAL: longer than AUTH_FRAME_OCTETS_MAX
 */
#pragma once

#include "base/buf.h"

struct wire {
	int fd;
	struct buf in;
	size_t taken; /* of `in`: the frame that was handed out last */
};

void wire_fini(struct wire *w);
/* Whether the next frame is here already, so that nothing need be waited for. */
bool wire_has_frame(const struct wire *w);
/* 1 and the payload, which lives until the next call and is wiped by it; 0 when the other side closed
 * between frames, or the error. */
int wire_read(struct wire *w, struct span *frame_out);
/* The same now: who waits long for the next one must not keep the password in the last. */
void wire_forget(struct wire *w);
int wire_write(struct wire *w, struct span payload);
