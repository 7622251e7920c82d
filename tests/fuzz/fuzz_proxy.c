/* PROXY headers and networks: an answer stays what it was when more octets come; what is told is an address. */
#include "base/require.h"
#include "io/proxy.h"

#include <arpa/inet.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_header(const struct proxy_header *h)
{
	unsigned char octets[16];

	require(h->octets > 0 && h->octets <= PROXY_OCTETS_MAX);
	require(h->port >= 0 && h->port <= 65535);
	if (h->is_local)
		require(h->address[0] == '\0');
	else
		require(inet_pton(AF_INET, h->address, octets) == 1 ||
			inet_pton(AF_INET6, h->address, octets) == 1);
}

static void check_prefixes(struct span all)
{
	struct proxy_header h, whole;
	int last = 0;

	for (size_t n = 0; n <= all.len && n <= PROXY_OCTETS_MAX + 2; n++) {
		int rc = proxy_parse(span_first(all, n), &h);

		require(last == 0 || rc == last);
		require(rc != 0 || n < PROXY_OCTETS_MAX);
		if (rc == 1) {
			check_header(&h);
			require(last == 1 || h.octets == n);
			require(last == 0 || (h.octets == whole.octets && h.port == whole.port &&
					      strcmp(h.address, whole.address) == 0));
			whole = h;
		}
		last = rc;
	}
}

static void check_network(struct span text)
{
	char address[INET6_ADDRSTRLEN];
	struct network n;

	if (network_parse(text, &n) < 0)
		return;
	require(n.bits <= 128);
	inet_ntop(AF_INET6, n.octets, address, sizeof(address));
	/* Its own first address; but one that only looks like IPv4 (::ffff:0:0) is no part of a wider one. */
	require(network_has(&n, address) || n.bits < 96);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);

	check_prefixes(in);
	check_network(in);
	return 0;
}
