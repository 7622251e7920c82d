/* io/dial_lookup.h: names to addresses. On a lane's thread. */
#pragma once

#include "base/fault.h"

#include <netdb.h>

/* In the order of RFC 6724, as the system's resolver gives them; freeaddrinfo() releases. */
int dial_lookup(const char *host, int port, struct addrinfo **out, struct fault *fault);
