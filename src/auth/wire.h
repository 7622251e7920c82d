/* auth/wire.h (private): frames on a worker's socket: 32-bit length (little-endian), octets.
 *
 * Shape    waits; whole frames only
 * Errors   -EPIPE: closed within a frame; -EINVAL: longer than AUTH_FRAME_OCTETS_MAX
 */
#pragma once

#include "base/buf.h"

/* 1 and the payload, 0 when the other side closed between frames, or the error. What `frame` held
 * before is wiped. */
int wire_read(int fd, struct buf *frame);
int wire_write(int fd, struct span payload);
