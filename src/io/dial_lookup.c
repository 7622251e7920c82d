#include "dial_lookup.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int look_up(const char *host, const char *service, int flags, struct addrinfo **out)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = flags | AI_NUMERICSERV,
	};

	return getaddrinfo(host, service, &hints, out);
}

/* AI_ADDRCONFIG spares waiting for AAAA records where there is no IPv6, but finds nothing on a
 * machine that has no more than its loopback interface. */
static bool is_worth_another_try(int rc)
{
	return rc == EAI_NONAME || rc == EAI_ADDRFAMILY || rc == EAI_NODATA;
}

int dial_lookup(const char *host, int port, struct addrinfo **out, struct fault *fault)
{
	char service[8];
	int rc;

	snprintf(service, sizeof(service), "%u", (unsigned)port & 0xFFFF);
	rc = look_up(host, service, AI_NUMERICHOST, out);
	if (rc == EAI_NONAME) {
		rc = look_up(host, service, AI_ADDRCONFIG, out);
		if (is_worth_another_try(rc))
			rc = look_up(host, service, 0, out);
	}
	if (rc == 0)
		return 0;
	return fault_set(fault, rc == EAI_AGAIN ? -EAGAIN : -EHOSTUNREACH,
			 "cannot find the address of %s: %s", host,
			 rc == EAI_SYSTEM ? strerror(errno) : gai_strerror(rc));
}
