/* net.h: connections between the fake io room and the scripted smarthosts.
 *
 * Shape    dial -> net_ops.called() -> net_ops.octets() / net_send() -> net_close() or .ended()
 * Owns     a net lives until both ends have let go of it
 *
 * Octets of one direction arrive in order, in portions and after delays that chance decides.
 */
#pragma once

#include "base/buf.h"
#include "world.h"

struct net;
struct stream;

/* No octet is on its way longer than that while its reader reads. */
enum { NET_LATENCY_MOST = 400 };

enum net_call { NET_CONNECTED, NET_REFUSED, NET_SILENT };

struct net_ops {
	/* Somebody dials; on NET_CONNECTED *peer_out is what the other calls are given. */
	enum net_call (*called)(const char *host, int port, struct net *net, void **peer_out);
	/* The connection stands. */
	void (*connected)(void *peer);
	/* Returns how many it took; the rest comes again after net_more(). */
	size_t (*octets)(void *peer, struct span octets);
	/* False: the handshake fails. */
	bool (*secure)(void *peer);
	/* The other end has closed or reset: the peer lets go. */
	void (*ended)(void *peer);
};

extern struct net_ops net_ops;

void net_send(struct net *net, struct span octets);
/* given(user) is called once all that was sent so far has come to the process's ears. */
void net_mark(struct net *net, void (*given)(void *user), void *user);
void net_more(struct net *net);
/* The peer lets go: what was sent arrives first. */
void net_close(struct net *net);
/* What is on its way may be lost. */
void net_reset(struct net *net);
/* Which life of the process dialled. */
unsigned net_life(const struct net *net);
/* The process holds its end. */
bool net_is_ours(const struct net *net);
