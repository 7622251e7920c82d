/* io/proxy.h: the header by which a proxy tells whom it speaks for, and networks.
 *
 * Shape    pure; proxy_parse() looks at the octets that have come so far
 * Source   the PROXY protocol of HAProxy, versions 1 (a line of at most 107 octets) and 2 (binary)
 */
#pragma once

#include "base/span.h"

struct proxy_header {
	bool is_local;	  /* the proxy's own connection (health check): the socket's address holds */
	char address[48]; /* of the client: "192.0.2.7", "2001:db8::1"; v4-mapped ones as IPv4 */
	int port;
	size_t octets; /* how long the header was */
};

enum { PROXY_OCTETS_MAX = 16 + 4096 }; /* what is longer is refused */

/* 1: *out is filled; 0: more octets are needed; -EPROTO: not a header, of a family that is no IP, or too
 * long. */
int proxy_parse(struct span octets, struct proxy_header *out);

/* "192.0.2.0/24", "2001:db8::/32", "192.0.2.7". */
struct network {
	unsigned char octets[16]; /* IPv4 as v4-mapped */
	unsigned bits;
};
/* -EINVAL: not a network, or bits set behind the prefix. */
int network_parse(struct span text, struct network *out);
bool network_has(const struct network *network, const char *address);
