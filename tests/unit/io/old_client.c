#include "old_client.h"

#include "base/require.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdlib.h>

enum { CHANGE = 20, ALERT = 21, HANDSHAKE = 22, DATA = 23 };
enum {
	SERVER_HELLO = 2,
	CERTIFICATE = 11,
	SERVER_KEY = 12,
	DONE = 14,
	CLIENT_KEY = 16,
	FINISHED = 20
};
enum { RSA_3DES = 0x000A, RSA_AES_128 = 0x002F, MAC = 20 };

/* RFC 2246 section 5 */

static void p_hash(gnutls_mac_algorithm_t mac, struct span secret, struct span seed,
		   unsigned char *out, size_t n)
{
	size_t len = gnutls_hmac_get_len(mac);
	unsigned char a[20], block[20];
	struct buf both = { 0 };

	gnutls_hmac_fast(mac, secret.at, secret.len, seed.at, seed.len, a);
	for (size_t at = 0; at < n; at += len) {
		buf_clear(&both);
		buf_put(&both, a, len);
		buf_put_span(&both, seed);
		gnutls_hmac_fast(mac, secret.at, secret.len, buf_span(&both).at, both.len, block);
		for (size_t i = 0; i < len && at + i < n; i++)
			out[at + i] ^= block[i];
		gnutls_hmac_fast(mac, secret.at, secret.len, a, len, a);
	}
	buf_fini(&both);
}

static void prf(struct span secret, const char *label, struct span one, struct span two,
		unsigned char *out, size_t n)
{
	size_t half = (secret.len + 1) / 2;
	struct buf seed = { 0 };

	buf_put_text(&seed, label);
	buf_put_span(&seed, one);
	buf_put_span(&seed, two);
	memset(out, 0, n);
	p_hash(GNUTLS_MAC_MD5, span_first(secret, half), buf_span(&seed), out, n);
	p_hash(GNUTLS_MAC_SHA1, span_from(secret, secret.len - half), buf_span(&seed), out, n);
	buf_fini(&seed);
}

/* Records */

static void seal(struct old_client *c, unsigned char type, struct span plain, struct buf *out)
{
	const unsigned char head[] = { type, 3, 1, (unsigned char)(plain.len >> 8),
				       (unsigned char)plain.len };
	struct buf all = { 0 };
	unsigned char mac[MAC], pad;

	for (int shift = 56; shift >= 0; shift -= 8)
		buf_put_char(&all, (char)(c->sent >> shift));
	c->sent++;
	buf_put(&all, head, sizeof(head));
	buf_put_span(&all, plain);
	gnutls_hmac_fast(GNUTLS_MAC_SHA1, c->mac_keys[0], MAC, buf_span(&all).at, all.len, mac);
	buf_put_span(out, plain);
	buf_put(out, mac, MAC);
	pad = (unsigned char)(c->block - 1 - out->len % c->block);
	for (int i = 0; i <= pad; i++)
		buf_put_char(out, (char)pad);
	require(gnutls_cipher_encrypt(c->ciphers[0], out->at, out->len) == 0);
	buf_fini(&all);
}

static void send_record(struct old_client *c, unsigned char type, struct span plain)
{
	struct buf sealed = { 0 };
	unsigned char head[] = { type, 3, 1, 0, 0 };

	if (c->ciphers[0]) {
		seal(c, type, plain, &sealed);
		plain = buf_span(&sealed);
	}
	head[3] = (unsigned char)(plain.len >> 8);
	head[4] = (unsigned char)plain.len;
	end_push(&c->end, head, sizeof(head));
	end_push(&c->end, plain.at, plain.len);
	buf_fini(&sealed);
}

static bool unseal(struct old_client *c, unsigned char type, struct buf *record)
{
	struct buf all = { 0 };
	unsigned char mac[MAC];
	size_t n;

	require(record->len % c->block == 0 && record->len > MAC);
	require(gnutls_cipher_decrypt(c->ciphers[1], record->at + record->from, record->len) == 0);
	n = record->len - 1 - buf_span(record).at[record->len - 1] - MAC;
	for (int shift = 56; shift >= 0; shift -= 8)
		buf_put_char(&all, (char)(c->received >> shift));
	c->received++;
	buf_put(&all, (unsigned char[]){ type, 3, 1, (unsigned char)(n >> 8), (unsigned char)n },
		5);
	buf_put_span(&all, span_first(buf_span(record), n));
	gnutls_hmac_fast(GNUTLS_MAC_SHA1, c->mac_keys[1], MAC, buf_span(&all).at, all.len, mac);
	buf_fini(&all);
	if (memcmp(mac, buf_span(record).at + n, MAC) != 0)
		return false;
	record->len = n;
	return true;
}

/* Its type, or 0 when none has come. */
static unsigned char receive_record(struct old_client *c, struct buf *out)
{
	struct span in = buf_span(&c->end.in);
	unsigned char type;
	size_t n;

	buf_clear(out);
	if (in.len < 5)
		return 0;
	type = in.at[0];
	n = (size_t)in.at[3] << 8 | in.at[4];
	require(in.len >= 5 + n);
	require(type == ALERT || (in.at[1] == 3 && in.at[2] == 1));
	buf_put_span(out, span_first(span_from(in, 5), n));
	buf_drop(&c->end.in, 5 + n);
	if (c->ciphers[1] && !unseal(c, type, out))
		return 0;
	if (type == ALERT && out->len == 2 && buf_span(out).at[0] == 2)
		c->alert = buf_span(out).at[1];
	return type;
}

/* The handshake */

static void put_message(struct old_client *c, unsigned char type, struct span body)
{
	struct buf message = { 0 };

	buf_put(&message,
		(unsigned char[]){ type, 0, (unsigned char)(body.len >> 8),
				   (unsigned char)body.len },
		4);
	buf_put_span(&message, body);
	buf_put_span(&c->messages, buf_span(&message));
	send_record(c, HANDSHAKE, buf_span(&message));
	buf_fini(&message);
}

static void on_server_hello(struct old_client *c, struct span body)
{
	c->version = (unsigned)body.at[0] << 8 | body.at[1];
	memcpy(c->server_random, body.at + 2, 32);
	c->session_id_octets = body.at[34];
	body = span_from(body, 35 + c->session_id_octets);
	c->suite = (unsigned)body.at[0] << 8 | body.at[1];
}

/* The next message of the server; its type, or 0. */
static unsigned char next_message(struct old_client *c, struct buf *body)
{
	struct buf record = { 0 };
	struct span in;
	unsigned char type;
	size_t n;

	while ((in = buf_span(&c->incoming)).len < 4 ||
	       in.len < 4 + ((size_t)in.at[1] << 16 | (size_t)in.at[2] << 8 | in.at[3])) {
		if (receive_record(c, &record) != HANDSHAKE) {
			buf_fini(&record);
			return 0;
		}
		buf_put_span(&c->incoming, buf_span(&record));
	}
	buf_fini(&record);
	type = in.at[0];
	n = (size_t)in.at[1] << 16 | (size_t)in.at[2] << 8 | in.at[3];
	buf_clear(body);
	buf_put_span(body, span_first(span_from(in, 4), n));
	if (type != FINISHED)
		buf_put_span(&c->messages, span_first(in, 4 + n));
	buf_drop(&c->incoming, 4 + n);
	return type;
}

bool old_client_answer(struct old_client *c)
{
	struct buf body = { 0 };
	unsigned char type;

	while ((type = next_message(c, &body)) && type != DONE) {
		if (type == SERVER_HELLO)
			on_server_hello(c, buf_span(&body));
		else if (type == CERTIFICATE)
			buf_put_span(&c->certificate,
				     span_first(span_from(buf_span(&body), 6),
						(size_t)buf_span(&body).at[4] << 8 |
							buf_span(&body).at[5]));
		else if (type == SERVER_KEY)
			c->has_server_key = true;
	}
	buf_fini(&body);
	return type == DONE;
}

static void send_key(struct old_client *c, const unsigned char secret[48])
{
	const gnutls_datum_t der = { c->certificate.at, (unsigned)c->certificate.len };
	const gnutls_datum_t plain = { (unsigned char *)(uintptr_t)secret, 48 };
	gnutls_datum_t sealed;
	gnutls_x509_crt_t crt;
	gnutls_pubkey_t key;
	struct buf body = { 0 };

	gnutls_x509_crt_init(&crt);
	gnutls_pubkey_init(&key);
	require(gnutls_x509_crt_import(crt, &der, GNUTLS_X509_FMT_DER) == 0);
	require(gnutls_pubkey_import_x509(key, crt, 0) == 0);
	require(gnutls_pubkey_encrypt_data(key, 0, &plain, &sealed) == 0);
	buf_put_char(&body, (char)(sealed.size >> 8));
	buf_put_char(&body, (char)sealed.size);
	buf_put(&body, sealed.data, sealed.size);
	put_message(c, CLIENT_KEY, buf_span(&body));
	buf_fini(&body);
	gnutls_free(sealed.data);
	gnutls_pubkey_deinit(key);
	gnutls_x509_crt_deinit(crt);
}

static void make_keys(struct old_client *c)
{
	bool is_3des = c->suite == RSA_3DES;
	unsigned key = is_3des ? 24 : 16;
	unsigned char keys[2 * MAC + 2 * 24 + 2 * 16], *at = keys + 2 * MAC;

	c->block = is_3des ? 8 : 16;
	prf(span_of(c->master, 48), "key expansion", span_of(c->server_random, 32),
	    span_of(c->client_random, 32), keys, sizeof(keys));
	memcpy(c->mac_keys, keys, sizeof(c->mac_keys));
	for (int i = 0; i < 2; i++) {
		const gnutls_datum_t secret = { at + (unsigned)i * key, key };
		const gnutls_datum_t iv = { at + 2 * key + (unsigned)i * c->block, c->block };

		require(gnutls_cipher_init(&c->ciphers[i],
					   is_3des ? GNUTLS_CIPHER_3DES_CBC
						   : GNUTLS_CIPHER_AES_128_CBC,
					   &secret, &iv) == 0);
	}
}

static void finished(struct old_client *c, const char *label, unsigned char out[12])
{
	unsigned char hashes[16 + 20];

	gnutls_hash_fast(GNUTLS_DIG_MD5, c->messages.at, c->messages.len, hashes);
	gnutls_hash_fast(GNUTLS_DIG_SHA1, c->messages.at, c->messages.len, hashes + 16);
	prf(span_of(c->master, 48), label, span_of(hashes, sizeof(hashes)), span_of("", 0), out,
	    12);
}

bool old_client_finish(struct old_client *c)
{
	unsigned char secret[48] = { 3, 1 }, verify[12];
	struct buf body = { 0 };
	bool is_right;

	require(c->suite == RSA_3DES || c->suite == RSA_AES_128);
	gnutls_rnd(GNUTLS_RND_NONCE, secret + 2, 46);
	send_key(c, secret);
	prf(span_of(secret, 48), "master secret", span_of(c->client_random, 32),
	    span_of(c->server_random, 32), c->master, 48);
	send_record(c, CHANGE, span_of("\1", 1));
	make_keys(c);
	/* What comes before the server's own change is not enciphered. */
	gnutls_cipher_hd_t server = c->ciphers[1];
	c->ciphers[1] = NULL;
	finished(c, "client finished", verify);
	put_message(c, FINISHED, span_of(verify, 12));
	c->server_result = tls_handshake(c->server, &c->fault);
	is_right = receive_record(c, &body) == CHANGE;
	c->ciphers[1] = server;
	finished(c, "server finished", verify);
	is_right = is_right && next_message(c, &body) == FINISHED &&
		   span_eq(buf_span(&body), span_of(verify, 12));
	buf_fini(&body);
	return is_right && c->server_result == TLS_OK;
}

void old_client_write(struct old_client *c, struct span plain)
{
	send_record(c, DATA, plain);
}

bool old_client_read(struct old_client *c, struct buf *out)
{
	return receive_record(c, out) == DATA;
}

/* RFC 2246 appendix E.1; OpenSSL's challenge has 32 octets. */
void old_client_hello(struct old_client *c, unsigned version, struct span suites)
{
	struct buf hello = { 0 };
	size_t n = 9 + suites.len + sizeof(c->client_random);

	gnutls_rnd(GNUTLS_RND_NONCE, c->client_random, sizeof(c->client_random));
	buf_put_char(&hello, (char)(0x80 | n >> 8));
	buf_put_char(&hello, (char)n);
	buf_put_char(&hello, 1);
	buf_put_char(&hello, (char)(version >> 8));
	buf_put_char(&hello, (char)version);
	buf_put_char(&hello, (char)(suites.len >> 8));
	buf_put_char(&hello, (char)suites.len);
	buf_put(&hello, "\0\0\0\x20", 4);
	buf_put_span(&hello, suites);
	buf_put(&hello, c->client_random, sizeof(c->client_random));
	buf_put_span(&c->messages, span_from(buf_span(&hello), 2));
	end_push(&c->end, buf_span(&hello).at, hello.len);
	buf_fini(&hello);
	c->server_result = tls_handshake(c->server, &c->fault);
}

void old_client_open(struct old_client *c, const struct tls_server_conf *conf)
{
	struct tls_wire wire = { end_pull, end_push, &c->server_end, end_is_dry };

	*c = (struct old_client){ .server_result = TLS_AGAIN };
	c->end.peer = &c->server_end;
	c->server_end.peer = &c->end;
	c->server = tls_new_server(conf, &wire);
}

void old_client_close(struct old_client *c)
{
	tls_free(&c->server);
	for (int i = 0; i < 2; i++)
		if (c->ciphers[i])
			gnutls_cipher_deinit(c->ciphers[i]);
	buf_fini(&c->end.in);
	buf_fini(&c->server_end.in);
	buf_fini(&c->messages);
	buf_fini(&c->incoming);
	buf_fini(&c->certificate);
}
