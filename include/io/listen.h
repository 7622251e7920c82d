/* io/listen.h: sockets that wait for clients.
 *
 * Shape    listen_bind() while still privileged: one socket per loop and address (SO_REUSEPORT);
 *          then listen_start() on each loop
 * Thread   bind on the main thread before the loops run; start and stop on the loop; listen_turn_away() on any
 * Errors   a fault with address, port and what to do (in use, not permitted)
 */
#pragma once

#include "base/fault.h"
#include "base/span.h"
#include "io/loop.h"

struct listener;

/* address NULL: all of IPv6 and IPv4 (two sockets where the system needs two). Puts at most
 * `cap` descriptors into fds_out; returns their number. `is_taken_check`: first makes sure that no
 * other program holds the port (SO_REUSEPORT would share it). */
int listen_bind(const char *address, int port, int *fds_out, size_t cap, bool is_taken_check,
		struct fault *fault);
/* accepted() is called on the loop with a connected, close-on-exec socket. A lack of descriptors
 * makes a pause of 100 ms, not a spin. Takes over fd. */
struct listener *listen_start(struct loop *loop, int fd, void (*accepted)(void *user, int fd),
			      void *user);
void listen_stop(struct listener **listener);
/* Says `words` (may be empty) to a client just accepted, whatever it may say, and closes: without waiting and
 * at the cost of three system calls. */
void listen_turn_away(int fd, struct span words);
