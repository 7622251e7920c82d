/* Which port replies send clients to: one that is open, for whoever came here. */
#include "test.h"

#include "../../../src/main/open_ports.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SECTIONS = 3, SOCKETS_MOST = 4 };

/* Clients come to `from`; `tls` and `other` have TLS from the first octet, unless a case says more. */
enum { FROM, TLS, OTHER };

static const char *some[] = { "alice" };
static struct conf_listen listens[SECTIONS];
static struct submit_listen told[SECTIONS];
static struct conf conf;
static struct settings settings = { .conf = &conf, .listens = told };
static struct socket_bound bound[SOCKETS_MOST];
static struct sockets sockets = { .at = bound };

static int configure(void **state)
{
	static const char *const names[SECTIONS] = { "from", "tls", "other" };

	(void)state;
	for (int i = 0; i < SECTIONS; i++) {
		listens[i] = (struct conf_listen){
			.name = names[i],
			.address = "",
			.port = 1,
			.tls = i == FROM ? CONF_LISTEN_STARTTLS : CONF_LISTEN_IMPLICIT,
			.profile = CONF_PROFILE_MODERN,
			.client_ca = "",
		};
		told[i] = (struct submit_listen){ .conf = &listens[i],
						  .mechanisms = "PLAIN LOGIN",
						  .tls_port = 99 };
	}
	conf.listens = listens;
	conf.listen_count = SECTIONS;
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	while (sockets.count)
		close(bound[--sockets.count].fd);
	return 0;
}

static void put(int fd, int section)
{
	assert_true(sockets.count < SOCKETS_MOST);
	bound[sockets.count++] = (struct socket_bound){ fd, &listens[section], 0 };
}

/* Binds the section to that port, or for 0 one that is free, which it returns; "*": both families, one socket. A
 * single address of IPv6 is bound as systemd does it, without IPV6_V6ONLY. */
static unsigned open_port_at(int section, const char *address, unsigned number)
{
	struct sockaddr_in6 ipv6 = { .sin6_family = AF_INET6,
				     .sin6_port = htons((uint16_t)number) };
	struct sockaddr_in ipv4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)number) };
	bool is_dual = strcmp(address, "*") == 0, is_ipv6 = is_dual || strchr(address, ':');
	struct sockaddr *at = is_ipv6 ? (struct sockaddr *)&ipv6 : (struct sockaddr *)&ipv4;
	socklen_t len = is_ipv6 ? sizeof(ipv6) : sizeof(ipv4);
	int fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    only = strcmp(address, "::") == 0, on = 1;

	assert_true(fd >= 0);
	if (is_ipv6)
		assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
	if (!is_dual)
		assert_int_equal(inet_pton(at->sa_family, address,
					   is_ipv6 ? (void *)&ipv6.sin6_addr : &ipv4.sin_addr),
				 1);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, at, len), 0);
	put(fd, section);
	assert_int_equal(getsockname(fd, at, &len), 0);
	return ntohs(is_ipv6 ? ipv6.sin6_port : ipv4.sin_port);
}

static unsigned open_at(int section, const char *address)
{
	return open_port_at(section, address, 0);
}

static unsigned tell(void)
{
	struct open_ports *ports = open_ports_look(&sockets);

	open_ports_tell(ports, &settings);
	open_ports_free(&ports);
	assert_null(ports);
	return told[FROM].tls_port;
}

struct pair {
	const char *from[2], *tls;
	bool is_told;
};

static void check(const struct pair *pairs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		unsigned port;

		configure(NULL);
		open_at(FROM, pairs[i].from[0]);
		if (pairs[i].from[1])
			open_at(FROM, pairs[i].from[1]);
		port = open_at(TLS, pairs[i].tls);
		assert_int_equal(tell(), pairs[i].is_told ? port : 0);
		close_all(NULL);
	}
}

static void by_addresses(void **state)
{
	static const struct pair pairs[] = {
		{ { "127.0.0.1" }, "127.0.0.1", true },	 { { "127.0.0.1" }, "0.0.0.0", true },
		{ { "127.0.0.1" }, "127.0.0.2", false }, { { "0.0.0.0" }, "0.0.0.0", true },
		{ { "0.0.0.0" }, "127.0.0.1", false },
	};

	(void)state;
	check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static bool has_ipv6(void)
{
	const struct sockaddr_in6 loopback = { .sin6_family = AF_INET6,
					       .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && bind(fd, (const struct sockaddr *)&loopback, sizeof(loopback)) == 0;

	if (fd >= 0)
		close(fd);
	return has;
}

static void by_addresses_of_both_families(void **state)
{
	static const struct pair pairs[] = {
		{ { "::1" }, "0.0.0.0", false },
		{ { "::1" }, "::", true },
		{ { "127.0.0.1" }, "::", false },
		{ { "127.0.0.1" }, "*", true },
		{ { "::1" }, "*", true },
		{ { "*" }, "*", true },
		{ { "*" }, "0.0.0.0", false },
		{ { "*" }, "::", false },
		{ { "0.0.0.0", "::1" }, "*", true },
		{ { "127.0.0.1", "::1" }, "127.0.0.1", false },
		{ { "127.0.0.1" }, "::1", false },
		{ { "0.0.0.0" }, "::1", false },
		{ { "::ffff:127.0.0.1" }, "::", false },
		{ { "::ffff:127.0.0.1" }, "0.0.0.0", true },
		{ { "127.0.0.1" }, "::ffff:127.0.0.1", true },
	};

	(void)state;
	if (!has_ipv6())
		skip(); /* this machine has no IPv6 */
	check(pairs, sizeof(pairs) / sizeof(pairs[0]));
}

static void by_whom_it_serves(void **state)
{
	static const struct conf_list one = { .at = some, .count = 1 };
	unsigned port = open_at(TLS, "127.0.0.1");

	(void)state;
	open_at(FROM, "127.0.0.1");
	assert_int_equal(tell(), port);

	listens[TLS].tls = CONF_LISTEN_STARTTLS;
	assert_int_equal(tell(), 0);
	configure(NULL);
	listens[TLS].profile = CONF_PROFILE_LEGACY;
	assert_int_equal(tell(), 0);
	configure(NULL);
	listens[TLS].users = one;
	assert_int_equal(tell(), 0);
	configure(NULL);
	listens[TLS].client_ca = "ca.pem";
	assert_int_equal(tell(), 0);
	configure(NULL);
	listens[TLS].proxies = one;
	assert_int_equal(tell(), 0);
	configure(NULL);
	listens[FROM].proxies = one;
	assert_int_equal(tell(), 0);

	/* A way of logging in that is not to be had there; one more is. */
	configure(NULL);
	told[TLS].mechanisms = "SCRAM-SHA-256 PLAIN";
	assert_int_equal(tell(), 0);
	told[FROM].mechanisms = "PLAIN";
	assert_int_equal(tell(), port);

	/* Who came to one for some, with the old profile or with a certificate is sent there all the same. */
	configure(NULL);
	listens[FROM].users = one;
	listens[FROM].profile = CONF_PROFILE_LEGACY;
	listens[FROM].client_ca = "ca.pem";
	assert_int_equal(tell(), port);
}

/* A section that a reload brought or named anew has no socket; one it took away has nobody to tell of it. */
static void only_what_is_open(void **state)
{
	unsigned port = open_at(TLS, "127.0.0.1");

	(void)state;
	assert_int_equal(tell(), 0);
	open_at(FROM, "127.0.0.1");
	assert_int_equal(tell(), port);
	listens[TLS].port = 465;
	assert_int_equal(tell(), port);
	bound[0].listen = &(struct conf_listen){ .name = "before" };
	assert_int_equal(tell(), 0);
	assert_int_equal(told[OTHER].tls_port, 0);
}

static void the_first_that_fits(void **state)
{
	unsigned first, second;

	(void)state;
	open_at(FROM, "127.0.0.1");
	first = open_at(TLS, "127.0.0.1");
	second = open_at(OTHER, "127.0.0.1");
	assert_int_equal(tell(), first);
	listens[TLS].profile = CONF_PROFILE_LEGACY;
	assert_int_equal(tell(), second);
}

/* Whose a client is who comes to that port, at an address that two sections have, is the kernel's to say. */
static void a_port_of_two_sections(void **state)
{
	static const struct {
		const char *from, *tls, *other;
		bool is_told;
	} cases[] = {
		{ "127.0.0.1", "0.0.0.0", "127.0.0.1", false },
		{ "127.0.0.1", "0.0.0.0", "127.0.0.2", true },
		{ "0.0.0.0", "0.0.0.0", "127.0.0.2", false },
		{ "127.0.0.1", "127.0.0.2", "127.0.0.1", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned port;

		configure(NULL);
		listens[OTHER].profile = CONF_PROFILE_LEGACY;
		open_at(FROM, cases[i].from);
		port = open_at(TLS, cases[i].tls);
		open_port_at(OTHER, cases[i].other, port);
		assert_int_equal(tell(), cases[i].is_told ? port : 0);
		close_all(NULL);
	}
}

/* Two ports of one section, as a socket unit may have them: the one that is open at the client's address. */
static void of_two_ports_the_one_within_reach(void **state)
{
	unsigned near;

	(void)state;
	open_at(TLS, "127.0.0.2");
	near = open_at(TLS, "127.0.0.1");
	open_at(FROM, "127.0.0.1");
	assert_int_equal(tell(), near);
}

static void a_socket_without_a_port(void **state)
{
	struct sockaddr_un own = { .sun_family = AF_UNIX }; /* the kernel names it */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own.sun_family)), 0);
	put(fd, FROM);
	open_at(TLS, "0.0.0.0");
	assert_int_equal(tell(), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(by_addresses, configure, close_all),
		cmocka_unit_test_setup_teardown(by_addresses_of_both_families, configure,
						close_all),
		cmocka_unit_test_setup_teardown(by_whom_it_serves, configure, close_all),
		cmocka_unit_test_setup_teardown(only_what_is_open, configure, close_all),
		cmocka_unit_test_setup_teardown(the_first_that_fits, configure, close_all),
		cmocka_unit_test_setup_teardown(a_port_of_two_sections, configure, close_all),
		cmocka_unit_test_setup_teardown(of_two_ports_the_one_within_reach, configure,
						close_all),
		cmocka_unit_test_setup_teardown(a_socket_without_a_port, configure, close_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
