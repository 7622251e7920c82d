#include "test.h"

#include "base/buf.h"
#include "certificates.h"
#include "ends.h"
#include "old_client.h"

#include <gnutls/x509.h>

/* One identity, two listeners beside each other. */
static struct certificates certificates;
static struct tls_identity *identity;
static struct tls_server_conf modern, legacy;

/* What OpenSSL 0.9.7 offers by default, in its order; SSLv2's own have a first octet other than 0. */
static const unsigned char eudora[] = {
	0, 0, 0x39, 0, 0, 0x38, 0, 0, 0x35, 0, 0, 0x16, 0, 0, 0x13, 0, 0, 0x0A, 7, 0, 0xC0,
	0, 0, 0x33, 0, 0, 0x32, 0, 0, 0x2F, 3, 0, 0x80, 0, 0, 0x05, 0, 0, 0x04, 1, 0, 0x80,
	0, 0, 0x15, 0, 0, 0x12, 0, 0, 0x09, 6, 0, 0x40, 0, 0, 0x14, 0, 0, 0x11, 0, 0, 0x08,
	0, 0, 0x06, 4, 0, 0x80, 0, 0, 0x03, 2, 0, 0x80,
};
static const unsigned char rsa_only[] = { 7, 0, 0xC0, 0, 0, 0x35, 0, 0, 0x2F, 0, 0, 0x05 };
/* Schannel of Windows XP, as Outlook Express uses it. */
static const unsigned char xp[] = { 0, 0, 4,	0, 0, 5, 0, 0, 0x0A, 1, 0, 0x80, 7, 0, 0xC0,
				    3, 0, 0x80, 0, 0, 9, 6, 0, 0x40, 0, 0, 0x64, 0, 0, 0x62 };
static const unsigned char weak_only[] = { 0, 0, 4, 0, 0, 5, 0, 0, 9, 0, 0, 3, 1, 0, 0x80 };

static void hello_of_eudora_is_answered(void **state)
{
	enum { DHE_RSA_AES_128_CBC_SHA = 0x0033 };
	struct old_client c;

	(void)state;
	old_client_open(&c, &legacy);
	old_client_hello(&c, 0x0301, span_of(eudora, sizeof(eudora)));
	assert_int_equal(c.server_result, TLS_AGAIN);
	assert_true(old_client_answer(&c));
	assert_int_equal(c.version, 0x0301);
	assert_int_equal(c.suite, DHE_RSA_AES_128_CBC_SHA);
	assert_true(c.has_server_key);
	assert_int_equal(c.session_id_octets, 32);
	old_client_close(&c);
}

static void assert_talks(struct old_client *c)
{
	struct fault fault;
	struct buf got = { 0 };
	struct span plain;

	/* OpenSSL sends an empty record before each, against BEAST. */
	for (int i = 0; i < 50; i++) {
		old_client_write(c, span_text(""));
		old_client_write(c, span_text("EHLO a\r\n"));
		assert_int_equal(tls_read(c->server, &plain, &fault), TLS_OK);
		assert_span_text(plain, "EHLO a\r\n");
		assert_int_equal(tls_read(c->server, &plain, &fault), TLS_AGAIN);
		assert_int_equal(tls_write(c->server, span_text("250 b\r\n"), &fault), TLS_OK);
		assert_true(old_client_read(c, &got));
		assert_span_text(buf_span(&got), "250 b\r\n");
	}
	buf_fini(&got);
}

static void session_begun_by_an_old_hello_stands(void **state)
{
	static const struct {
		struct span suites;
		const char *description;
	} cases[] = {
		{ { rsa_only, sizeof(rsa_only) }, "TLS1.0 RSA AES-128-CBC" },
		{ { xp, sizeof(xp) }, "TLS1.0 RSA 3DES-CBC" },
	};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct old_client c;

		old_client_open(&c, &legacy);
		c.server_end.step = i / 2;
		old_client_hello(&c, 0x0301, cases[i % 2].suites);
		assert_true(old_client_answer(&c));
		assert_false(c.has_server_key);
		assert_true(old_client_finish(&c));
		assert_string_equal(tls_describe(c.server), cases[i % 2].description);
		assert_talks(&c);
		old_client_close(&c);
	}
}

static void modern_listener_beside_it_is_as_strict_as_ever(void **state)
{
	static const struct {
		const char *name;
		unsigned version;
		struct span suites;
		int alert;
		const char *words;
	} cases[] = {
		{ "Eudora", 0x0301, { eudora, sizeof(eudora) }, 70, "offers TLS 1.0 at most" },
		{ "RSA", 0x0301, { rsa_only, sizeof(rsa_only) }, 70, "offers TLS 1.0 at most" },
		{ "TLS 1.1", 0x0302, { rsa_only, sizeof(rsa_only) }, 70, "offers TLS 1.1 at most" },
		{ "SSL 3.0", 0x0300, { eudora, sizeof(eudora) }, 70, "offers SSL 3.0 at most" },
		{ "SSL 2.0", 0x0002, { eudora, sizeof(eudora) }, 70, "offers SSL 2.0 at most" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct old_client c;

		old_client_open(&c, &modern);
		old_client_hello(&c, cases[i].version, cases[i].suites);
		assert_int_equal(c.server_result, TLS_ERROR);
		assert_false(old_client_answer(&c));
		assert_int_equal(c.alert, cases[i].alert);
		if (strstr(c.fault.text, cases[i].words) == NULL ||
		    strstr(c.fault.text, "this port wants TLS 1.2") == NULL)
			fail_msg("%s: %s", cases[i].name, c.fault.text);
		old_client_close(&c);
	}
}

static void legacy_has_its_floor_too(void **state)
{
	static const struct {
		const char *name;
		unsigned version;
		struct span suites;
		const char *words;
	} cases[] = {
		{ "SSL 3.0", 0x0300, { eudora, sizeof(eudora) }, "offers SSL 3.0 at most" },
		{ "SSL 2.0", 0x0002, { eudora, sizeof(eudora) }, "offers SSL 2.0 at most" },
		{ "RC4, DES, export",
		  0x0301,
		  { weak_only, sizeof(weak_only) },
		  "none of the cipher" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct old_client c;

		old_client_open(&c, &legacy);
		old_client_hello(&c, cases[i].version, cases[i].suites);
		assert_int_equal(c.server_result, TLS_ERROR);
		assert_false(old_client_answer(&c));
		if (strstr(c.fault.text, cases[i].words) == NULL)
			fail_msg("%s: %s", cases[i].name, c.fault.text);
		old_client_close(&c);
	}
}

static gnutls_pk_algorithm_t key_of_peer(gnutls_session_t session)
{
	unsigned count;
	const gnutls_datum_t *peer = gnutls_certificate_get_peers(session, &count);
	gnutls_pk_algorithm_t algorithm;
	gnutls_x509_crt_t crt;

	assert_true(count >= 1);
	gnutls_x509_crt_init(&crt);
	gnutls_x509_crt_import(crt, peer, GNUTLS_X509_FMT_DER);
	algorithm = gnutls_x509_crt_get_pk_algorithm(crt, NULL);
	gnutls_x509_crt_deinit(crt);
	return algorithm;
}

#define ALL "NORMAL:+3DES-CBC:-VERS-ALL:"

static void each_listener_takes_what_is_its_own(void **state)
{
	static const struct {
		const char *name, *priority, *modern, *legacy; /* NULL: refused */
		int alert;				       /* of the modern one */
	} cases[] = {
		{ "TLS 1.3", ALL "+VERS-TLS1.3", "TLS1.3 ECDHE-X25519 AES-128-GCM",
		  "TLS1.3 ECDHE-X25519 AES-128-GCM", 0 },
		{ "TLS 1.2", ALL "+VERS-TLS1.2", "TLS1.2 ECDHE-ECDSA-X25519 AES-128-GCM",
		  "TLS1.2 ECDHE-RSA-X25519 AES-128-GCM", 0 },
		{ "TLS 1.1", ALL "+VERS-TLS1.1", NULL, "TLS1.1 ECDHE-RSA-X25519 AES-128-CBC", 70 },
		{ "TLS 1.0", ALL "+VERS-TLS1.0", NULL, "TLS1.0 ECDHE-RSA-X25519 AES-128-CBC", 70 },
		{ "TLS 1.0 without curves", ALL "+VERS-TLS1.0:-KX-ALL:+DHE-RSA", NULL,
		  "TLS1.0 DHE-RSA-FFDHE2048 AES-128-CBC", 70 },
		{ "TLS 1.0 and RSA", ALL "+VERS-TLS1.0:-KX-ALL:+RSA", NULL,
		  "TLS1.0 RSA AES-128-CBC", 70 },
		{ "TLS 1.0 and 3DES", ALL "+VERS-TLS1.0:-KX-ALL:+RSA:-CIPHER-ALL:+3DES-CBC", NULL,
		  "TLS1.0 RSA 3DES-CBC", 70 },
		{ "TLS 1.2 and RSA", ALL "+VERS-TLS1.2:-KX-ALL:+RSA", NULL,
		  "TLS1.2 RSA AES-128-GCM", 40 },
		{ "TLS 1.2 and CBC", ALL "+VERS-TLS1.2:-CIPHER-ALL:+AES-256-CBC", NULL,
		  "TLS1.2 ECDHE-RSA-X25519 AES-256-CBC", 40 },
		{ "TLS 1.2 and SHA-1", ALL "+VERS-TLS1.2:-SIGN-ALL:+SIGN-RSA-SHA1",
		  "TLS1.2 ECDHE-RSA-X25519 AES-128-GCM", "TLS1.2 ECDHE-RSA-X25519 AES-128-GCM",
		  40 },
		{ "ECDSA only", ALL "+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA",
		  "TLS1.2 ECDHE-ECDSA-X25519 AES-128-GCM", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * (sizeof(cases) / sizeof(cases[0])); i++) {
		const char *wanted = i % 2 ? cases[i / 2].legacy : cases[i / 2].modern;
		struct raw r;

		raw_open(&r, i % 2 ? &legacy : &modern, cases[i / 2].priority, NULL);
		raw_shake(&r);
		if ((r.server_result == TLS_OK) != (wanted != NULL))
			fail_msg("%s, legacy %zu: %s", cases[i / 2].name, i % 2,
				 r.server_result == TLS_OK ? tls_describe(r.server) : r.fault.text);
		if (wanted)
			assert_string_equal(tls_describe(r.server), wanted);
		else if (i % 2 == 0)
			assert_int_equal(gnutls_alert_get(r.session), cases[i / 2].alert);
		if (wanted && i % 2)
			assert_int_equal(key_of_peer(r.session), GNUTLS_PK_RSA);
		raw_close(&r);
	}
}

static void refusals_say_what_was_offered(void **state)
{
	static const struct {
		const char *priority, *words;
	} cases[] = {
		{ ALL "+VERS-TLS1.0",
		  "the client offers TLS 1.0 at most; this port wants TLS 1.2" },
		{ ALL "+VERS-TLS1.1:+VERS-TLS1.0", "the client offers TLS 1.1 at most" },
		{ ALL "+VERS-TLS1.2:-KX-ALL:+RSA", "(it offers TLS 1.2 at most)" },
		{ ALL "+VERS-TLS1.3:-GROUP-ALL:+GROUP-FFDHE2048", "TLS" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct raw r;

		raw_open(&r, &modern, cases[i].priority, NULL);
		raw_shake(&r);
		assert_int_equal(r.server_result, TLS_ERROR);
		if (strstr(r.fault.text, cases[i].words) == NULL)
			fail_msg("%s: %s", cases[i].priority, r.fault.text);
		raw_close(&r);
	}
}

static void legacy_needs_an_rsa_key(void **state)
{
	struct fault fault;
	struct tls_identity *ecdsa = tls_identity_load(&certificates.ecdsa, 1, &fault);
	struct tls_identity *rsa = tls_identity_load(&certificates.rsa, 1, &fault);
	struct old_client c;

	(void)state;
	assert_true(tls_identity_has_rsa(identity));
	assert_true(tls_identity_has_rsa(rsa));
	assert_false(tls_identity_has_rsa(ecdsa));
	old_client_open(&c, &(struct tls_server_conf){ .identity = ecdsa, .profile = TLS_LEGACY });
	old_client_hello(&c, 0x0301, span_of(eudora, sizeof(eudora)));
	assert_int_equal(c.server_result, TLS_ERROR);
	assert_non_null(strstr(c.fault.text, "RSA"));
	old_client_close(&c);
	tls_identity_unref(&ecdsa);
	tls_identity_unref(&rsa);
}

/* Whatever part of an old hello has come when the peer goes away, and whatever it lies about. */
static void broken_old_hellos_are_ends_or_errors(void **state)
{
	struct buf hello = { 0 };
	struct old_client c;
	struct fault fault;

	(void)state;
	old_client_open(&c, &legacy);
	old_client_hello(&c, 0x0301, span_of(eudora, sizeof(eudora)));
	buf_put(&hello, (unsigned char[]){ 0x80, (unsigned char)c.messages.len }, 2);
	buf_put_span(&hello, span_first(buf_span(&c.messages), 9 + sizeof(eudora) + 32));
	old_client_close(&c);
	for (size_t at = 0; at < 3 * hello.len; at++) {
		unsigned char flip = at % 3 == 0 ? 0 : at % 3 == 1 ? 0xFF : 0x10;

		old_client_open(&c, &legacy);
		hello.at[at / 3] ^= flip;
		buf_put_span(&c.server_end.in,
			     flip ? buf_span(&hello) : span_first(buf_span(&hello), at / 3));
		hello.at[at / 3] ^= flip;
		c.server_end.has_peer_ended = true;
		assert_true(tls_handshake(c.server, &fault) != TLS_OK);
		assert_int_equal(tls_handshake(c.server, &fault), TLS_ERROR);
		old_client_close(&c);
	}
	buf_fini(&hello);
}

static int setup(void **state)
{
	struct fault fault;

	(void)state;
	certificates_make(&certificates);
	identity =
		tls_identity_load((const struct tls_pair[]){ certificates.ecdsa, certificates.rsa },
				  2, &fault);
	modern = (struct tls_server_conf){ .identity = identity };
	legacy = (struct tls_server_conf){ .identity = identity, .profile = TLS_LEGACY };
	return identity ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	tls_identity_unref(&identity);
	certificates_remove(&certificates);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_of_eudora_is_answered),
		cmocka_unit_test(session_begun_by_an_old_hello_stands),
		cmocka_unit_test(modern_listener_beside_it_is_as_strict_as_ever),
		cmocka_unit_test(legacy_has_its_floor_too),
		cmocka_unit_test(each_listener_takes_what_is_its_own),
		cmocka_unit_test(refusals_say_what_was_offered),
		cmocka_unit_test(legacy_needs_an_rsa_key),
		cmocka_unit_test(broken_old_hellos_are_ends_or_errors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
