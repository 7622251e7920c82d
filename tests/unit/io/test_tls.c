#include "test.h"

#include "base/buf.h"
#include "base/mem.h"
#include "certificates.h"
#include "ends.h"
#include "issue.h"
#include "io/tls.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct certificates certificates;

static struct tls_identity *load(const struct tls_pair *pair)
{
	struct fault fault;
	struct tls_identity *identity = tls_identity_load(pair, 1, &fault);

	assert_non_null(identity);
	return identity;
}

static struct tls_trust *load_ca(void)
{
	struct fault fault;
	struct tls_trust *trust = tls_trust_load(certificates.ca, &fault);

	assert_non_null(trust);
	return trust;
}

static void assert_passes(struct tls *from, struct tls *to, const char *text)
{
	struct fault fault;
	struct span got;

	assert_int_equal(tls_write(from, span_text(text), &fault), TLS_OK);
	assert_int_equal(tls_read(to, &got, &fault), TLS_OK);
	assert_span_text(got, text);
	assert_int_equal(tls_read(to, &got, &fault), TLS_AGAIN);
}

static void handshakes_with_each_certificate(void **state)
{
	const struct tls_pair *pairs[] = { &certificates.ecdsa, &certificates.rsa };
	const char *hosts[] = { "localhost", "localhost.", "127.0.0.1" };

	(void)state;
	for (size_t i = 0; i < 6; i++) {
		struct tls_identity *identity = load(pairs[i % 2]);
		struct tls_trust *trust = load_ca();
		struct pair p;

		pair_open(&p, identity, trust, hosts[i / 2]);
		assert_null(tls_describe(p.server));
		pair_shake(&p);
		assert_int_equal(p.client_result, TLS_OK);
		assert_int_equal(p.server_result, TLS_OK);
		assert_string_equal(tls_describe(p.server), "TLS1.3 ECDHE-X25519 AES-128-GCM");
		assert_passes(p.client, p.server, "EHLO [10.0.0.5]\r\n");
		assert_passes(p.server, p.client, "250 hello\r\n");
		tls_identity_unref(&identity);
		tls_trust_unref(&trust);
		pair_close(&p);
	}
}

static void handshake_comes_octet_by_octet(void **state)
{
	struct tls_identity *identity = load(&certificates.ecdsa);
	struct pair p;

	(void)state;
	pair_open(&p, identity, NULL, "localhost");
	p.server_end.step = p.client_end.step = 1;
	pair_shake(&p);
	assert_int_equal(p.server_result, TLS_OK);
	assert_int_equal(p.client_result, TLS_OK);
	assert_passes(p.client, p.server, "NOOP\r\n");
	tls_identity_unref(&identity);
	pair_close(&p);
}

/* Whatever part of the client's first flight has come when the peer goes away. */
static void handshake_cut_anywhere_is_an_end(void **state)
{
	struct tls_identity *identity = load(&certificates.ecdsa);
	struct fault fault;
	size_t hello;

	(void)state;
	for (size_t cut = 0; cut == 0 || cut < hello; cut += 7) {
		struct pair p;

		pair_open(&p, identity, NULL, "localhost");
		assert_int_equal(tls_handshake(p.client, &fault), TLS_AGAIN);
		hello = p.server_end.in.len;
		p.server_end.in.len = cut;
		p.server_end.has_peer_ended = true;
		assert_int_equal(tls_handshake(p.server, &fault), TLS_END);
		assert_int_equal(tls_handshake(p.server, &fault), TLS_ERROR);
		pair_close(&p);
	}
	tls_identity_unref(&identity);
}

/* Whatever a hello lies about, the lengths of its lists and shares too. */
static void hello_changed_anywhere_ends_no_handshake(void **state)
{
	struct tls_identity *identity = load(&certificates.ecdsa);
	struct fault fault;
	size_t hello;

	(void)state;
	for (size_t at = 0; at == 0 || at < 2 * hello; at++) {
		struct pair p;

		pair_open(&p, identity, NULL, "localhost");
		assert_int_equal(tls_handshake(p.client, &fault), TLS_AGAIN);
		hello = p.server_end.in.len;
		p.server_end.in.at[p.server_end.in.from + at / 2] ^= at % 2 ? 0xFF : 0x10;
		p.server_end.has_peer_ended = true;
		assert_true(tls_handshake(p.server, &fault) != TLS_OK);
		assert_int_equal(tls_handshake(p.server, &fault), TLS_ERROR);
		pair_close(&p);
	}
	tls_identity_unref(&identity);
}

static void client_refuses_what_does_not_verify(void **state)
{
	static const struct {
		const char *name, *host, *words;
		bool is_alone;
	} cases[] = {
		{ "other name", "smtp.example.com", "smtp.example.com", false },
		{ "other address", "127.0.0.2", "127.0.0.2", false },
		{ "unknown issuer", "other.test", "ca_file", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tls_identity *identity =
			load(cases[i].is_alone ? &certificates.alone : &certificates.ecdsa);
		struct tls_trust *trust = load_ca();
		struct pair p;

		pair_open(&p, identity, trust, cases[i].host);
		pair_shake(&p);
		assert_int_equal(p.client_result, TLS_ERROR);
		assert_int_equal(p.client_fault.code, -EPROTO);
		assert_non_null(strstr(p.client_fault.text, "does not verify"));
		assert_non_null(strstr(p.client_fault.text, cases[i].words));
		assert_int_not_equal(p.client_fault.text[strlen(p.client_fault.text) - 1], '.');
		assert_int_not_equal(p.server_result, TLS_OK);
		tls_identity_unref(&identity);
		tls_trust_unref(&trust);
		pair_close(&p);
	}
}

static void nothing_is_verified_by_explicit_setting_only(void **state)
{
	struct tls_identity *identity = load(&certificates.alone);
	struct pair p;

	(void)state;
	pair_open(&p, identity, NULL, "anything.example");
	pair_shake(&p);
	assert_int_equal(p.client_result, TLS_OK);
	tls_identity_unref(&identity);
	pair_close(&p);
}

static void end_is_final(void **state)
{
	static const char plain[] = "X\r\n.\r\nMAIL FROM:<e@x>\r\n";
	struct tls_identity *identity = load(&certificates.ecdsa);
	struct fault fault;
	struct pair p;
	struct span got;

	(void)state;
	pair_open(&p, identity, NULL, "localhost");
	pair_shake(&p);
	tls_bye(p.client);
	end_push(&p.client_end, plain, sizeof(plain) - 1);
	assert_int_equal(tls_read(p.server, &got, &fault), TLS_END);
	assert_int_equal(got.len, 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(tls_read(p.server, &got, &fault), TLS_ERROR);
	assert_int_equal(tls_write(p.server, span_text("250 ok\r\n"), &fault), TLS_ERROR);
	tls_identity_unref(&identity);
	pair_close(&p);
}

static void garbage_is_an_error(void **state)
{
	static const char *const inputs[] = { "QUIT\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
					      "\x16\x03\x01\xff\xff\x01\x02\x03",
					      "\x03\x00\x00\x13\x0e\xe0\x00\x00" };
	struct tls_identity *identity = load(&certificates.ecdsa);

	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		struct pair p;

		pair_open(&p, identity, NULL, "localhost");
		end_push(&p.client_end, inputs[i], strlen(inputs[i]) + 1);
		p.server_end.has_peer_ended = true;
		p.server_result = tls_handshake(p.server, &p.server_fault);
		assert_true(p.server_result == TLS_ERROR || p.server_result == TLS_END);
		pair_close(&p);
	}
	tls_identity_unref(&identity);
}

static void commands_for_a_hello_are_explained(void **state)
{
	static const char *const inputs[] = { "EHLO x\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n" };
	struct tls_identity *identity = load(&certificates.ecdsa);

	(void)state;
	for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
		struct pair p;

		pair_open(&p, identity, NULL, "localhost");
		end_push(&p.client_end, inputs[i], strlen(inputs[i]));
		p.server_result = tls_handshake(p.server, &p.server_fault);
		assert_int_equal(p.server_result, TLS_ERROR);
		assert_string_equal(p.server_fault.text,
				    "TLS: what the client sent first is not TLS; where TLS comes "
				    "first, set it to SSL/TLS");
		pair_close(&p);
	}
	tls_identity_unref(&identity);
}

static void tampered_record_is_an_error(void **state)
{
	struct tls_identity *identity = load(&certificates.ecdsa);
	struct fault fault;
	struct pair p;
	struct span got;

	(void)state;
	pair_open(&p, identity, NULL, "localhost");
	pair_shake(&p);
	tls_write(p.client, span_text("AUTH PLAIN\r\n"), &fault);
	p.server_end.in.at[p.server_end.in.from + p.server_end.in.len - 1] ^= 1;
	assert_int_equal(tls_read(p.server, &got, &fault), TLS_ERROR);
	assert_int_equal(fault.code, -EPROTO);
	tls_identity_unref(&identity);
	pair_close(&p);
}

static void versions_suites_and_alpn(void **state)
{
	static const struct {
		const char *name, *priority, *alpn, *description; /* NULL: refused */
	} cases[] = {
		{ "TLS 1.3", "NORMAL", NULL, "TLS1.3 ECDHE-X25519 AES-128-GCM" },
		{ "TLS 1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL,
		  "TLS1.2 ECDHE-ECDSA-X25519 AES-128-GCM" },
		{ "AES-256 only", "NORMAL:-CIPHER-ALL:+AES-256-GCM", NULL,
		  "TLS1.3 ECDHE-X25519 AES-256-GCM" },
		{ "ChaCha20 only", "NORMAL:-CIPHER-ALL:+CHACHA20-POLY1305", NULL,
		  "TLS1.3 ECDHE-X25519 CHACHA20-POLY1305" },
		{ "P-256 only", "NORMAL:-GROUP-ALL:+GROUP-SECP256R1", NULL,
		  "TLS1.3 ECDHE-SECP256R1 AES-128-GCM" },
		{ "TLS 1.1", "NORMAL:-VERS-ALL:+VERS-TLS1.1", NULL, NULL },
		{ "TLS 1.0", "NORMAL:-VERS-ALL:+VERS-TLS1.0", NULL, NULL },
		{ "CBC", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC", NULL, NULL },
		{ "finite field", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+DHE-RSA", NULL, NULL },
		{ "ALPN smtp", "NORMAL", "smtp", "TLS1.3 ECDHE-X25519 AES-128-GCM" },
		{ "ALPN h2", "NORMAL", "h2", NULL },
		{ "ALPN http/1.1, TLS 1.2", "NORMAL:-VERS-ALL:+VERS-TLS1.2", "http/1.1", NULL },
	};
	struct tls_identity *identity = load(&certificates.ecdsa);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct raw r;

		raw_open(&r, &(struct tls_server_conf){ .identity = identity }, cases[i].priority,
			 cases[i].alpn);
		raw_shake(&r);
		if (cases[i].description) {
			assert_int_equal(r.server_result, TLS_OK);
			assert_string_equal(tls_describe(r.server), cases[i].description);
		} else {
			assert_int_equal(r.server_result, TLS_ERROR);
			assert_int_equal(r.rc, GNUTLS_E_FATAL_ALERT_RECEIVED);
		}
		if (cases[i].alpn && !cases[i].description)
			assert_int_equal(gnutls_alert_get(r.session),
					 GNUTLS_A_NO_APPLICATION_PROTOCOL);
		raw_close(&r);
	}
	tls_identity_unref(&identity);
}

static void both_certificates_serve_who_can_use_one(void **state)
{
	const struct tls_pair pairs[] = { certificates.ecdsa, certificates.rsa };
	static const struct {
		const char *priority;
		gnutls_pk_algorithm_t algorithm;
	} cases[] = {
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-RSA", GNUTLS_PK_RSA },
		{ "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA", GNUTLS_PK_EC },
		{ "NORMAL:-SIGN-ALL:+SIGN-RSA-PSS-RSAE-SHA256:+SIGN-RSA-SHA256", GNUTLS_PK_RSA },
	};
	struct fault fault;
	struct tls_identity *identity = tls_identity_load(pairs, 2, &fault);

	(void)state;
	assert_non_null(identity);
	assert_true(tls_identity_expires(identity) > time(NULL) + 80000);
	assert_true(tls_identity_expires(identity) <= time(NULL) + 86400);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const gnutls_datum_t *peer;
		unsigned count;
		gnutls_x509_crt_t crt;
		struct raw r;

		raw_open(&r, &(struct tls_server_conf){ .identity = identity }, cases[i].priority,
			 NULL);
		gnutls_server_name_set(r.session, GNUTLS_NAME_DNS, "unknown.example", 15);
		raw_shake(&r);
		assert_int_equal(r.server_result, TLS_OK);
		peer = gnutls_certificate_get_peers(r.session, &count);
		assert_int_equal(count, 1);
		gnutls_x509_crt_init(&crt);
		gnutls_x509_crt_import(crt, peer, GNUTLS_X509_FMT_DER);
		assert_int_equal(gnutls_x509_crt_get_pk_algorithm(crt, NULL), cases[i].algorithm);
		gnutls_x509_crt_deinit(crt);
		raw_close(&r);
	}
	tls_identity_unref(&identity);
}

static void first_end_of_all_pairs_counts(void **state)
{
	struct issued soon = issue(&(struct issue){ .dns = span_text("localhost"), .to_s = 3600 });
	char crt[128], key[128];
	struct tls_identity *identity;
	struct fault fault;

	(void)state;
	snprintf(crt, sizeof(crt), "%s/soon.crt", certificates.dir);
	snprintf(key, sizeof(key), "%s/soon.key", certificates.dir);
	issued_write(&soon, crt, key);
	for (int i = 0; i < 2; i++) {
		struct tls_pair pairs[] = { certificates.rsa, certificates.rsa };

		pairs[i] = (struct tls_pair){ crt, key };
		identity = tls_identity_load(pairs, 2, &fault);
		assert_non_null(identity);
		assert_true(tls_identity_expires(identity) <= time(NULL) + 3600);
		assert_true(tls_identity_has_rsa(identity));
		tls_identity_unref(&identity);
	}
	unlink(crt);
	unlink(key);
	issued_drop(&soon);
}

/* Returns the session's data; NULL data when no ticket came. */
static gnutls_datum_t session_of(const struct tls_server_conf *conf, const char *priority,
				 const gnutls_datum_t *resume, bool *is_resumed)
{
	gnutls_datum_t data;
	struct raw r;

	raw_open(&r, conf, priority, NULL);
	if (resume)
		gnutls_session_set_data(r.session, resume->data, resume->size);
	raw_shake(&r);
	assert_int_equal(r.server_result, TLS_OK);
	assert_int_equal(r.rc, 0);
	data = raw_ticket(&r);
	*is_resumed = gnutls_session_is_resumed(r.session);
	assert_int_equal(strstr(tls_describe(r.server), "resumed") != NULL, *is_resumed);
	raw_close(&r);
	return data;
}

static void tickets_resume_where_they_were_given(void **state)
{
	static const char *const versions[] = { "NORMAL", "NORMAL:-VERS-ALL:+VERS-TLS1.2" };
	const struct tls_pair both[] = { certificates.rsa, certificates.ecdsa };
	struct fault fault;
	struct tls_identity *first = load(&certificates.rsa), *reloaded = load(&certificates.rsa);
	struct tls_identity *two = tls_identity_load(both, 2, &fault);
	struct tls_trust *trust = load_ca();
	const struct {
		const char *name;
		struct tls_server_conf gives, gets;
		bool resumes;
	} cases[] = {
		{ "the same", { .identity = first }, { .identity = first }, true },
		{ "the same listener",
		  { .identity = first, .scope = "submission" },
		  { .identity = first, .scope = "submission" },
		  true },
		{ "after a reload", { .identity = first }, { .identity = reloaded }, false },
		{ "another listener",
		  { .identity = first, .scope = "submission" },
		  { .identity = first, .scope = "submissions" },
		  false },
		{ "legacy, then modern",
		  { .identity = first, .profile = TLS_LEGACY },
		  { .identity = first },
		  false },
		{ "modern, then legacy",
		  { .identity = first },
		  { .identity = first, .profile = TLS_LEGACY },
		  false },
		{ "legacy twice",
		  { .identity = first, .profile = TLS_LEGACY },
		  { .identity = first, .profile = TLS_LEGACY },
		  false },
		{ "to where certificates are asked for",
		  { .identity = first },
		  { .identity = first, .clients = trust },
		  false },
		{ "where certificates are asked for",
		  { .identity = first, .clients = trust },
		  { .identity = first, .clients = trust },
		  false },
		{ "several pairs", { .identity = two }, { .identity = two }, false },
	};

	(void)state;
	assert_non_null(two);
	for (size_t i = 0; i < 2 * (sizeof(cases) / sizeof(cases[0])); i++) {
		gnutls_datum_t given, again;
		bool is_resumed;

		given = session_of(&cases[i / 2].gives, versions[i % 2], NULL, &is_resumed);
		assert_false(is_resumed);
		again = session_of(&cases[i / 2].gets, versions[i % 2], &given, &is_resumed);
		if (is_resumed != cases[i / 2].resumes)
			fail_msg("%s (%s): resumed: %d", cases[i / 2].name, versions[i % 2],
				 is_resumed);
		gnutls_free(given.data);
		gnutls_free(again.data);
	}
	tls_identity_unref(&first);
	tls_identity_unref(&reloaded);
	tls_identity_unref(&two);
	tls_trust_unref(&trust);
}

static void renegotiation_ends_the_session(void **state)
{
	struct tls_identity *identity = load(&certificates.ecdsa);
	struct fault fault;
	struct raw r;
	struct span got;

	(void)state;
	raw_open(&r, &(struct tls_server_conf){ .identity = identity },
		 "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL);
	raw_shake(&r);
	assert_int_equal(r.server_result, TLS_OK);
	gnutls_handshake(r.session);
	assert_int_equal(tls_read(r.server, &got, &fault), TLS_ERROR);
	assert_non_null(strstr(fault.text, "renegotiation"));
	assert_int_equal(tls_write(r.server, span_text("250\r\n"), &fault), TLS_ERROR);
	raw_close(&r);
	tls_identity_unref(&identity);
}

static void floods_of_nothing_are_capped(void **state)
{
	struct tls_identity *identity = load(&certificates.ecdsa);
	enum tls_result result = TLS_AGAIN;
	struct fault fault;
	struct raw r;
	struct span got;
	int updates = 0;

	(void)state;
	raw_open(&r, &(struct tls_server_conf){ .identity = identity },
		 "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
	raw_shake(&r);
	for (; updates < 1000 && result == TLS_AGAIN; updates++) {
		assert_int_equal(gnutls_session_key_update(r.session, 0), 0);
		result = tls_read(r.server, &got, &fault);
	}
	assert_int_equal(result, TLS_ERROR);
	assert_true(updates <= 100);
	raw_close(&r);
	tls_identity_unref(&identity);
}

/* Records of a handshake message that claims 16 MiB; how many octets of it are taken. */
static size_t endless_message(struct tls *tls, struct end *end, unsigned char type,
			      struct fault *fault)
{
	static const unsigned char record[] = { 22, 3, 3, 0x40, 0 };
	unsigned char text[16384] = { type, 0xFF, 0xFF, 0xFF, 3, 3 };
	enum tls_result result = TLS_AGAIN;
	size_t taken = 0;

	for (; taken < 16 << 20 && result == TLS_AGAIN; taken += sizeof(text)) {
		buf_put(&end->in, record, sizeof(record));
		buf_put(&end->in, text, sizeof(text));
		result = tls_handshake(tls, fault);
		memset(text, 0, sizeof(text));
	}
	assert_int_equal(result, TLS_ERROR);
	return taken;
}

static void endless_handshake_is_capped(void **state)
{
	enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };
	struct tls_identity *identity = load(&certificates.ecdsa);
	struct tls_trust *trust = load_ca();
	struct fault fault;
	struct pair p;

	(void)state;
	pair_open(&p, identity, trust, "localhost");
	assert_true(endless_message(p.server, &p.server_end, CLIENT_HELLO, &fault) <= 128 << 10);
	assert_non_null(strstr(fault.text, "too much"));
	buf_clear(&p.client_end.in);
	assert_int_equal(tls_handshake(p.client, &fault), TLS_AGAIN);
	assert_true(endless_message(p.client, &p.client_end, SERVER_HELLO, &fault) <= 128 << 10);
	assert_non_null(strstr(fault.text, "too much"));
	pair_close(&p);
	tls_identity_unref(&identity);
	tls_trust_unref(&trust);
}

static void bad_files_are_explained(void **state)
{
	char missing[128];
	struct fault fault;

	(void)state;
	snprintf(missing, sizeof(missing), "%s/none.pem", certificates.dir);
	const struct {
		const char *name;
		struct tls_pair pair;
		const char *first, *second; /* both stand in the text */
		int code;
	} cases[] = {
		{ "no certificate",
		  { missing, certificates.ecdsa.key_file },
		  missing,
		  "No such",
		  -ENOENT },
		{ "no key", { certificates.ecdsa.chain_file, missing }, missing, "key", -ENOENT },
		{ "mixed up",
		  { certificates.ecdsa.chain_file, certificates.alone.key_file },
		  certificates.ecdsa.chain_file,
		  certificates.alone.key_file,
		  -EINVAL },
		{ "swapped",
		  { certificates.ecdsa.key_file, certificates.ecdsa.key_file },
		  certificates.ecdsa.key_file,
		  "certificate",
		  -EINVAL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_null(tls_identity_load(&cases[i].pair, 1, &fault));
		assert_int_equal(fault.code, cases[i].code);
		assert_non_null(strstr(fault.text, cases[i].first));
		assert_non_null(strstr(fault.text, cases[i].second));
	}
	assert_null(tls_identity_load(NULL, 0, &fault));
	assert_null(tls_trust_load(missing, &fault));
	assert_non_null(strstr(fault.text, missing));
	assert_null(tls_trust_load(certificates.ecdsa.key_file, &fault));
}

static void public_key_file_is_refused(void **state)
{
	struct fault fault;

	(void)state;
	assert_int_equal(chmod(certificates.ecdsa.key_file, 0644), 0);
	assert_null(tls_identity_load(&certificates.ecdsa, 1, &fault));
	assert_int_equal(fault.code, -EPERM);
	assert_non_null(strstr(fault.text, certificates.ecdsa.key_file));
	assert_int_equal(chmod(certificates.ecdsa.key_file, 0640), 0);
	tls_identity_unref(&(struct tls_identity *){ load(&certificates.ecdsa) });
}

static int setup(void **state)
{
	(void)state;
	certificates_make(&certificates);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	certificates_remove(&certificates);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshakes_with_each_certificate),
		cmocka_unit_test(handshake_comes_octet_by_octet),
		cmocka_unit_test(handshake_cut_anywhere_is_an_end),
		cmocka_unit_test(hello_changed_anywhere_ends_no_handshake),
		cmocka_unit_test(client_refuses_what_does_not_verify),
		cmocka_unit_test(nothing_is_verified_by_explicit_setting_only),
		cmocka_unit_test(end_is_final),
		cmocka_unit_test(garbage_is_an_error),
		cmocka_unit_test(commands_for_a_hello_are_explained),
		cmocka_unit_test(tampered_record_is_an_error),
		cmocka_unit_test(versions_suites_and_alpn),
		cmocka_unit_test(both_certificates_serve_who_can_use_one),
		cmocka_unit_test(first_end_of_all_pairs_counts),
		cmocka_unit_test(tickets_resume_where_they_were_given),
		cmocka_unit_test(renegotiation_ends_the_session),
		cmocka_unit_test(floods_of_nothing_are_capped),
		cmocka_unit_test(endless_handshake_is_capped),
		cmocka_unit_test(bad_files_are_explained),
		cmocka_unit_test(public_key_file_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
