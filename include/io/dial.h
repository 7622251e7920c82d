/* io/dial.h: from a host name to a connected stream.
 *
 * Shape    dial_start -> (look-up in a lane, then each address in turn) -> done(stream or fault)
 * Thread   its loop; the look-up runs on the lane
 * Errors   -EHOSTUNREACH and the like with host, address and the system's words
 */
#pragma once

#include "base/fault.h"
#include "io/lane.h"
#include "io/stream.h"

struct dial;

struct dial_conf {
	struct loop *loop;
	struct lane *lane; /* for getaddrinfo */
	const char *host;  /* name or address; copied */
	int port;
	int64_t connect_ms; /* for each address */
	const struct stream_ops *ops;
	void *user;
	/* stream NULL: fault says why. Never called inside dial_start(). After it the dial is gone.
	 * ops.connected() follows. */
	void (*done)(void *user, struct stream *stream, const struct fault *fault);
};

struct dial *dial_start(const struct dial_conf *conf);
/* done() will not be called. */
void dial_cancel(struct dial **dial);
