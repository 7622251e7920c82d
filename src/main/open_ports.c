#include "open_ports.h"

#include "base/mem.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* A socket for both families is two. */
struct open_port {
	char *name; /* of its section */
	bool is_ipv6;
	unsigned char address[16]; /* IPv4: the first four; all zero: any */
	unsigned port;
};

struct open_ports {
	struct open_port *at;
	size_t count;
};

static void add(struct open_ports *ports, const char *name, const struct open_port *port)
{
	ports->at = mem_resize(ports->at, (ports->count + 1) * sizeof(*ports->at));
	ports->at[ports->count] = *port;
	ports->at[ports->count++].name = mem_text(name);
}

static bool is_any(const struct open_port *port)
{
	static const unsigned char any[sizeof(port->address)];

	return memcmp(port->address, any, sizeof(any)) == 0;
}

static bool is_ipv6_only(int fd)
{
	int on = 1;
	socklen_t len = sizeof(on);

	return getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, &len) != 0 || on;
}

/* Other families have no port. */
static void look_at(struct open_ports *ports, const char *name, int fd)
{
	struct open_port port = { 0 };
	union {
		struct sockaddr any;
		struct sockaddr_in ipv4;
		struct sockaddr_in6 ipv6;
		struct sockaddr_storage room;
	} own = { 0 };
	socklen_t len = sizeof(own);

	if (getsockname(fd, &own.any, &len) != 0)
		return;
	if (own.any.sa_family == AF_INET) {
		port.port = ntohs(own.ipv4.sin_port);
		memcpy(port.address, &own.ipv4.sin_addr, sizeof(own.ipv4.sin_addr));
		add(ports, name, &port);
	} else if (own.any.sa_family == AF_INET6) {
		port.port = ntohs(own.ipv6.sin6_port);
		if (IN6_IS_ADDR_V4MAPPED(&own.ipv6.sin6_addr)) {
			memcpy(port.address, &own.ipv6.sin6_addr.s6_addr[12], 4);
			add(ports, name, &port);
			return;
		}
		port.is_ipv6 = true;
		memcpy(port.address, &own.ipv6.sin6_addr, sizeof(port.address));
		add(ports, name, &port);
		port.is_ipv6 = false;
		if (is_any(&port) && !is_ipv6_only(fd))
			add(ports, name, &port);
	}
}

struct open_ports *open_ports_look(const struct sockets *sockets)
{
	struct open_ports *ports = mem_new(struct open_ports);

	/* All loops listen at the same places. */
	for (size_t i = 0; i < sockets->count; i++)
		if (sockets->at[i].loop == 0)
			look_at(ports, sockets->at[i].listen->name, sockets->at[i].fd);
	return ports;
}

/* Behind a proxy the ports that clients see are the proxy's. */
static bool serves_everybody(const struct conf_listen *listen)
{
	return listen->tls == CONF_LISTEN_IMPLICIT && listen->profile == CONF_PROFILE_MODERN &&
	       listen->users.count == 0 && listen->client_ca[0] == '\0' &&
	       listen->proxies.count == 0;
}

/* A client may know one way of logging in only. */
static bool offers_all(struct span there, struct span here)
{
	while (here.len) {
		size_t n = span_find(here, ' ');

		if (!span_has_word(there, span_first(here, n)))
			return false;
		here = span_from(here, n + 1);
	}
	return true;
}

/* Where another section has the same port at another address, the kernel says whose a client is: such a
 * port is not named. */
static bool is_reached(const struct open_ports *ports, const char *name, unsigned number,
		       const struct open_port *from)
{
	bool has = false;

	for (size_t i = 0; i < ports->count; i++) {
		const struct open_port *port = &ports->at[i];
		bool has_address = is_any(port) ||
				   memcmp(port->address, from->address, sizeof(port->address)) == 0;

		if (port->port != number || port->is_ipv6 != from->is_ipv6)
			continue;
		if (strcmp(port->name, name) == 0)
			has = has || has_address;
		else if (has_address || is_any(from))
			return false;
	}
	return has;
}

/* By whichever address a client came to the section `from`, the same address has the port, which is the
 * section `name`'s. */
static bool is_reached_from(const struct open_ports *ports, const char *name, unsigned number,
			    const char *from)
{
	bool has_come = false;

	for (size_t i = 0; i < ports->count; i++) {
		if (strcmp(ports->at[i].name, from) != 0)
			continue;
		if (!is_reached(ports, name, number, &ports->at[i]))
			return false;
		has_come = true;
	}
	return has_come;
}

static unsigned find(const struct open_ports *ports, const struct settings *settings,
		     const struct submit_listen *from)
{
	for (size_t i = 0; i < settings->conf->listen_count; i++) {
		const struct submit_listen *listen = &settings->listens[i];
		const char *name = listen->conf->name;

		if (!serves_everybody(listen->conf) ||
		    !offers_all(span_text(listen->mechanisms), span_text(from->mechanisms)))
			continue;
		for (size_t p = 0; p < ports->count; p++)
			if (is_reached_from(ports, name, ports->at[p].port, from->conf->name))
				return ports->at[p].port;
	}
	return 0;
}

void open_ports_tell(const struct open_ports *ports, struct settings *settings)
{
	for (size_t i = 0; i < settings->conf->listen_count; i++) {
		struct submit_listen *listen = &settings->listens[i];

		listen->tls_port =
			listen->conf->proxies.count == 0 ? find(ports, settings, listen) : 0;
	}
}

void open_ports_free(struct open_ports **ports)
{
	struct open_ports *p = *ports;

	*ports = NULL;
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++)
		free(p->at[i].name);
	free(p->at);
	free(p);
}
