#include "scram_client.h"

#include "base/base64.h"

#include <nettle/hmac.h>
#include <nettle/pbkdf2.h>
#include <stdio.h>
#include <stdlib.h>

void scram_client_fini(struct scram_client *c)
{
	buf_fini(&c->out);
	buf_fini(&c->message);
}

static struct span bare_of(struct scram_client *c, char *out, size_t size)
{
	snprintf(out, size, "n=%s,r=%s", c->name, c->nonce ? c->nonce : "0123456789abcdef");
	return span_text(out);
}

struct span scram_client_first(struct scram_client *c)
{
	char bare[400];

	buf_clear(&c->out);
	buf_put_text(&c->out, c->header ? c->header : "n,,");
	buf_put_span(&c->out, bare_of(c, bare, sizeof(bare)));
	return buf_span(&c->out);
}

static void hmac(const unsigned char key[32], struct span message, unsigned char out[32])
{
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, 32, key);
	hmac_sha256_update(&ctx, message.len, message.at);
	hmac_sha256_digest(&ctx, 32, out);
}

/* Made once: tests log in often with the same few passwords. */
static void salted_of(const char *password, struct span salt, unsigned iterations,
		      unsigned char out[32])
{
	static struct known {
		char password[64];
		unsigned char salt[32], salted[32];
	} known[64];
	static unsigned count;

	assert_int_equal(salt.len, 32);
	for (unsigned i = 0; i < count && i < 64; i++)
		if (strcmp(known[i].password, password) == 0 &&
		    memcmp(known[i].salt, salt.at, 32) == 0) {
			memcpy(out, known[i].salted, 32);
			return;
		}
	pbkdf2_hmac_sha256(strlen(password), (const uint8_t *)password, iterations, salt.len,
			   salt.at, 32, out);
	memcpy(known[count % 64].salt, salt.at, 32);
	memcpy(known[count % 64].salted, out, 32);
	snprintf(known[count % 64].password, sizeof(known[0].password), "%s", password);
	count++;
}

static struct span attribute(struct span *rest, char letter)
{
	size_t end = span_find(*rest, ',');
	struct span part = span_first(*rest, end);

	*rest = span_from(*rest, end + 1);
	assert_true(part.len > 2 && part.at[0] == (unsigned char)letter && part.at[1] == '=');
	return span_from(part, 2);
}

static void put_proof(struct scram_client *c, const unsigned char salted[32])
{
	unsigned char key[32], stored[32], signature[32];
	struct sha256_ctx ctx;

	hmac(salted, span_text("Client Key"), key);
	hmac(salted, span_text("Server Key"), c->server_key);
	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(key), key);
	sha256_digest(&ctx, sizeof(stored), stored);
	hmac(stored, buf_span(&c->message), signature);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] ^= signature[i];
	buf_put_text(&c->out, ",p=");
	base64_encode(span_of(key, sizeof(key)), &c->out);
}

struct span scram_client_final(struct scram_client *c, struct span challenge)
{
	struct span rest = challenge, nonce = attribute(&rest, 'r'), text = attribute(&rest, 's');
	struct buf salt = { 0 }, bound = { 0 };
	unsigned char salted[32];
	uint64_t iterations;
	char bare[400];

	assert_int_equal(span_number(attribute(&rest, 'i'), &iterations), 0);
	assert_int_equal(base64_decode(text, &salt), 0);
	salted_of(c->password, buf_span(&salt), (unsigned)iterations, salted);
	buf_put_text(&bound, c->header ? c->header : "n,,");
	buf_put_span(&bound, c->binding);
	buf_clear(&c->out);
	buf_put_text(&c->out, "c=");
	base64_encode(buf_span(&bound), &c->out);
	buf_put_text(&c->out, ",r=");
	buf_put_span(&c->out, nonce);
	buf_clear(&c->message);
	buf_put_span(&c->message, bare_of(c, bare, sizeof(bare)));
	buf_put_char(&c->message, ',');
	buf_put_span(&c->message, challenge);
	buf_put_char(&c->message, ',');
	buf_put_span(&c->message, buf_span(&c->out));
	put_proof(c, salted);
	buf_fini(&salt);
	buf_fini(&bound);
	return buf_span(&c->out);
}

bool scram_client_believes(struct scram_client *c, struct span last)
{
	unsigned char signature[32];
	struct buf expected = { 0 };
	bool yes;

	hmac(c->server_key, buf_span(&c->message), signature);
	buf_put_text(&expected, "v=");
	base64_encode(span_of(signature, sizeof(signature)), &expected);
	yes = span_eq(last, buf_span(&expected));
	buf_fini(&expected);
	return yes;
}
