#include "verifier.h"

#include "base/base64.h"
#include "base/mem.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>
#include <nettle/pbkdf2.h>

#define PREFIX "SCRAM-SHA-256$"

/* No salt that is not ours is longer where others made it; base64 of 64 octets. */
enum { SALT_TEXT_MAX = 88, APP_PASSWORD_LETTERS = 20 };

_Static_assert(AUTH_SCRAM_OCTETS == SHA256_DIGEST_SIZE, "all octets are those of one digest");
_Static_assert(VERIFIER_SEED_OCTETS == SHA256_DIGEST_SIZE, "one decoder reads both");

static void hmac(struct span key, const char *label, struct span text,
		 unsigned char out[AUTH_SCRAM_OCTETS])
{
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, key.len, key.at);
	hmac_sha256_update(&ctx, strlen(label), (const uint8_t *)label);
	if (text.len)
		hmac_sha256_update(&ctx, text.len, text.at);
	hmac_sha256_digest(&ctx, AUTH_SCRAM_OCTETS, out);
	mem_wipe(&ctx, sizeof(ctx));
}

void verifier_salt(const unsigned char seed[VERIFIER_SEED_OCTETS], struct span name,
		   unsigned char out[AUTH_SCRAM_OCTETS])
{
	hmac(span_of(seed, VERIFIER_SEED_OCTETS), "scram-salt", name, out);
}

void verifier_make(struct span password, const unsigned char salt[AUTH_SCRAM_OCTETS],
		   struct auth_scram *out)
{
	unsigned char salted[AUTH_SCRAM_OCTETS], client_key[AUTH_SCRAM_OCTETS];
	struct sha256_ctx ctx;

	pbkdf2_hmac_sha256(password.len, password.at, AUTH_SCRAM_ITERATIONS, AUTH_SCRAM_OCTETS,
			   salt, sizeof(salted), salted);
	hmac(span_of(salted, sizeof(salted)), "Client Key", span_of(NULL, 0), client_key);
	hmac(span_of(salted, sizeof(salted)), "Server Key", span_of(NULL, 0), out->server_key);
	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(client_key), client_key);
	sha256_digest(&ctx, AUTH_SCRAM_OCTETS, out->stored_key);
	mem_wipe(&ctx, sizeof(ctx));
	mem_wipe(salted, sizeof(salted));
	mem_wipe(client_key, sizeof(client_key));
}

bool verifier_mac(const unsigned char seed[VERIFIER_SEED_OCTETS], struct span password,
		  unsigned char out[AUTH_SCRAM_OCTETS])
{
	unsigned char letters[APP_PASSWORD_LETTERS];
	bool fits = true;
	size_t n = 0;

	for (size_t i = 0; i < password.len; i++) {
		unsigned char c = ascii_lower(password.at[i]);

		if (c == ' ' || c == '-')
			continue;
		fits &= n < sizeof(letters);
		letters[n % sizeof(letters)] = c;
		n++;
	}
	fits &= n == sizeof(letters);
	hmac(span_of(seed, VERIFIER_SEED_OCTETS), "app-password",
	     span_of(letters, n < sizeof(letters) ? n : sizeof(letters)), out);
	mem_wipe(letters, sizeof(letters));
	return fits;
}

static void put_octets(struct buf *out, const unsigned char octets[AUTH_SCRAM_OCTETS])
{
	base64_encode(span_of(octets, AUTH_SCRAM_OCTETS), out);
}

void verifier_format(const struct auth_scram *scram, const unsigned char salt[AUTH_SCRAM_OCTETS],
		     struct buf *out)
{
	buf_printf(out, PREFIX "%d$", AUTH_SCRAM_ITERATIONS);
	put_octets(out, salt);
	buf_put_char(out, '$');
	put_octets(out, scram->stored_key);
	buf_put_char(out, '$');
	put_octets(out, scram->server_key);
}

bool verifier_decode(struct span text, unsigned char out[AUTH_SCRAM_OCTETS])
{
	struct buf octets = { 0 };
	bool fits = text.len <= SALT_TEXT_MAX && base64_decode(text, &octets) == 0 &&
		    octets.len == AUTH_SCRAM_OCTETS;

	if (fits)
		memcpy(out, buf_span(&octets).at, AUTH_SCRAM_OCTETS);
	buf_wipe(&octets);
	return fits;
}

static bool is_salt(struct span text, const unsigned char *ours, bool *is_ours)
{
	struct buf octets = { 0 };
	bool fits = text.len && text.len <= SALT_TEXT_MAX && base64_decode(text, &octets) == 0;

	if (!fits || ours == NULL || octets.len != AUTH_SCRAM_OCTETS ||
	    !memeql_sec(buf_span(&octets).at, ours, AUTH_SCRAM_OCTETS))
		*is_ours = false;
	buf_wipe(&octets);
	return fits;
}

/* Up to the next '$', which is taken too; *rest: NULL behind the last. */
static struct span next_part(struct span *rest)
{
	size_t end = span_find(*rest, '$');
	struct span part = span_first(*rest, end);

	*rest = end < rest->len ? span_from(*rest, end + 1) : span_of(NULL, 0);
	return part;
}

const char *verifier_parse(struct span text, const unsigned char *salt, bool *is_ours_out,
			   struct auth_scram *out)
{
	struct span prefix = span_text(PREFIX), rest = span_from(text, prefix.len);
	const char *flaw = NULL;
	struct auth_scram read;
	uint64_t iterations;

	*is_ours_out = true;
	if (!span_eq(span_first(text, prefix.len), prefix))
		return "a verifier of another mechanism than SCRAM-SHA-256";
	if (span_number(next_part(&rest), &iterations) < 0 || iterations == 0 ||
	    !is_salt(next_part(&rest), salt, is_ours_out) ||
	    !verifier_decode(next_part(&rest), read.stored_key) ||
	    !verifier_decode(rest, read.server_key))
		flaw = "the SCRAM verifier is not whole";
	*is_ours_out = *is_ours_out && flaw == NULL && iterations == AUTH_SCRAM_ITERATIONS;
	if (*is_ours_out)
		*out = read;
	mem_wipe(&read, sizeof(read));
	return flaw;
}
