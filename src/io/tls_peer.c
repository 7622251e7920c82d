#include "base/mem.h"
#include "base/require.h"
#include "tls_inside.h"

#include <errno.h>
#include <gnutls/x509-ext.h>
#include <gnutls/x509.h>
#include <stdlib.h>

enum {
	CHAIN_MOST = 8,	 /* certificates; verified on a loop's time */
	PARTS_MOST = 64, /* alternative names that are looked at, and parts of the subject */
};

#define OID_UPN "1.3.6.1.4.1.311.20.2.3"

struct chain {
	gnutls_x509_crt_t crts[CHAIN_MOST];
	unsigned count;
};

struct names {
	struct buf *out;
	unsigned count;
	const char *flaw; /* a name that is none: such a certificate is not believed at all */
};

/* The chain */

static void chain_free(struct chain *chain)
{
	while (chain->count)
		gnutls_x509_crt_deinit(chain->crts[--chain->count]);
}

/* NULL, or what is wrong. */
static const char *chain_read(struct chain *chain, const gnutls_datum_t *ders, unsigned count)
{
	if (count > CHAIN_MOST)
		return "it came with too many others";
	for (unsigned i = 0; i < count; i++) {
		gnutls_x509_crt_t *crt = &chain->crts[chain->count++];

		require(gnutls_x509_crt_init(crt) == 0);
		if (gnutls_x509_crt_import(*crt, &ders[i], GNUTLS_X509_FMT_DER) != 0)
			return "it cannot be read";
	}
	return NULL;
}

static char *words_of(unsigned status)
{
	gnutls_datum_t words = { NULL, 0 };
	size_t n;
	char *text;

	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0) != 0)
		return mem_text("it does not verify");
	n = words.size;
	while (n && (words.data[n - 1] == ' ' || words.data[n - 1] == '\0'))
		n--;
	text = mem_text_n(words.data, n);
	gnutls_free(words.data);
	return text;
}

/* NULL: it verifies for a client's use, now. */
static char *chain_judge(struct chain *chain, struct tls_trust *clients)
{
	static unsigned char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st wanted = { .type = GNUTLS_DT_KEY_PURPOSE_OID, .data = purpose };
	const unsigned flags = GNUTLS_PROFILE_TO_VFLAGS(GNUTLS_PROFILE_MEDIUM);
	gnutls_x509_trust_list_t list;
	unsigned status = 0;
	int rc;

	gnutls_certificate_get_trust_list(clients->credentials, &list);
	rc = gnutls_x509_trust_list_verify_crt2(list, chain->crts, chain->count, &wanted, 1, flags,
						&status, NULL);
	if (rc < 0)
		return mem_text(gnutls_strerror(rc));
	return status ? words_of(status) : NULL;
}

/* Its names */

/* A NUL ends a name for those who read it as text, and so could make one of another. */
static bool is_clean(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.at[i] < ' ' || name.at[i] == 127)
			return false;
	return span_is_utf8(name);
}

static void put_name(struct names *names, struct span name)
{
	if (name.len == 0 || names->flaw)
		return;
	if (name.len > TLS_NAME_OCTETS_MAX)
		names->flaw = "a name in it is too long";
	else if (!is_clean(name))
		names->flaw = "a name in it holds control characters or is no UTF-8";
	else if (names->count == TLS_NAMES_MAX)
		names->flaw = "there are too many names in it";
	if (names->flaw)
		return;
	names->count++;
	buf_put_span(names->out, name);
	buf_put_char(names->out, '\0');
}

enum { TAG_UTF8 = 0x0C, TAG_PRINTABLE = 0x13, TAG_IA5 = 0x16, TAG_LONG = 0x80 };

/* By hand: GnuTLS takes the first NUL in it for its end. */
static bool read_string(struct span der, struct span *out)
{
	size_t n, head = 2;

	if (der.len < head ||
	    (der.at[0] != TAG_UTF8 && der.at[0] != TAG_PRINTABLE && der.at[0] != TAG_IA5))
		return false;
	n = der.at[1];
	if (n & TAG_LONG) {
		head += n - TAG_LONG;
		if (head > 4 || head == 2 || der.len < head)
			return false;
		n = head == 3 ? der.at[2] : (size_t)der.at[2] << 8 | der.at[3];
	}
	*out = span_from(der, head);
	return der.len == head + n;
}

static void put_upn(struct names *names, struct span der)
{
	struct span name;

	if (read_string(der, &name))
		put_name(names, name);
	else
		names->flaw = "the UPN in it is no text";
}

static void put_alternative(struct names *names, gnutls_subject_alt_names_t all, bool is_upn)
{
	const struct span oid_upn = span_text(OID_UPN);

	for (unsigned i = 0; i < PARTS_MOST; i++) {
		gnutls_datum_t value, oid = { NULL, 0 };
		unsigned type;

		if (gnutls_subject_alt_names_get(all, i, &type, &value, &oid) != 0)
			return;
		if (!is_upn && type == GNUTLS_SAN_RFC822NAME)
			put_name(names, span_of(value.data, value.size));
		else if (is_upn && type == GNUTLS_SAN_OTHERNAME &&
			 span_eq(span_text((const char *)oid.data), oid_upn))
			put_upn(names, span_of(value.data, value.size));
	}
}

static void put_alternatives(struct names *names, gnutls_x509_crt_t crt)
{
	gnutls_subject_alt_names_t all;
	gnutls_datum_t der = { NULL, 0 };

	require(gnutls_subject_alt_names_init(&all) == 0);
	if (gnutls_x509_crt_get_extension_by_oid2(crt, GNUTLS_X509EXT_OID_SAN, 0, &der, NULL) ==
		    0 &&
	    gnutls_x509_ext_import_subject_alt_names(&der, all, 0) == 0) {
		put_alternative(names, all, false);
		put_alternative(names, all, true);
	}
	gnutls_free(der.data);
	gnutls_subject_alt_names_deinit(all);
}

/* The last one is the most specific: "CN=Users, CN=Alice" is how directories write. */
static void put_common_name(struct names *names, gnutls_x509_crt_t crt)
{
	unsigned char der[TLS_NAME_OCTETS_MAX + 4];
	struct span name;
	size_t len = 0;

	for (unsigned i = 0; i < PARTS_MOST; i++) {
		size_t n = sizeof(der);
		int rc = gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, i, 1, der,
						       &n);

		if (rc == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
			break;
		if (rc != 0) {
			names->flaw = "its common name is too long, or cannot be read";
			return;
		}
		len = n;
	}
	/* In an encoding of before UTF-8 it is no name of an account. */
	if (read_string(span_of(der, len), &name))
		put_name(names, name);
}

static const char *put_names(gnutls_x509_crt_t crt, struct buf *out)
{
	size_t before = out->len;
	struct names names = { .out = out };

	put_alternatives(&names, crt);
	put_common_name(&names, crt);
	if (names.flaw == NULL && names.count == 0)
		names.flaw = "there is no name in it";
	if (names.flaw)
		out->len = before;
	return names.flaw;
}

static char *judge(struct tls *tls, const gnutls_datum_t *ders, unsigned count, struct buf *out)
{
	struct chain chain = { .count = 0 };
	const char *flaw = chain_read(&chain, ders, count);
	char *why = flaw ? mem_text(flaw) : chain_judge(&chain, tls->clients);

	if (why == NULL && (flaw = put_names(chain.crts[0], out)))
		why = mem_text(flaw);
	chain_free(&chain);
	return why;
}

bool tls_peer_names(struct tls *tls, struct buf *out, const char **why)
{
	const gnutls_datum_t *ders = NULL;
	unsigned count = 0;

	*why = NULL;
	free(tls->why);
	tls->why = NULL;
	if (tls->clients && tls->state == TLS_OPEN)
		ders = gnutls_certificate_get_peers(tls->session, &count);
	if (ders == NULL || count == 0)
		return false;
	tls->why = judge(tls, ders, count, out);
	*why = tls->why;
	return tls->why == NULL;
}
