/* main/sockets.h: the listening sockets of all loops, bound while we still may.
 *
 * Owns     the descriptors until they are handed to listen_start()
 * Errors   a fault with the section's file and line, address and port
 */
#pragma once

#include "base/fault.h"
#include "conf/conf.h"

struct socket_bound {
	int fd;
	const struct conf_listen *listen;
	unsigned loop;
};

struct sockets {
	struct socket_bound *at;
	size_t count;
};

/* A listen section with port 0 takes the sockets that systemd handed over under its name. */
int sockets_open(struct sockets *sockets, const struct conf *conf, unsigned loops,
		 struct fault *fault);
/* Closes those that nobody took (fd -1: taken). */
void sockets_fini(struct sockets *sockets);
