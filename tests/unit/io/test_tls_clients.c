#include "test.h"

#include "base/buf.h"
#include "certificates.h"
#include "ends.h"
#include "issue.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define OCTETS(s)                                                                                  \
	{                                                                                          \
		(const unsigned char *)(s), sizeof(s) - 1                                          \
	}
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct certificates certificates; /* of the server */
static struct tls_identity *identity;
static struct tls_trust *clients; /* believes `ca` */
static struct issued ca, below, other_ca;
static char ca_file[128];
static struct tls_server_conf conf;

static const char *const versions[] = { "NORMAL:-VERS-ALL:+VERS-TLS1.3",
					"NORMAL:-VERS-ALL:+VERS-TLS1.2" };

/* The handshake with `count` certificates, the leaf first. */
static void shake_with(struct raw *r, const char *priority, const struct issued *leaf,
		       gnutls_x509_crt_t *chain, int count)
{
	raw_open(r, &conf, priority, NULL);
	if (count)
		assert_int_equal(gnutls_certificate_set_x509_key(r->credentials, chain, count,
								 leaf->key),
				 0);
	raw_shake(r);
	assert_int_equal(r->rc, 0);
	assert_int_equal(r->server_result, TLS_OK);
}

static const struct {
	const char *name;
	struct issue issue;
	struct span names;
	const char *why; /* not NULL: no names, because of this */
} cases[] = {
	{ "e-mail address",
	  { .emails = { OCTETS("ann@example.com") } },
	  OCTETS("ann@example.com\0"),
	  NULL },
	{ "all kinds, in their order",
	  { .emails = { OCTETS("ann@example.com"), OCTETS("a@example.org") },
	    .upn = OCTETS("ann@corp.local"),
	    .dns = OCTETS("laptop.example.com"),
	    .common_names = { OCTETS("Ann Example") } },
	  OCTETS("ann@example.com\0a@example.org\0ann@corp.local\0Ann Example\0"),
	  NULL },
	{ "UPN",
	  { .upn = OCTETS("\xC3\xA4nn@corp.local") },
	  OCTETS("\xC3\xA4nn@corp.local\0"),
	  NULL },
	{ "common name", { .common_names = { OCTETS("ann") } }, OCTETS("ann\0"), NULL },
	{ "the last of several common names",
	  { .common_names = { OCTETS("Users"), OCTETS("Berlin"), OCTETS("ann") } },
	  OCTETS("ann\0"),
	  NULL },
	{ "for clients",
	  { .common_names = { OCTETS("ann") }, .purpose = GNUTLS_KP_TLS_WWW_CLIENT },
	  OCTETS("ann\0"),
	  NULL },
	{ "for anything",
	  { .common_names = { OCTETS("ann") }, .purpose = GNUTLS_KP_ANY },
	  OCTETS("ann\0"),
	  NULL },
	{ "RSA",
	  { .common_names = { OCTETS("ann") }, .algorithm = GNUTLS_PK_RSA },
	  OCTETS("ann\0"),
	  NULL },
	{ "16 names",
	  { .emails = { OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"),
			OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"),
			OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b") },
	    .common_names = { OCTETS("b") } },
	  OCTETS("a@b\0a@b\0a@b\0a@b\0a@b\0a@b\0a@b\0a@b\0a@b\0a@b\0a@b\0a@b\0a@b\0a@b\0a@b\0b\0"),
	  NULL },
	{ "17 names",
	  { .emails = { OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"),
			OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"),
			OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"), OCTETS("a@b"),
			OCTETS("a@b"), OCTETS("a@b") } },
	  OCTETS(""),
	  "too many names" },
	{ "the longest name",
	  { .emails = { OCTETS(A64 A64 A64
			       "@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa."
			       "example") } },
	  OCTETS(A64 A64 A64 "@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example\0"),
	  NULL },
	{ "a longer name", { .emails = { OCTETS(A64 A64 A64 A64) } }, OCTETS(""), "too long" },
	{ "no name", { .dns = OCTETS("laptop.example.com") }, OCTETS(""), "no name" },
	{ "NUL in an address",
	  { .emails = { OCTETS("boss@example.com\0.evil.example") },
	    .common_names = { OCTETS("ann") } },
	  OCTETS(""),
	  "control" },
	{ "NUL in a UPN",
	  { .upn = OCTETS("boss\0x"), .common_names = { OCTETS("ann") } },
	  OCTETS(""),
	  "control" },
	{ "long UPN", { .upn = OCTETS(A64 A64 "@b") }, OCTETS(A64 A64 "@b\0"), NULL },
	{ "longer UPN", { .upn = OCTETS(A64 A64 A64 A64 "@b") }, OCTETS(""), "too long" },
	{ "LF in an address", { .emails = { OCTETS("ann@a\nb") } }, OCTETS(""), "control" },
	{ "DEL in a UPN", { .upn = OCTETS("ann\x7F") }, OCTETS(""), "control" },
	{ "control in a common name",
	  { .common_names = { OCTETS("ann\x1B[2J") } },
	  OCTETS(""),
	  "control" },
	{ "NUL in a common name",
	  { .common_names = { OCTETS("boss\0x") } },
	  OCTETS(""),
	  "control" },
	{ "no UTF-8 in an address", { .emails = { OCTETS("\xE4nn@b") } }, OCTETS(""), "UTF-8" },
	{ "for servers",
	  { .common_names = { OCTETS("ann") }, .purpose = GNUTLS_KP_TLS_WWW_SERVER },
	  OCTETS(""),
	  "purpose" },
	{ "expired",
	  { .common_names = { OCTETS("ann") }, .from_s = -7200, .to_s = -3600 },
	  OCTETS(""),
	  "expired" },
	{ "not yet",
	  { .common_names = { OCTETS("ann") }, .from_s = 3600, .to_s = 7200 },
	  OCTETS(""),
	  "not" },
	{ "too short a key",
	  { .common_names = { OCTETS("ann") }, .algorithm = GNUTLS_PK_RSA, .bits = 1024 },
	  OCTETS(""),
	  "insecure" },
};

static void certificates_are_judged(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * (sizeof(cases) / sizeof(cases[0])); i++) {
		struct issue want = cases[i / 2].issue;
		struct buf names = { 0 };
		const char *why = "unset";
		struct issued leaf;
		struct raw r;
		bool is_believed;

		want.issuer = &ca;
		leaf = issue(&want);
		shake_with(&r, versions[i % 2], &leaf, &leaf.crt, 1);
		buf_put_text(&names, "before");
		is_believed = tls_peer_names(r.server, &names, &why);
		if (is_believed != (cases[i / 2].why == NULL))
			fail_msg("%s: %s", cases[i / 2].name, why ? why : "believed");
		if (cases[i / 2].why && strstr(why, cases[i / 2].why) == NULL)
			fail_msg("%s: %s", cases[i / 2].name, why);
		if (is_believed)
			assert_null(why);
		assert_int_equal(names.len, 6 + cases[i / 2].names.len);
		assert_true(span_eq(span_from(buf_span(&names), 6), cases[i / 2].names));
		buf_fini(&names);
		raw_close(&r);
		issued_drop(&leaf);
	}
}

static void chains_are_judged(void **state)
{
	struct issued good =
		issue(&(struct issue){ .issuer = &below, .common_names = { OCTETS("ann") } });
	struct issued bad =
		issue(&(struct issue){ .issuer = &other_ca, .common_names = { OCTETS("ann") } });
	struct issued self = issue(&(struct issue){ .common_names = { OCTETS("ann") } });
	struct issued of_leaf =
		issue(&(struct issue){ .issuer = &good, .common_names = { OCTETS("eve") } });
	const struct {
		const char *name;
		const struct issued *leaf;
		gnutls_x509_crt_t chain[3];
		int count;
		const char *why;
	} chains[] = {
		{ "with its issuer", &good, { good.crt, below.crt }, 2, NULL },
		{ "with the root", &good, { good.crt, below.crt, ca.crt }, 3, NULL },
		{ "issuer is missing", &good, { good.crt }, 1, "issuer" },
		{ "other root", &bad, { bad.crt, other_ca.crt }, 2, "NOT trusted" },
		{ "other root beside ours", &bad, { bad.crt, ca.crt }, 2, "NOT trusted" },
		{ "signed itself", &self, { self.crt }, 1, "issuer" },
		{ "signed by no authority",
		  &of_leaf,
		  { of_leaf.crt, good.crt, below.crt },
		  3,
		  "CA" },
	};

	(void)state;
	for (size_t i = 0; i < 2 * (sizeof(chains) / sizeof(chains[0])); i++) {
		gnutls_x509_crt_t chain[3];
		struct buf names = { 0 };
		const char *why;
		struct raw r;
		bool is_believed;

		memcpy(chain, chains[i / 2].chain, sizeof(chain));
		shake_with(&r, versions[i % 2], chains[i / 2].leaf, chain, chains[i / 2].count);
		is_believed = tls_peer_names(r.server, &names, &why);
		if (is_believed != (chains[i / 2].why == NULL))
			fail_msg("%s: %s", chains[i / 2].name, why ? why : "believed");
		if (chains[i / 2].why && strstr(why, chains[i / 2].why) == NULL)
			fail_msg("%s: %s", chains[i / 2].name, why);
		buf_fini(&names);
		raw_close(&r);
	}
	issued_drop(&good);
	issued_drop(&bad);
	issued_drop(&self);
	issued_drop(&of_leaf);
}

static void long_chains_are_not_followed(void **state)
{
	enum { MOST = 8 };
	static const char *const names_of[] = { "1", "2", "3", "4", "5", "6", "7", "8" };
	struct issued authorities[MOST];

	(void)state;
	for (int i = 0; i < MOST; i++)
		authorities[i] =
			issue(&(struct issue){ .issuer = i ? &authorities[i - 1] : &ca,
					       .is_ca = true,
					       .common_names = { span_text(names_of[i]) } });
	for (int count = MOST; count <= MOST + 1; count++) {
		struct issued leaf = issue(&(struct issue){ .issuer = &authorities[count - 2],
							    .common_names = { OCTETS("ann") } });
		gnutls_x509_crt_t chain[MOST + 1] = { leaf.crt };
		struct buf names = { 0 };
		const char *why;
		struct raw r;

		for (int i = 1; i < count; i++)
			chain[i] = authorities[count - 1 - i].crt;
		shake_with(&r, versions[0], &leaf, chain, count);
		assert_int_equal(tls_peer_names(r.server, &names, &why), count == MOST);
		if (count > MOST)
			assert_non_null(strstr(why, "too many"));
		buf_fini(&names);
		raw_close(&r);
		issued_drop(&leaf);
	}
	for (int i = 0; i < MOST; i++)
		issued_drop(&authorities[i]);
}

static void a_client_may_have_none(void **state)
{
	struct buf names = { 0 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const char *why = "unset";
		struct raw r;

		shake_with(&r, versions[i], NULL, NULL, 0);
		assert_false(tls_peer_names(r.server, &names, &why));
		assert_null(why);
		assert_int_equal(names.len, 0);
		raw_close(&r);
	}
}

/* Where none is asked for, none is sent and none is believed. */
static void none_is_asked_for_elsewhere(void **state)
{
	struct issued leaf =
		issue(&(struct issue){ .issuer = &ca, .common_names = { OCTETS("ann") } });
	const struct tls_server_conf other = { .identity = identity };
	struct buf names = { 0 };
	const char *why = "unset";
	struct raw r;

	(void)state;
	raw_open(&r, &other, versions[0], NULL);
	gnutls_certificate_set_x509_key(r.credentials, &leaf.crt, 1, leaf.key);
	raw_shake(&r);
	assert_int_equal(r.server_result, TLS_OK);
	assert_false(tls_peer_names(r.server, &names, &why));
	assert_null(why);
	assert_int_equal(gnutls_certificate_client_get_request_status(r.session), 0);
	raw_close(&r);
	issued_drop(&leaf);
}

static time_t in_two_days(time_t *out)
{
	time_t then = time(NULL) + 2 * 86400;

	if (out)
		*out = then;
	return then;
}

static void what_expires_meanwhile_is_not_believed(void **state)
{
	struct issued leaf =
		issue(&(struct issue){ .issuer = &ca, .common_names = { OCTETS("ann") } });
	struct buf names = { 0 };
	const char *why;
	struct raw r;

	(void)state;
	shake_with(&r, versions[0], &leaf, &leaf.crt, 1);
	assert_true(tls_peer_names(r.server, &names, &why));
	gnutls_global_set_time_function(in_two_days);
	assert_false(tls_peer_names(r.server, &names, &why));
	gnutls_global_set_time_function(time);
	assert_non_null(strstr(why, "expired"));
	assert_span_text(span_first(buf_span(&names), 3), "ann");
	assert_int_equal(names.len, 4);
	assert_true(tls_peer_names(r.server, &names, &why));
	tls_bye(r.server);
	assert_false(tls_peer_names(r.server, &names, &why));
	assert_null(why);
	buf_fini(&names);
	raw_close(&r);
	issued_drop(&leaf);
}

static void old_clients_may_have_one(void **state)
{
	struct issued leaf = issue(&(struct issue){
		.issuer = &ca, .algorithm = GNUTLS_PK_RSA, .common_names = { OCTETS("ann") } });
	const struct tls_server_conf modern = conf;
	struct buf names = { 0 };
	const char *why;
	struct raw r;

	(void)state;
	conf.profile = TLS_LEGACY;
	shake_with(&r, "NORMAL:-VERS-ALL:+VERS-TLS1.0", &leaf, &leaf.crt, 1);
	conf = modern;
	assert_true(tls_peer_names(r.server, &names, &why));
	assert_int_equal(names.len, 4);
	buf_fini(&names);
	raw_close(&r);
	issued_drop(&leaf);
}

static int setup(void **state)
{
	struct fault fault;

	(void)state;
	certificates_make(&certificates);
	snprintf(ca_file, sizeof(ca_file), "%s/clients.crt", certificates.dir);
	ca = issue(&(struct issue){
		.is_ca = true, .common_names = { OCTETS("Client CA") }, .to_s = 864000 });
	below = issue(&(struct issue){
		.is_ca = true, .issuer = &ca, .common_names = { OCTETS("Below") } });
	other_ca = issue(&(struct issue){ .is_ca = true, .common_names = { OCTETS("Client CA") } });
	issued_write(&ca, ca_file, NULL);
	identity = tls_identity_load(&certificates.rsa, 1, &fault);
	clients = tls_trust_load(ca_file, &fault);
	conf = (struct tls_server_conf){ .identity = identity, .clients = clients };
	return identity && clients ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	tls_identity_unref(&identity);
	tls_trust_unref(&clients);
	issued_drop(&ca);
	issued_drop(&below);
	issued_drop(&other_ca);
	unlink(ca_file);
	certificates_remove(&certificates);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificates_are_judged),
		cmocka_unit_test(chains_are_judged),
		cmocka_unit_test(long_chains_are_not_followed),
		cmocka_unit_test(a_client_may_have_none),
		cmocka_unit_test(none_is_asked_for_elsewhere),
		cmocka_unit_test(what_expires_meanwhile_is_not_believed),
		cmocka_unit_test(old_clients_may_have_one),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
