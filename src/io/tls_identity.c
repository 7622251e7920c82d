#include "io/tls.h"

#include "base/mem.h"
#include "base/require.h"
#include "tls_inside.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_uri(const char *name)
{
	return strncmp(name, "pkcs11:", 7) == 0;
}

/* GnuTLS says only "Error while reading file." */
static int check_readable(const char *what, const char *file, struct fault *fault)
{
	if (is_uri(file) || access(file, R_OK) == 0)
		return 0;
	return fault_set(fault, -errno, "cannot read the %s file %s: %s", what, file,
			 strerror(errno));
}

static int check_private(const char *file, struct fault *fault)
{
	struct stat st;

	if (is_uri(file) || stat(file, &st) != 0 || !(st.st_mode & S_IROTH))
		return 0;
	return fault_set(fault, -EPERM,
			 "the key file %s can be read by everyone on this machine; chmod o-r it "
			 "and consider a new key",
			 file);
}

static int load_pair(struct tls_identity *identity, const struct tls_pair *pair,
		     struct fault *fault)
{
	int rc = check_readable("certificate", pair->chain_file, fault);

	if (rc == 0)
		rc = check_readable("key", pair->key_file, fault);
	if (rc == 0)
		rc = check_private(pair->key_file, fault);
	if (rc)
		return rc;
	rc = gnutls_certificate_set_x509_key_file2(identity->credentials, pair->chain_file,
						   pair->key_file, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (rc >= 0)
		return rc;
	if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
		return fault_set(fault, -EINVAL,
				 "the key in %s does not belong to the certificate in %s "
				 "(the first one in the file must be the server's own)",
				 pair->key_file, pair->chain_file);
	return fault_set(fault, -EINVAL, "certificate %s with key %s: %s", pair->chain_file,
			 pair->key_file, gnutls_strerror(rc));
}

/* Of each pair the certificate that ends first, be it the leaf or one that it hangs on. */
static void note_chain(struct tls_identity *identity, unsigned pair)
{
	gnutls_x509_crt_t *chain;
	unsigned count;

	if (gnutls_certificate_get_x509_crt(identity->credentials, pair, &chain, &count) != 0)
		return;
	identity->has_rsa |= gnutls_x509_crt_get_pk_algorithm(chain[0], NULL) == GNUTLS_PK_RSA;
	for (unsigned i = 0; i < count; i++) {
		int64_t ends = gnutls_x509_crt_get_expiration_time(chain[i]);

		if (ends < identity->expires)
			identity->expires = ends;
		gnutls_x509_crt_deinit(chain[i]);
	}
	gnutls_free(chain);
}

static void destroy(struct tls_identity *identity)
{
	gnutls_certificate_free_credentials(identity->credentials);
	gnutls_priority_deinit(identity->priorities[TLS_MODERN]);
	gnutls_priority_deinit(identity->priorities[TLS_LEGACY]);
	gnutls_priority_deinit(identity->p256_first);
	gnutls_memset(identity->ticket_key.data, 0, identity->ticket_key.size);
	gnutls_free(identity->ticket_key.data);
	free(identity);
}

struct tls_identity *tls_identity_load(const struct tls_pair *pairs, size_t count,
				       struct fault *fault)
{
	struct tls_identity *identity = mem_new(struct tls_identity);

	identity->refs = 1;
	identity->expires = INT64_MAX;
	identity->pair_count = count;
	require(gnutls_certificate_allocate_credentials(&identity->credentials) == 0);
	require(gnutls_priority_init(&identity->priorities[TLS_MODERN], TLS_PRIORITY, NULL) == 0);
	require(gnutls_priority_init(&identity->priorities[TLS_LEGACY], TLS_PRIORITY_LEGACY,
				     NULL) == 0);
	require(gnutls_priority_init(&identity->p256_first, TLS_PRIORITY_P256, NULL) == 0);
	/* For old clients, which name no group; the modern profile has no such exchange. */
	require(gnutls_certificate_set_known_dh_params(identity->credentials,
						       GNUTLS_SEC_PARAM_MEDIUM) == 0);
	require(gnutls_session_ticket_key_generate(&identity->ticket_key) == 0);
	if (count == 0) {
		fault_set(fault, -EINVAL, "no certificate is configured");
		goto fail;
	}
	for (size_t i = 0; i < count; i++) {
		if (load_pair(identity, &pairs[i], fault) < 0)
			goto fail;
		note_chain(identity, (unsigned)i);
	}
	return identity;
fail:
	destroy(identity);
	return NULL;
}

struct tls_identity *tls_identity_ref(struct tls_identity *identity)
{
	atomic_fetch_add(&identity->refs, 1);
	return identity;
}

void tls_identity_unref(struct tls_identity **identity_at)
{
	struct tls_identity *identity = *identity_at;

	*identity_at = NULL;
	if (identity && atomic_fetch_sub(&identity->refs, 1) == 1)
		destroy(identity);
}

int64_t tls_identity_expires(const struct tls_identity *identity)
{
	return identity->expires;
}

bool tls_identity_has_rsa(const struct tls_identity *identity)
{
	return identity->has_rsa;
}
