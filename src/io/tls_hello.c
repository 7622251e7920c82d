#include "tls_inside.h"

#include "base/require.h"

enum {
	EXTENSION_VERSIONS = 43,
	EXTENSION_SHARES = 51,
	GROUP_P256 = 0x0017,
	GROUP_X25519 = 0x001D,
	NEWEST_KNOWN = 0x0304,
};

static void note(struct tls *tls, unsigned version)
{
	/* Behind the newest are drafts, and numbers sent so that servers get used to them (RFC 8701). */
	if (version <= NEWEST_KNOWN && version > tls->offered)
		tls->offered = (unsigned short)version;
}

static unsigned number_at(const unsigned char *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* RFC 8446 section 4.2.1: what is listed here holds, and not the version of the hello. */
static void note_versions(struct tls *tls, const unsigned char *at, unsigned n)
{
	tls->offered = 0;
	for (unsigned i = 1; i + 1 < n; i += 2)
		note(tls, number_at(at + i));
}

/* RFC 8446 section 4.2.8: behind the length of all, each group with the length of its share. */
static void note_shares(struct tls *tls, const unsigned char *at, unsigned n)
{
	for (unsigned i = 2; i + 4 <= n; i += 4 + number_at(at + i + 2)) {
		tls->has_p256 |= number_at(at + i) == GROUP_P256;
		tls->has_x25519 |= number_at(at + i) == GROUP_X25519;
	}
}

static int on_extension(void *user, unsigned type, const unsigned char *at, unsigned n)
{
	struct tls *tls = user;

	if (type == EXTENSION_VERSIONS && n)
		note_versions(tls, at, n);
	else if (type == EXTENSION_SHARES && !tls->has_hello)
		note_shares(tls, at, n);
	return 0;
}

/* Before GnuTLS chooses a group. A second hello brings the share that was asked for. */
static void choose_groups(struct tls *tls)
{
	if (!tls->has_hello && tls->has_p256 && !tls->has_x25519 && tls->profile == TLS_MODERN)
		require(gnutls_priority_set(tls->session, tls->identity->p256_first) == 0);
	tls->has_hello = true;
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
		note(tls, number_at(msg->data));
	}
	if (type == GNUTLS_HANDSHAKE_CLIENT_HELLO) {
		gnutls_ext_raw_parse(tls, on_extension, msg, GNUTLS_EXT_RAW_FLAG_TLS_CLIENT_HELLO);
		choose_groups(tls);
	}
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
