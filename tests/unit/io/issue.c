#include "issue.h"

#include "base/require.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

/* By hand: what GnuTLS would refuse to write must be readable too. */
static void put_der(struct buf *out, unsigned char tag, struct span content)
{
	buf_put_char(out, (char)tag);
	if (content.len > 127) {
		buf_put_char(out, (char)0x82);
		buf_put_char(out, (char)(content.len >> 8));
	}
	buf_put_char(out, (char)content.len);
	buf_put_span(out, content);
}

static void put_upn(struct buf *out, struct span upn)
{
	static const char oid[] = "\x06\x0A\x2B\x06\x01\x04\x01\x82\x37\x14\x02\x03";
	struct buf text = { 0 }, value = { 0 }, all = { 0 };

	put_der(&text, 0x0C, upn);
	put_der(&value, 0xA0, buf_span(&text));
	buf_put(&all, oid, sizeof(oid) - 1);
	buf_put_span(&all, buf_span(&value));
	put_der(out, 0xA0, buf_span(&all));
	buf_fini(&text);
	buf_fini(&value);
	buf_fini(&all);
}

static void set_alternative_names(gnutls_x509_crt_t crt, const struct issue *conf)
{
	struct buf names = { 0 }, all = { 0 };

	if (conf->dns.len)
		put_der(&names, 0x82, conf->dns);
	if (conf->upn.len)
		put_upn(&names, conf->upn);
	for (size_t i = 0; i < 20 && conf->emails[i].len; i++)
		put_der(&names, 0x81, conf->emails[i]);
	if (names.len) {
		put_der(&all, 0x30, buf_span(&names));
		require(gnutls_x509_crt_set_extension_by_oid(crt, GNUTLS_X509EXT_OID_SAN,
							     buf_span(&all).at, all.len, 0) == 0);
	}
	buf_fini(&names);
	buf_fini(&all);
}

static void make_key(struct issued *e, const struct issue *conf)
{
	gnutls_pk_algorithm_t algorithm = conf->algorithm ? conf->algorithm : GNUTLS_PK_ECDSA;
	unsigned bits = conf->bits;

	if (bits == 0)
		bits = algorithm == GNUTLS_PK_RSA
			       ? 2048
			       : GNUTLS_CURVE_TO_BITS(algorithm == GNUTLS_PK_ECDSA
							      ? GNUTLS_ECC_CURVE_SECP256R1
							      : GNUTLS_ECC_CURVE_ED25519);
	require(gnutls_x509_privkey_init(&e->key) == 0);
	require(gnutls_x509_privkey_generate(e->key, algorithm, bits, 0) == 0);
}

/* What was only made keeps no octets of its own, on which others' looks depend. */
static void read_again(gnutls_x509_crt_t *crt)
{
	gnutls_datum_t der;

	require(gnutls_x509_crt_export2(*crt, GNUTLS_X509_FMT_DER, &der) == 0);
	gnutls_x509_crt_deinit(*crt);
	require(gnutls_x509_crt_init(crt) == 0);
	require(gnutls_x509_crt_import(*crt, &der, GNUTLS_X509_FMT_DER) == 0);
	gnutls_free(der.data);
}

struct issued issue(const struct issue *conf)
{
	static unsigned char serial[2] = { 1, 0 };
	bool has_dates = conf->from_s || conf->to_s;
	struct issued e;

	serial[1]++;
	make_key(&e, conf);
	require(gnutls_x509_crt_init(&e.crt) == 0);
	gnutls_x509_crt_set_version(e.crt, 3);
	gnutls_x509_crt_set_serial(e.crt, serial, sizeof(serial));
	gnutls_x509_crt_set_activation_time(e.crt, time(NULL) + (has_dates ? conf->from_s : -3600));
	gnutls_x509_crt_set_expiration_time(e.crt, time(NULL) + (has_dates ? conf->to_s : 86400));
	for (size_t i = 0; i < 3 && conf->common_names[i].len; i++)
		require(gnutls_x509_crt_set_dn_by_oid(e.crt, GNUTLS_OID_X520_COMMON_NAME, 0,
						      conf->common_names[i].at,
						      (unsigned)conf->common_names[i].len) == 0);
	gnutls_x509_crt_set_key(e.crt, e.key);
	gnutls_x509_crt_set_basic_constraints(e.crt, conf->is_ca, -1);
	if (conf->purpose)
		gnutls_x509_crt_set_key_purpose_oid(e.crt, conf->purpose, 0);
	if (conf->is_ca)
		gnutls_x509_crt_set_key_usage(e.crt, GNUTLS_KEY_KEY_CERT_SIGN);
	set_alternative_names(e.crt, conf);
	require(gnutls_x509_crt_sign2(e.crt, conf->issuer ? conf->issuer->crt : e.crt,
				      conf->issuer ? conf->issuer->key : e.key,
				      conf->digest ? conf->digest : GNUTLS_DIG_SHA256, 0) == 0);
	read_again(&e.crt);
	return e;
}

void issued_drop(struct issued *e)
{
	gnutls_x509_crt_deinit(e->crt);
	gnutls_x509_privkey_deinit(e->key);
	*e = (struct issued){ 0 };
}

static void append(const char *file, gnutls_datum_t *pem)
{
	FILE *f = fopen(file, "a");

	require(f && fwrite(pem->data, 1, pem->size, f) == pem->size && fclose(f) == 0);
	require(chmod(file, 0600) == 0);
	gnutls_free(pem->data);
}

void issued_write(const struct issued *e, const char *crt_file, const char *key_file)
{
	gnutls_datum_t pem;

	require(gnutls_x509_crt_export2(e->crt, GNUTLS_X509_FMT_PEM, &pem) == 0);
	append(crt_file, &pem);
	if (key_file == NULL)
		return;
	require(gnutls_x509_privkey_export2(e->key, GNUTLS_X509_FMT_PEM, &pem) == 0);
	append(key_file, &pem);
}
