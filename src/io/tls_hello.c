#include "tls_inside.h"

enum {
	EXTENSION_VERSIONS = 43,
	NEWEST_KNOWN = 0x0304,
};

static void note(struct tls *tls, unsigned version)
{
	/* Behind the newest are drafts, and numbers sent so that servers get used to them (RFC 8701). */
	if (version <= NEWEST_KNOWN && version > tls->offered)
		tls->offered = (unsigned short)version;
}

/* RFC 8446 section 4.2.1: what is listed here holds, and not the version of the hello. */
static int on_extension(void *user, unsigned type, const unsigned char *at, unsigned n)
{
	struct tls *tls = user;

	if (type != EXTENSION_VERSIONS || n == 0)
		return 0;
	tls->offered = 0;
	for (unsigned i = 1; i + 1 < n; i += 2)
		note(tls, (unsigned)at[i] << 8 | at[i + 1]);
	return 0;
}

/* GnuTLS judges the message afterwards, whatever is found here. */
static int on_hello(gnutls_session_t session, unsigned type, unsigned when, unsigned incoming,
		    const gnutls_datum_t *msg)
{
	struct tls *tls = gnutls_session_get_ptr(session);

	(void)when;
	if (!incoming || msg->size < 2)
		return 0;
	if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO || type == GNUTLS_HANDSHAKE_CLIENT_HELLO_V2) {
		tls->offered = 0;
		note(tls, (unsigned)msg->data[0] << 8 | msg->data[1]);
	}
	if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO)
		gnutls_ext_raw_parse(tls, on_extension, msg, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
	return 0;
}

void tls_hello_watch(struct tls *tls)
{
	gnutls_session_set_ptr(tls->session, tls);
	gnutls_handshake_set_hook_function(tls->session, GNUTLS_HANDSHAKE_ANY, GNUTLS_HOOK_PRE,
					   on_hello);
}

const char *tls_hello_newest(const struct tls *tls)
{
	static const char *const names[] = { "SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2",
					     "TLS 1.3" };

	if (tls->offered == 0)
		return NULL;
	return tls->offered < 0x0300 ? "SSL 2.0" : names[tls->offered - 0x0300];
}
