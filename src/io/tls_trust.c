#include "io/tls.h"

#include "base/mem.h"
#include "base/require.h"
#include "tls_inside.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void destroy(struct tls_trust *trust)
{
	gnutls_certificate_free_credentials(trust->credentials);
	gnutls_priority_deinit(trust->priority);
	free(trust);
}

static int load_file(struct tls_trust *trust, const char *file, struct fault *fault)
{
	int n;

	if (access(file, R_OK) != 0)
		return fault_set(fault, -errno, "cannot read the CA file %s: %s", file,
				 strerror(errno));
	n = gnutls_certificate_set_x509_trust_file(trust->credentials, file, GNUTLS_X509_FMT_PEM);
	if (n > 0)
		return 0;
	return fault_set(fault, -EINVAL, "the CA file %s: %s", file,
			 n < 0 ? gnutls_strerror(n) : "there is no certificate in it");
}

static int load_system(struct tls_trust *trust, struct fault *fault)
{
	int n = gnutls_certificate_set_x509_system_trust(trust->credentials);

	if (n > 0)
		return 0;
	return fault_set(fault, -ENOENT,
			 "the system's trust store is empty; install ca-certificates, or name a "
			 "ca_file");
}

struct tls_trust *tls_trust_load(const char *ca_file, struct fault *fault)
{
	struct tls_trust *trust = mem_new(struct tls_trust);

	trust->refs = 1;
	trust->is_own_file = ca_file != NULL;
	require(gnutls_certificate_allocate_credentials(&trust->credentials) == 0);
	require(gnutls_priority_init(&trust->priority, TLS_PRIORITY, NULL) == 0);
	if ((ca_file ? load_file(trust, ca_file, fault) : load_system(trust, fault)) == 0)
		return trust;
	destroy(trust);
	return NULL;
}

struct tls_trust *tls_trust_ref(struct tls_trust *trust)
{
	atomic_fetch_add(&trust->refs, 1);
	return trust;
}

void tls_trust_unref(struct tls_trust **trust_at)
{
	struct tls_trust *trust = *trust_at;

	*trust_at = NULL;
	if (trust && atomic_fetch_sub(&trust->refs, 1) == 1)
		destroy(trust);
}
