#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "io/proxy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define SIGN "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xC0\x00\x02\x07\xC0\x00\x02\x01\xDC\x04\x01\xD1" /* 192.0.2.7:56324 */
#define V6_FROM "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define V6_TO "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC0\x00\x02\x07"
#define PORTS "\xDC\x04\x02\x4B"
#define OCTETS(s)                                                                                  \
	{                                                                                          \
		(const unsigned char *)(s), sizeof(s) - 1                                          \
	}

/* The checksum of `checked`, as zeros while it is computed; made outside of this code. */
#define CHECKED_HEAD SIGN "\x21\x11\0\x13" V4 "\x03\0\x04"

static const struct {
	const char *name;
	struct span header;
	const char *address; /* "": local */
	int port;
} good[] = {
	{ "v1 TCP4", OCTETS("PROXY TCP4 192.0.2.7 192.0.2.1 56324 465\r\n"), "192.0.2.7", 56324 },
	{ "v1 TCP6", OCTETS("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"), "2001:db8::1", 1 },
	{ "v1 written in full",
	  OCTETS("PROXY TCP6 2001:0DB8:0000:0000:0000:0000:0000:0001 "
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	  "2001:db8::1", 65535 },
	{ "v1 v4-mapped", OCTETS("PROXY TCP6 ::ffff:192.0.2.7 ::1 0 0\r\n"), "192.0.2.7", 0 },
	{ "v1 UNKNOWN", OCTETS("PROXY UNKNOWN\r\n"), "", 0 },
	{ "v1 UNKNOWN and the longest line",
	  OCTETS("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
	  "", 0 },
	{ "v1 UNKNOWN and nonsense", OCTETS("PROXY UNKNOWN \x01\x02 x\r\n"), "", 0 },
	{ "v2 TCP4", OCTETS(SIGN "\x21\x11\0\x0C" V4), "192.0.2.7", 56324 },
	{ "v2 TCP6", OCTETS(SIGN "\x21\x21\0\x24" V6_FROM V6_TO PORTS), "2001:db8::1", 56324 },
	{ "v2 v4-mapped", OCTETS(SIGN "\x21\x21\0\x24" MAPPED V6_TO PORTS), "192.0.2.7", 56324 },
	{ "v2 LOCAL", OCTETS(SIGN "\x20\x00\0\0"), "", 0 },
	{ "v2 LOCAL with an address", OCTETS(SIGN "\x20\x11\0\x0C" V4), "", 0 },
	{ "v2 LOCAL with nonsense", OCTETS(SIGN "\x20\xFF\0\x03xyz"), "", 0 },
	{ "v2 no family", OCTETS(SIGN "\x21\x00\0\0"), "", 0 },
	{ "v2 no family, TLVs", OCTETS(SIGN "\x21\x00\0\x05\x04\0\x02\0\0"), "", 0 },
	{ "v2 TLVs",
	  OCTETS(SIGN "\x21\x11\0\x1B" V4 "\x01\0\x04smtp"
		      "\x05\0\x02id"
		      "\x04\0\0"),
	  "192.0.2.7", 56324 },
	{ "v2 checksum", OCTETS(CHECKED_HEAD "\x65\xE9\x2A\xD6"), "192.0.2.7", 56324 },
};

static const struct {
	const char *name;
	struct span octets;
} bad[] = {
	{ "SMTP", OCTETS("EHLO a\r\n") },
	{ "TLS", OCTETS("\x16\x03\x01\x02\0\x01\0\x01\xFC\x03\x03") },
	{ "an empty line", OCTETS("\r\nEHLO a\r\n") },
	{ "lower case", OCTETS("proxy TCP4 192.0.2.7 192.0.2.1 56324 465\r\n") },
	{ "v1 other family", OCTETS("PROXY UNIX /a /b 0 0\r\n") },
	{ "v1 family in lower case", OCTETS("PROXY tcp4 192.0.2.7 192.0.2.1 1 2\r\n") },
	{ "v1 nothing", OCTETS("PROXY \r\n") },
	{ "v1 UNKNOWN and more", OCTETS("PROXY UNKNOWNS\r\n") },
	{ "v1 LF only", OCTETS("PROXY TCP4 192.0.2.7 192.0.2.1 56324 465\n") },
	{ "v1 LF in a line", OCTETS("PROXY UNKNOWN a\nEHLO b\r\n") },
	{ "v1 CR only", OCTETS("PROXY TCP4 192.0.2.7 192.0.2.1 56324 465\rEHLO\r\n") },
	{ "v1 two spaces", OCTETS("PROXY TCP4  192.0.2.7 192.0.2.1 56324 465\r\n") },
	{ "v1 space at the end", OCTETS("PROXY TCP4 192.0.2.7 192.0.2.1 56324 465 \r\n") },
	{ "v1 word at the end", OCTETS("PROXY TCP4 192.0.2.7 192.0.2.1 56324 465 x\r\n") },
	{ "v1 word is missing", OCTETS("PROXY TCP4 192.0.2.7 192.0.2.1 56324\r\n") },
	{ "v1 leading zero", OCTETS("PROXY TCP4 192.0.2.7 192.0.2.1 056324 465\r\n") },
	{ "v1 port too large", OCTETS("PROXY TCP4 192.0.2.7 192.0.2.1 65536 465\r\n") },
	{ "v1 port too large there", OCTETS("PROXY TCP4 192.0.2.7 192.0.2.1 1 99999\r\n") },
	{ "v1 negative port", OCTETS("PROXY TCP4 192.0.2.7 192.0.2.1 -1 465\r\n") },
	{ "v1 address of the other family", OCTETS("PROXY TCP4 ::1 ::1 1 2\r\n") },
	{ "v1 IPv4 as TCP6", OCTETS("PROXY TCP6 192.0.2.7 192.0.2.1 1 2\r\n") },
	{ "v1 address with zeros", OCTETS("PROXY TCP4 192.000.002.007 192.0.2.1 1 2\r\n") },
	{ "v1 address is a name", OCTETS("PROXY TCP4 localhost 192.0.2.1 1 2\r\n") },
	{ "v1 address with a zone", OCTETS("PROXY TCP6 fe80::1%eth0 fe80::2 1 2\r\n") },
	{ "v1 NUL", OCTETS("PROXY TCP4 192.0.2.7\0 192.0.2.1 1 2\r\n") },
	{ "v1 too long", OCTETS("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
				"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535 \r\n") },
	{ "v2 signature", OCTETS("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\x0C" V4) },
	{ "v2 version 1", OCTETS(SIGN "\x11\x11\0\x0C" V4) },
	{ "v2 version 3", OCTETS(SIGN "\x31\x11\0\x0C" V4) },
	{ "v2 command", OCTETS(SIGN "\x22\x11\0\x0C" V4) },
	{ "v2 UDP", OCTETS(SIGN "\x21\x12\0\x0C" V4) },
	{ "v2 UNIX", OCTETS(SIGN "\x21\x31\0\x02xx") },
	{ "v2 family", OCTETS(SIGN "\x21\x41\0\x0C" V4) },
	{ "v2 shorter than its addresses", OCTETS(SIGN "\x21\x11\0\x0B" V4) },
	{ "v2 TCP6 with IPv4", OCTETS(SIGN "\x21\x21\0\x0C" V4) },
	{ "v2 too long", OCTETS(SIGN "\x21\x11\x10\x01") },
	{ "v2 LOCAL too long", OCTETS(SIGN "\x20\x00\xFF\xFF") },
	{ "v2 TLV beyond the header", OCTETS(SIGN "\x21\x11\0\x10" V4 "\x04\0\x02x") },
	{ "v2 half a TLV", OCTETS(SIGN "\x21\x11\0\x0E" V4 "\x04\0") },
	{ "v2 wrong checksum", OCTETS(CHECKED_HEAD "\x65\xE9\x2A\xD7") },
	{ "v2 short checksum", OCTETS(SIGN "\x21\x11\0\x12" V4 "\x03\0\x03\x1D\xD9\xBD") },
};

/* From memory of its own length, so that a sanitizer sees a step beyond. */
static int parse_exact(struct span octets, struct proxy_header *out)
{
	unsigned char *copy = mem_alloc(octets.len + !octets.len);
	int rc;

	memcpy(copy, octets.at, octets.len);
	rc = proxy_parse(span_of(copy, octets.len), out);
	free(copy);
	return rc;
}

static void headers_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const char *const behind[] = { "", "E", "EHLO a\r\n", "PROXY TCP4 ", "\r\n\r\n" };
		struct proxy_header h;

		for (size_t n = 0; n < good[i].header.len; n++)
			if (parse_exact(span_first(good[i].header, n), &h) != 0)
				fail_msg("%s: not 0 after %zu octets", good[i].name, n);
		for (size_t k = 0; k < sizeof(behind) / sizeof(behind[0]); k++) {
			struct buf all = { 0 };

			buf_put_span(&all, good[i].header);
			buf_put_text(&all, behind[k]);
			if (parse_exact(buf_span(&all), &h) != 1)
				fail_msg("%s: not read", good[i].name);
			assert_int_equal(h.octets, good[i].header.len);
			assert_int_equal(h.is_local, good[i].address[0] == '\0');
			assert_string_equal(h.address, good[i].address);
			assert_int_equal(h.port, good[i].port);
			buf_fini(&all);
		}
	}
}

static void what_is_no_header_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct proxy_header h;
		int last = 0;

		for (size_t n = 0; n <= bad[i].octets.len; n++) {
			int rc = parse_exact(span_first(bad[i].octets, n), &h);

			if (rc == 1 || rc > last)
				fail_msg("%s: %d after %zu octets", bad[i].name, rc, n);
			last = rc;
		}
		if (last != -EPROTO)
			fail_msg("%s: %d", bad[i].name, last);
	}
}

/* What cannot become a header is known by its first wrong octet, and waits for nothing. */
static void refusal_comes_early(void **state)
{
	struct proxy_header h;

	(void)state;
	assert_int_equal(proxy_parse(span_text("E"), &h), -EPROTO);
	assert_int_equal(proxy_parse(span_text("PE"), &h), -EPROTO);
	assert_int_equal(proxy_parse(span_of("\x16", 1), &h), -EPROTO);
	assert_int_equal(proxy_parse(span_of(SIGN "\x31", 13), &h), -EPROTO);
	assert_int_equal(proxy_parse(span_of(SIGN "\x21\x11\xFF\xFF", 16), &h), -EPROTO);
}

static void longest_header_is_read_and_no_longer_one(void **state)
{
	static unsigned char octets[PROXY_OCTETS_MAX + 1];
	const unsigned char head[] = SIGN "\x21\x11\x10\x00" V4 "\x04\x0F\xF1";
	struct proxy_header h;

	(void)state;
	memcpy(octets, head, sizeof(head) - 1);
	assert_int_equal(proxy_parse(span_of(octets, PROXY_OCTETS_MAX - 1), &h), 0);
	assert_int_equal(proxy_parse(span_of(octets, PROXY_OCTETS_MAX), &h), 1);
	assert_int_equal(h.octets, PROXY_OCTETS_MAX);
	octets[15] = 1;
	assert_int_equal(proxy_parse(span_of(octets, PROXY_OCTETS_MAX + 1), &h), -EPROTO);
}

static void networks_are_read(void **state)
{
	static const struct {
		const char *text;
		unsigned bits; /* 999: refused */
	} cases[] = {
		{ "192.0.2.0/24", 120 },
		{ "192.0.2.7", 128 },
		{ "192.0.2.7/32", 128 },
		{ "0.0.0.0/0", 96 },
		{ "10.0.0.0/8", 104 },
		{ "192.0.2.128/25", 121 },
		{ "2001:db8::/32", 32 },
		{ "2001:db8::1", 128 },
		{ "::/0", 0 },
		{ "::ffff:192.0.2.0/120", 120 },
		{ "fe80::/10", 10 },
		{ "192.0.2.7/24", 999 },
		{ "192.0.2.64/25", 999 },
		{ "2001:db8::1/64", 999 },
		{ "::1/0", 999 },
		{ "192.0.2.0/33", 999 },
		{ "2001:db8::/129", 999 },
		{ "192.0.2.0/", 999 },
		{ "192.0.2.0/-1", 999 },
		{ "192.0.2.0/24x", 999 },
		{ "192.0.2.0/24/1", 999 },
		{ "192.0.2.0 /24", 999 },
		{ "/24", 999 },
		{ "192.0.2", 999 },
		{ "192.0.2.0/99999999999999999999", 999 },
		{ "localhost", 999 },
		{ "fe80::1%eth0", 999 },
		{ "", 999 },
		{ "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0000/32", 999 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct network n;
		int rc = network_parse(span_text(cases[i].text), &n);

		if (rc != (cases[i].bits == 999 ? -EINVAL : 0))
			fail_msg("%s: %d", cases[i].text, rc);
		if (rc == 0)
			assert_int_equal(n.bits, cases[i].bits);
	}
	assert_int_equal(network_parse(span_of("192.0.2.7\0", 10), &(struct network){ 0 }),
			 -EINVAL);
}

static void networks_hold_their_addresses(void **state)
{
	static const struct {
		const char *network, *address;
		bool holds;
	} cases[] = {
		{ "192.0.2.0/24", "192.0.2.0", true },
		{ "192.0.2.0/24", "192.0.2.255", true },
		{ "192.0.2.0/24", "192.0.3.0", false },
		{ "192.0.2.0/24", "::ffff:192.0.2.9", true },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.128/25", "192.0.2.128", true },
		{ "192.0.2.7", "192.0.2.7", true },
		{ "192.0.2.7", "192.0.2.6", false },
		{ "0.0.0.0/0", "203.0.113.9", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "::/0", "192.0.2.7", false },
		{ "2001:db8::/32", "2001:db8:ffff::1", true },
		{ "2001:db8::/32", "2001:db9::1", false },
		{ "2001:db8::/33", "2001:db8:8000::", false },
		{ "2001:db8::1", "2001:db8::1", true },
		{ "127.0.0.0/8", "local", false },
		{ "127.0.0.0/8", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct network n;

		assert_int_equal(network_parse(span_text(cases[i].network), &n), 0);
		if (network_has(&n, cases[i].address) != cases[i].holds)
			fail_msg("%s, %s", cases[i].network, cases[i].address);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_read),
		cmocka_unit_test(what_is_no_header_is_refused),
		cmocka_unit_test(refusal_comes_early),
		cmocka_unit_test(longest_header_is_read_and_no_longer_one),
		cmocka_unit_test(networks_are_read),
		cmocka_unit_test(networks_hold_their_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
