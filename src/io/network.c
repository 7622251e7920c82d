#include "io/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

enum { V4_BITS = 96 }; /* of a v4-mapped address, before the IPv4 one */

static const unsigned char mapped[12] = { [10] = 0xFF, [11] = 0xFF };

static bool read_address(const char *text, unsigned char octets[16])
{
	memcpy(octets, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, octets + sizeof(mapped)) == 1 ||
	       inet_pton(AF_INET6, text, octets) == 1;
}

static bool has_bits_behind(const unsigned char octets[16], unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		if (octets[i / 8] >> (7 - i % 8) & 1)
			return true;
	return false;
}

int network_parse(struct span text, struct network *out)
{
	size_t slash = span_find(text, '/');
	char address[INET6_ADDRSTRLEN];
	uint64_t bits;
	bool is_v4;

	if (slash >= sizeof(address) || span_find(text, '\0') < text.len)
		return -EINVAL;
	memcpy(address, text.at, slash);
	address[slash] = '\0';
	is_v4 = span_find(text, ':') == text.len;
	bits = is_v4 ? 32 : 128;
	if (!read_address(address, out->octets))
		return -EINVAL;
	if (slash < text.len &&
	    (span_number(span_from(text, slash + 1), &bits) != 0 || bits > (is_v4 ? 32 : 128)))
		return -EINVAL;
	out->bits = (unsigned)bits + (is_v4 ? V4_BITS : 0);
	return has_bits_behind(out->octets, out->bits) ? -EINVAL : 0;
}

bool network_has(const struct network *network, const char *address)
{
	unsigned char octets[16];
	unsigned whole = network->bits / 8, rest = network->bits % 8;

	if (!read_address(address, octets))
		return false;
	/* "::/0" is all of IPv6, and not IPv4, which only here looks like a part of it. */
	if (network->bits < V4_BITS && memcmp(octets, mapped, sizeof(mapped)) == 0)
		return false;
	if (memcmp(octets, network->octets, whole) != 0)
		return false;
	return rest == 0 || (octets[whole] ^ network->octets[whole]) >> (8 - rest) == 0;
}
