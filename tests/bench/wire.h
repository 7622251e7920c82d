/* wire.h: a connection of the programs that measure: plain or TLS, over edge-triggered epoll.
 *
 * Shape	wire_turn(events), wire_get() until -EAGAIN, wire_put() as often as wished, wire_flush()
 * Cost		all that is put until the flush goes in one write, all that has come is taken in one read
 * Memory	the buffers are the thread's (struct wire_room); a connection holds octets of its own only
 *		while the kernel would not take them
 */
#pragma once
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/types.h>

enum { WIRE_IN_OCTETS = 65536, WIRE_OUT_OCTETS = 131072 };

struct wire;

/* One for each thread. */
struct wire_room {
	struct wire *writer; /* whose octets are in out[] */
	size_t out_len;
	size_t in_at, in_len; /* read, not yet taken */
	bool is_drained, reads_to_end;
	char in[WIRE_IN_OCTETS], out[WIRE_OUT_OCTETS];
};

struct wire {
	struct wire_room *room;
	gnutls_session_t tls; /* NULL: plain */
	char *held;	      /* what the kernel would not take */
	size_t held_at, held_len;
	int fd, tls_error;
};

/* Takes over fd. */
void wire_init(struct wire *w, struct wire_room *room, int fd);

/* Events of all kinds, once each, with `owner`; from here on another thread may have them. */
int wire_watch(const struct wire *w, int epoll, void *owner);

/* Closes as it is; what was held is lost. */
void wire_fini(struct wire *w);

/* Before anything is read at an event. */
void wire_turn(struct wire *w, uint32_t events);

/* Octets read, 0 at the end, -EAGAIN: nothing more until the next event; else it is broken. */
ssize_t wire_get(struct wire *w, char *at, size_t size);

void wire_put(struct wire *w, const void *at, size_t n);

/* 0: the kernel has all; -EAGAIN: it has not, flush again when the next event says EPOLLOUT. */
int wire_flush(struct wire *w);

/* From here on TLS; then wire_shake() until it is 0. -EAGAIN: at the next event; -EPROTO: they
 * do not agree; else the connection is broken.
 */
void wire_secure(struct wire *w, gnutls_session_t tls);
int wire_shake(struct wire *w);

/* What an error of these calls means. */
const char *wire_words(const struct wire *w, ssize_t error);

/* Connects, without waiting; listens on the loopback address (port 0: any). A socket or -errno. */
int wire_dial(const struct sockaddr_storage *to, const struct sockaddr_in *from);
int wire_listen(int *port);

/* 0, or -EINVAL: neither an IPv4 nor an IPv6 address. */
int wire_address(struct sockaddr_storage *out, const char *text, int port);
