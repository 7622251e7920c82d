#include "certificates.h"

#include "base/require.h"

#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct entity {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
};

static void write_file(const char *name, const gnutls_datum_t *pem, mode_t mode)
{
	FILE *f = fopen(name, "w");

	require(f && fwrite(pem->data, 1, pem->size, f) == pem->size && fclose(f) == 0);
	require(chmod(name, mode) == 0);
}

static struct entity make(gnutls_pk_algorithm_t algorithm, unsigned bits, const char *name,
			  const struct entity *issuer)
{
	static unsigned char serial;
	const unsigned char loopback[4] = { 127, 0, 0, 1 };
	struct entity e;

	serial++;
	require(gnutls_x509_privkey_init(&e.key) == 0 && gnutls_x509_crt_init(&e.crt) == 0);
	require(gnutls_x509_privkey_generate(e.key, algorithm, bits, 0) == 0);
	gnutls_x509_crt_set_version(e.crt, 3);
	gnutls_x509_crt_set_serial(e.crt, &serial, 1);
	gnutls_x509_crt_set_activation_time(e.crt, time(NULL) - 3600);
	gnutls_x509_crt_set_expiration_time(e.crt, time(NULL) + 86400);
	gnutls_x509_crt_set_dn_by_oid(e.crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
				      (unsigned)strlen(name));
	gnutls_x509_crt_set_key(e.crt, e.key);
	gnutls_x509_crt_set_basic_constraints(e.crt, issuer == NULL, -1);
	gnutls_x509_crt_set_subject_alt_name(e.crt, GNUTLS_SAN_DNSNAME, name,
					     (unsigned)strlen(name), GNUTLS_FSAN_SET);
	gnutls_x509_crt_set_subject_alt_name(e.crt, GNUTLS_SAN_IPADDRESS, loopback, 4,
					     GNUTLS_FSAN_APPEND);
	if (issuer == NULL)
		gnutls_x509_crt_set_key_usage(e.crt, GNUTLS_KEY_KEY_CERT_SIGN |
							     GNUTLS_KEY_DIGITAL_SIGNATURE);
	require(gnutls_x509_crt_sign2(e.crt, issuer ? issuer->crt : e.crt,
				      issuer ? issuer->key : e.key, GNUTLS_DIG_SHA256, 0) == 0);
	return e;
}

static void keep(struct certificates *c, int at, const char *label, const struct entity *e,
		 struct tls_pair *pair)
{
	gnutls_datum_t pem;
	char dir[sizeof(c->dir)];

	memcpy(dir, c->dir, sizeof(dir));
	snprintf(c->names[at], sizeof(c->names[at]), "%s/%s.crt", dir, label);
	snprintf(c->names[at + 1], sizeof(c->names[at + 1]), "%s/%s.key", dir, label);
	pair->chain_file = c->names[at];
	pair->key_file = c->names[at + 1];
	require(gnutls_x509_crt_export2(e->crt, GNUTLS_X509_FMT_PEM, &pem) == 0);
	write_file(pair->chain_file, &pem, 0644);
	gnutls_free(pem.data);
	require(gnutls_x509_privkey_export2(e->key, GNUTLS_X509_FMT_PEM, &pem) == 0);
	write_file(pair->key_file, &pem, 0600);
	gnutls_free(pem.data);
}

static void drop(struct entity *e)
{
	gnutls_x509_crt_deinit(e->crt);
	gnutls_x509_privkey_deinit(e->key);
}

void certificates_make(struct certificates *c)
{
	const unsigned p256 = GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1);
	struct entity ca = make(GNUTLS_PK_ECDSA, p256, "Test CA", NULL), leaf;
	gnutls_datum_t pem;

	snprintf(c->dir, sizeof(c->dir), "/tmp/postern-tls-XXXXXX");
	require(mkdtemp(c->dir) != NULL);
	snprintf(c->ca, sizeof(c->ca), "%s/ca.crt", c->dir);
	require(gnutls_x509_crt_export2(ca.crt, GNUTLS_X509_FMT_PEM, &pem) == 0);
	write_file(c->ca, &pem, 0644);
	gnutls_free(pem.data);
	leaf = make(GNUTLS_PK_ECDSA, p256, "localhost", &ca);
	keep(c, 0, "ecdsa", &leaf, &c->ecdsa);
	drop(&leaf);
	leaf = make(GNUTLS_PK_RSA, 2048, "localhost", &ca);
	keep(c, 2, "rsa", &leaf, &c->rsa);
	drop(&leaf);
	leaf = make(GNUTLS_PK_ECDSA, p256, "other.test", NULL);
	keep(c, 4, "alone", &leaf, &c->alone);
	drop(&leaf);
	drop(&ca);
}

void certificates_remove(struct certificates *c)
{
	for (int i = 0; i < 6; i++)
		unlink(c->names[i]);
	unlink(c->ca);
	rmdir(c->dir);
}
