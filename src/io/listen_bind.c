#include "io/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

struct binding {
	const char *address; /* as configured; NULL: all */
	int port;
	struct fault *fault;
};

static int fail(const struct binding *b, int code)
{
	const char *address = b->address ? b->address : "*";

	if (code == -EADDRINUSE)
		return fault_set(b->fault, code,
				 "%s port %d is in use by another program; `ss -ltnp` shows which "
				 "(a mail server that came with the system, perhaps)",
				 address, b->port);
	if (code == -EACCES)
		return fault_set(b->fault, code,
				 "%s port %d: not permitted; ports below 1024 need root, "
				 "CAP_NET_BIND_SERVICE, or a socket of systemd",
				 address, b->port);
	if (code == -EADDRNOTAVAIL)
		return fault_set(b->fault, code, "%s is no address of this machine", address);
	return fault_set(b->fault, code, "cannot listen on %s port %d: %s", address, b->port,
			 strerror(-code));
}

static int set_option(int fd, int level, int option)
{
	const int on = 1;

	return setsockopt(fd, level, option, &on, sizeof(on)) == 0 ? 0 : -errno;
}

/* A socket bound to `to`, or a negative errno. */
static int bound_socket(const struct addrinfo *to, bool is_shared)
{
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = set_option(fd, SOL_SOCKET, SO_REUSEADDR);
	if (rc == 0 && is_shared)
		rc = set_option(fd, SOL_SOCKET, SO_REUSEPORT);
	if (rc == 0 && to->ai_family == AF_INET6)
		rc = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
	if (rc == 0 && bind(fd, to->ai_addr, to->ai_addrlen) != 0)
		rc = -errno;
	if (rc == 0 && is_shared && listen(fd, BACKLOG) != 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

/* SO_REUSEPORT would take a share of the port beside another program of the same user. */
static int check_not_taken(const struct addrinfo *to)
{
	int fd = bound_socket(to, false);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int port_of(int fd)
{
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &len) != 0)
		return 0;
	/* Both families have it at the same place. */
	return ntohs(((struct sockaddr_in *)(void *)&own)->sin_port);
}

static void set_port(struct addrinfo *to, int port)
{
	((struct sockaddr_in *)(void *)to->ai_addr)->sin_port = htons((uint16_t)port);
}

static int look_up(const struct binding *b, struct addrinfo **out)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
	};
	char service[8];
	int rc;

	snprintf(service, sizeof(service), "%u", (unsigned)b->port & 0xFFFF);
	rc = getaddrinfo(b->address, service, &hints, out);
	if (rc == 0)
		return 0;
	return fault_set(b->fault, -EINVAL, "cannot listen on %s: %s",
			 b->address ? b->address : "*", gai_strerror(rc));
}

/* A machine without IPv6 listens on IPv4 alone. */
static bool is_dispensable(const struct binding *b, const struct addrinfo *to, int code)
{
	return b->address == NULL && to->ai_family == AF_INET6 &&
	       (code == -EAFNOSUPPORT || code == -EADDRNOTAVAIL);
}

static int bind_one(struct binding *b, struct addrinfo *to, bool is_taken_check)
{
	int fd = 0;

	set_port(to, b->port);
	if (is_taken_check && b->port)
		fd = check_not_taken(to);
	if (fd == 0)
		fd = bound_socket(to, true);
	/* Port 0: the kernel has chosen one, the other family gets the same. */
	if (fd >= 0 && b->port == 0)
		b->port = port_of(fd);
	return fd;
}

int listen_bind(const char *address, int port, int *fds_out, size_t cap, bool is_taken_check,
		struct fault *fault)
{
	struct binding b = { .address = address, .port = port, .fault = fault };
	struct addrinfo *found;
	size_t count = 0;
	int rc = look_up(&b, &found);

	if (rc)
		return rc;
	for (struct addrinfo *to = found; to && count < cap; to = to->ai_next) {
		int fd = bind_one(&b, to, is_taken_check);

		if (fd >= 0)
			fds_out[count++] = fd;
		else if (!is_dispensable(&b, to, fd))
			rc = fail(&b, fd);
		if (rc)
			break;
	}
	freeaddrinfo(found);
	if (rc == 0 && count == 0)
		rc = fail(&b, -EADDRNOTAVAIL);
	if (rc == 0)
		return (int)count;
	while (count)
		close(fds_out[--count]);
	return rc;
}
