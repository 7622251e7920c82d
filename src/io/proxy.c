#include "io/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>

enum {
	V1_MOST = 107, /* with its CRLF; "a 108-byte buffer is always enough" */
	V2_HEAD = 16,
	V2_SIGNATURE = 12,
	V2_LOCAL = 0x20,
	V2_PROXY = 0x21,
	V2_UNSPEC_MOST = 0x02, /* no family, whatever the transport */
	V2_TCP4 = 0x11,
	V2_TCP6 = 0x21,
	TLV_HEAD = 3,
	TLV_CRC32C = 0x03,
};

/* Version 1: "PROXY TCP4 192.0.2.7 192.0.2.1 56324 465" CRLF */

/* The word up to the next SP, which goes too; false: there is no SP, or no word. */
static bool next_word(struct span *in, char *out, size_t cap)
{
	size_t n = span_find(*in, ' ');

	if (n == 0 || n == in->len || n >= cap)
		return false;
	memcpy(out, in->at, n);
	out[n] = '\0';
	*in = span_from(*in, n + 1);
	return true;
}

/* "Heading zeroes are not permitted". */
static bool read_port(const char *text, int *out)
{
	uint64_t n;

	if (span_number(span_text(text), &n) != 0 || n > 65535 || (text[0] == '0' && text[1]))
		return false;
	*out = (int)n;
	return true;
}

static void set_v4(struct proxy_header *out, const unsigned char octets[4])
{
	inet_ntop(AF_INET, octets, out->address, sizeof(out->address));
}

static void set_v6(struct proxy_header *out, const unsigned char octets[16])
{
	struct in6_addr v6;

	memcpy(&v6, octets, sizeof(v6));
	if (IN6_IS_ADDR_V4MAPPED(&v6))
		set_v4(out, octets + 12);
	else
		inet_ntop(AF_INET6, &v6, out->address, sizeof(out->address));
}

static int read_tcp(struct span words, int family, struct proxy_header *out)
{
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN], from_port[8], to_port[8];
	unsigned char octets[16], unused[16];
	int unused_port;

	/* The last word ends as the others do: our caller's copy has a SP there. */
	if (!next_word(&words, from, sizeof(from)) || !next_word(&words, to, sizeof(to)) ||
	    !next_word(&words, from_port, sizeof(from_port)) ||
	    !next_word(&words, to_port, sizeof(to_port)) || words.len)
		return -EPROTO;
	if (inet_pton(family, from, octets) != 1 || inet_pton(family, to, unused) != 1 ||
	    !read_port(from_port, &out->port) || !read_port(to_port, &unused_port))
		return -EPROTO;
	if (family == AF_INET)
		set_v4(out, octets);
	else
		set_v6(out, octets);
	return 1;
}

static int read_line(struct span line, struct proxy_header *out)
{
	char text[V1_MOST + 1];
	struct span words = span_of(text, line.len + 1);

	memcpy(text, line.at, line.len);
	text[line.len] = ' ';
	if (span_find(line, '\0') < line.len)
		return -EPROTO;
	if (memcmp(text, "PROXY TCP4 ", 11) == 0)
		return read_tcp(span_from(words, 11), AF_INET, out);
	if (memcmp(text, "PROXY TCP6 ", 11) == 0)
		return read_tcp(span_from(words, 11), AF_INET6, out);
	/* "the receiver must ignore anything presented before the CRLF is found" */
	out->is_local = memcmp(text, "PROXY UNKNOWN ", 14) == 0;
	return out->is_local ? 1 : -EPROTO;
}

static int parse_v1(struct span octets, struct proxy_header *out)
{
	struct span some = span_first(octets, V1_MOST);
	size_t cr = span_find(some, '\r');

	if (span_find(some, '\n') < cr)
		return -EPROTO;
	if (cr + 1 >= some.len)
		return some.len < V1_MOST ? 0 : -EPROTO;
	if (some.at[cr + 1] != '\n' || cr < sizeof("PROXY UNKNOWN") - 1)
		return -EPROTO;
	out->octets = cr + 2;
	return read_line(span_first(some, cr), out);
}

/* Version 2 */

static unsigned u16_at(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* RFC 3720 section 12.1's, over the whole header with the checksum's own octets as zeros. */
static uint32_t crc32c(struct span header, size_t zeros_at)
{
	uint32_t crc = 0xFFFFFFFFU;

	for (size_t i = 0; i < header.len; i++) {
		crc ^= i >= zeros_at && i < zeros_at + 4 ? 0U : header.at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78U : 0U);
	}
	return ~crc;
}

static bool crc_is_right(struct span header, size_t at)
{
	const unsigned char *c = header.at + at;

	return crc32c(header, at) ==
	       ((uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 | (uint32_t)c[2] << 8 | c[3]);
}

/* What the proxy knows besides. Its form must be right and its checksum, if it has one. */
static bool tlvs_are_right(struct span header, size_t from)
{
	while (from < header.len) {
		size_t len;

		if (header.len - from < TLV_HEAD)
			return false;
		len = u16_at(header.at + from + 1);
		if (header.len - from - TLV_HEAD < len)
			return false;
		if (header.at[from] == TLV_CRC32C &&
		    (len != 4 || !crc_is_right(header, from + TLV_HEAD)))
			return false;
		from += TLV_HEAD + len;
	}
	return true;
}

static int read_v2(struct span header, struct proxy_header *out)
{
	const unsigned char *at = header.at + V2_HEAD;
	unsigned family = header.at[V2_SIGNATURE + 1];
	size_t address = family == V2_TCP6 ? 16 : 4;
	size_t block = 2 * address + 4;

	/* "must discard the protocol block including the family which is ignored" */
	out->is_local = header.at[V2_SIGNATURE] == V2_LOCAL || family <= V2_UNSPEC_MOST;
	if (out->is_local)
		return 1;
	if (header.len < V2_HEAD + block || !tlvs_are_right(header, V2_HEAD + block))
		return -EPROTO;
	if (family == V2_TCP4)
		set_v4(out, at);
	else
		set_v6(out, at);
	out->port = (int)u16_at(at + 2 * address);
	return 1;
}

static bool is_known_kind(unsigned command, unsigned family)
{
	if (command == V2_LOCAL)
		return true;
	return command == V2_PROXY &&
	       (family <= V2_UNSPEC_MOST || family == V2_TCP4 || family == V2_TCP6);
}

static int parse_v2(struct span octets, struct proxy_header *out)
{
	size_t whole;

	if (octets.len > V2_SIGNATURE && octets.at[V2_SIGNATURE] != V2_LOCAL &&
	    octets.at[V2_SIGNATURE] != V2_PROXY)
		return -EPROTO;
	if (octets.len < V2_HEAD)
		return 0;
	whole = V2_HEAD + u16_at(octets.at + V2_HEAD - 2);
	if (!is_known_kind(octets.at[V2_SIGNATURE], octets.at[V2_SIGNATURE + 1]) ||
	    whole > PROXY_OCTETS_MAX)
		return -EPROTO;
	if (octets.len < whole)
		return 0;
	out->octets = whole;
	return read_v2(span_first(octets, whole), out);
}

static bool begins_like(struct span octets, struct span sign)
{
	struct span both = span_first(octets, sign.len);

	return span_eq(both, span_first(sign, both.len));
}

int proxy_parse(struct span octets, struct proxy_header *out)
{
	const struct span v1 = span_text("PROXY ");
	const struct span v2 = span_of("\r\n\r\n\0\r\nQUIT\n", V2_SIGNATURE);

	*out = (struct proxy_header){ 0 };
	if (begins_like(octets, v1))
		return octets.len > v1.len ? parse_v1(octets, out) : 0;
	if (begins_like(octets, v2))
		return octets.len >= v2.len ? parse_v2(octets, out) : 0;
	return -EPROTO;
}
