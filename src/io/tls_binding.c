#include "base/require.h"
#include "tls_inside.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

static bool is_1_3(const struct tls *tls)
{
	return gnutls_protocol_get_version(tls->session) == GNUTLS_TLS1_3;
}

/* Without it a man in the middle can make two sessions with the same secrets (RFC 7627). */
static bool has_extended_secret(const struct tls *tls)
{
	return gnutls_session_ext_master_secret_status(tls->session) != 0;
}

static int put_from_session(struct tls *tls, gnutls_channel_binding_t kind, struct buf *out)
{
	gnutls_datum_t data = { NULL, 0 };

	if (gnutls_session_channel_binding(tls->session, kind, &data) != 0)
		return -ENOTSUP;
	buf_put(out, data.data, data.size);
	gnutls_free(data.data);
	return 0;
}

static int put_exporter(struct tls *tls, struct buf *out)
{
	if (!is_1_3(tls) && !has_extended_secret(tls))
		return -ENOTSUP;
	return put_from_session(tls, GNUTLS_CB_TLS_EXPORTER, out);
}

/* RFC 9266 section 4: not defined for TLS 1.3. */
static int put_unique(struct tls *tls, struct buf *out)
{
	if (is_1_3(tls) || !has_extended_secret(tls))
		return -ENOTSUP;
	return put_from_session(tls, GNUTLS_CB_TLS_UNIQUE, out);
}

/* The one that was sent; in a resumed session none was, but sessions are resumed only where there is one
 * pair, and a ticket dies with its identity. */
static const gnutls_datum_t *server_certificate(struct tls *tls, gnutls_datum_t *only)
{
	const gnutls_datum_t *sent;
	unsigned count = 0;

	if (tls->identity == NULL) {
		sent = gnutls_certificate_get_peers(tls->session, &count);
		return count ? sent : NULL;
	}
	sent = gnutls_certificate_get_ours(tls->session);
	if (sent || !gnutls_session_is_resumed(tls->session))
		return sent;
	require(tls->identity->pair_count == 1);
	return gnutls_certificate_get_crt_raw(tls->identity->credentials, 0, 0, only) == 0 ? only
											   : NULL;
}

/* RFC 5929 section 4.1: that of the certificate's signature, but SHA-256 for MD5 and SHA-1. Undefined
 * where the signature has none of its own. */
static gnutls_digest_algorithm_t digest_of(const gnutls_datum_t *der)
{
	gnutls_digest_algorithm_t digest = GNUTLS_DIG_UNKNOWN;
	gnutls_x509_crt_t crt;
	int sign = GNUTLS_SIGN_UNKNOWN;

	require(gnutls_x509_crt_init(&crt) == 0);
	if (gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) == 0)
		sign = gnutls_x509_crt_get_signature_algorithm(crt);
	gnutls_x509_crt_deinit(crt);
	if (sign > 0 && sign != GNUTLS_SIGN_EDDSA_ED25519 && sign != GNUTLS_SIGN_EDDSA_ED448)
		digest = gnutls_sign_get_hash_algorithm((gnutls_sign_algorithm_t)sign);
	return digest == GNUTLS_DIG_MD5 || digest == GNUTLS_DIG_SHA1 ? GNUTLS_DIG_SHA256 : digest;
}

static int put_end_point(struct tls *tls, struct buf *out)
{
	gnutls_datum_t only = { NULL, 0 };
	const gnutls_datum_t *der = server_certificate(tls, &only);
	gnutls_digest_algorithm_t digest = der ? digest_of(der) : GNUTLS_DIG_UNKNOWN;
	unsigned char octets[64];
	unsigned n = digest == GNUTLS_DIG_UNKNOWN ? 0 : gnutls_hash_get_len(digest);

	if (n == 0 || n > sizeof(octets) ||
	    gnutls_hash_fast(digest, der->data, der->size, octets) != 0)
		return -ENOTSUP;
	buf_put(out, octets, n);
	return 0;
}

int tls_binding(struct tls *tls, struct span name, struct buf *out)
{
	static const struct {
		const char *name;
		int (*put)(struct tls *tls, struct buf *out);
	} bindings[] = {
		{ "tls-exporter", put_exporter },
		{ "tls-server-end-point", put_end_point },
		{ "tls-unique", put_unique },
	};

	if (tls->state != TLS_OPEN)
		return -ENOTSUP;
	for (size_t i = 0; i < sizeof(bindings) / sizeof(bindings[0]); i++)
		if (span_eq(name, span_text(bindings[i].name)))
			return bindings[i].put(tls, out);
	return -ENOTSUP;
}
