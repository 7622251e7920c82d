#include "tls_inside.h"

#include <errno.h>
#include <gnutls/x509.h>

static void explain_certificate(struct tls *tls, struct fault *fault)
{
	unsigned status = gnutls_session_get_verify_cert_status(tls->session);
	bool is_unknown = status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA);
	gnutls_datum_t words = { NULL, 0 };
	size_t n;

	gnutls_certificate_verification_status_print(
		status, gnutls_certificate_type_get2(tls->session, GNUTLS_CTYPE_SERVER), &words, 0);
	n = words.size;
	while (n && (words.data[n - 1] == ' ' || words.data[n - 1] == '\0'))
		n--;
	/* Where nothing follows, what quotes us goes on in its own sentence. */
	if (n && words.data[n - 1] == '.' && !is_unknown)
		n--;
	fault_set(fault, -EPROTO, "the certificate of %s does not verify: %.*s%s", tls->host,
		  (int)n, (const char *)words.data,
		  is_unknown ? (tls->trust->is_own_file
					? " Is its issuer in the ca_file?"
					: " If its issuer is your own, name it as ca_file")
			     : "");
	gnutls_free(words.data);
}

static void explain_version(const struct tls *tls, struct fault *fault)
{
	const char *newest = tls_hello_newest(tls);

	if (newest == NULL)
		fault_set(fault, -EPROTO, "TLS: %s",
			  gnutls_strerror(GNUTLS_E_UNSUPPORTED_VERSION_PACKET));
	else if (tls->profile == TLS_LEGACY)
		fault_set(fault, -EPROTO,
			  "TLS: the client offers %s at most; this port wants TLS 1.0 or newer",
			  newest);
	else
		fault_set(fault, -EPROTO,
			  "TLS: the client offers %s at most; this port wants TLS 1.2 or newer "
			  "(for a client that cannot, there are listeners of the legacy profile)",
			  newest);
}

static void explain_suites(const struct tls *tls, struct fault *fault)
{
	const char *newest = tls_hello_newest(tls);
	bool wants_rsa = tls->identity && !tls->identity->has_rsa;

	fault_set(fault, -EPROTO,
		  "TLS: none of the cipher suites that the client offers fits this port%s%s%s%s",
		  newest ? " (it offers " : "", newest ? newest : "", newest ? " at most)" : "",
		  wants_rsa ? "; does it need a certificate with an RSA key?" : "");
}

/* Before its hello a client has sent something else than TLS: most often a command. */
static void explain_packet(const struct tls *tls, struct fault *fault)
{
	if (tls->identity && !tls->has_hello)
		fault_set(
			fault, -EPROTO,
			"TLS: what the client sent first is not TLS; where TLS comes first, set it "
			"to SSL/TLS");
	else
		fault_set(fault, -EPROTO, "TLS: %s", gnutls_strerror(GNUTLS_E_UNEXPECTED_PACKET));
}

void tls_explain(struct tls *tls, int rc, struct fault *fault)
{
	int alert = gnutls_alert_get(tls->session);
	const char *name;

	switch (rc) {
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
		explain_version(tls, fault);
		return;
	case GNUTLS_E_NO_CIPHER_SUITES:
	case GNUTLS_E_INSUFFICIENT_CREDENTIALS:
		explain_suites(tls, fault);
		return;
	case GNUTLS_E_UNEXPECTED_PACKET:
		explain_packet(tls, fault);
		return;
	case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
		explain_certificate(tls, fault);
		return;
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		name = gnutls_alert_get_name(alert);
		fault_set(fault, -EPROTO, "TLS: the peer sent the alert \"%s\" (%d)",
			  name ? name : "unknown", alert);
		return;
	case GNUTLS_E_REHANDSHAKE:
		fault_set(fault, -EPROTO,
			  "TLS: the peer asked for a renegotiation, which is refused");
		return;
	case GNUTLS_E_PULL_ERROR:
		fault_set(fault, -EPROTO, "TLS: the peer sent too much that brings nothing");
		return;
	default:
		fault_set(fault, -EPROTO, "TLS: %s", gnutls_strerror(rc));
	}
}
