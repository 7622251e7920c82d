#include "scram.h"

#include "base/base64.h"
#include "base/mem.h"

#include <nettle/hmac.h>
#include <nettle/memops.h>

void scram_fini(struct scram *s)
{
	buf_wipe(&s->name);
	buf_wipe(&s->authzid);
	buf_wipe(&s->bound);
	buf_wipe(&s->nonce);
	buf_wipe(&s->message);
	mem_wipe(s->proof, sizeof(s->proof));
}

/* A message is parts between commas; a value can have none. */
struct parts {
	struct span rest;
	bool is_over;
};

static struct span next_part(struct parts *p)
{
	size_t end = span_find(p->rest, ',');
	struct span part = span_first(p->rest, end);

	p->is_over = end == p->rest.len;
	p->rest = span_from(p->rest, end + 1);
	return part;
}

/* attr-val = ALPHA "=" value, value = 1*value-char */
static bool is_attribute(struct span part, char letter)
{
	return part.len > 2 && part.at[0] == (unsigned char)letter && part.at[1] == '=';
}

static struct span value_of(struct span part)
{
	return span_from(part, 2);
}

/* "m" stands for extensions that must be understood, wherever it stands. */
static const char *extension_flaw(struct span part)
{
	unsigned char letter = part.len > 2 ? ascii_lower(part.at[0]) : 0;

	if (letter < 'a' || letter > 'z' || part.at[1] != '=')
		return "a part that is no attribute";
	return part.at[0] == 'm' ? "an extension that must be understood, and is not" : NULL;
}

/* cb-name = 1*(ALPHA / DIGIT / "." / "-") */
static bool is_binding_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if (!ascii_is_alnum(name.at[i]) && name.at[i] != '.' && name.at[i] != '-')
			return false;
	return name.len > 0;
}

/* printable = %x21-2B / %x2D-7E */
static bool is_nonce(struct span nonce)
{
	for (size_t i = 0; i < nonce.len; i++)
		if (nonce.at[i] < 0x21 || nonce.at[i] > 0x7E || nonce.at[i] == ',')
			return false;
	return nonce.len > 0;
}

static bool is_text(struct span message)
{
	return span_is_utf8(message) && span_find(message, '\0') == message.len;
}

/* saslname = 1*(value-safe-char / "=2C" / "=3D") */
static bool put_name(struct span name, struct buf *out)
{
	for (size_t i = 0; i < name.len; i++) {
		struct span code = span_first(span_from(name, i), 3);

		if (name.at[i] != '=') {
			buf_put_char(out, (char)name.at[i]);
			continue;
		}
		if (!span_eq(code, span_text("=2C")) && !span_eq(code, span_text("=3D")))
			return false;
		buf_put_char(out, code.at[2] == 'C' ? ',' : '=');
		i += 2;
	}
	return name.len > 0;
}

static enum scram_result say(const char **why, enum scram_result result, const char *what)
{
	*why = what;
	return result;
}

/* RFC 5802 section 6: "p=" names the binding that c= will hold; "y": the client could bind, but took
 * the server for one that cannot; "n": it cannot. */
static enum scram_result judge_flag(struct span flag, const struct scram_binding *b,
				    const char **why)
{
	if (is_attribute(flag, 'p') && is_binding_name(value_of(flag))) {
		if (!b->is_plus)
			return say(why, SCRAM_MALFORMED, "a channel binding without -PLUS");
		if (b->data.len == 0 || !span_eq(value_of(flag), b->name))
			return say(why, SCRAM_REFUSED,
				   "a channel binding that this connection does not have");
		return SCRAM_GOOD;
	}
	if (!span_eq(flag, span_text("n")) && !span_eq(flag, span_text("y")))
		return say(why, SCRAM_MALFORMED, "no channel binding flag");
	if (b->is_plus)
		return say(why, SCRAM_MALFORMED, "-PLUS without a channel binding");
	if (flag.at[0] == 'y' && b->was_offered)
		return say(why, SCRAM_REFUSED,
			   "the client did not see that -PLUS was offered: somebody may stand "
			   "between");
	return SCRAM_GOOD;
}

/* client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions] */
static const char *read_bare(struct scram *s, struct parts p)
{
	struct span part = next_part(&p);
	const char *flaw = NULL;

	if (is_attribute(part, 'm'))
		return extension_flaw(part);
	if (!is_attribute(part, 'n') || !put_name(value_of(part), &s->name))
		return "no user name, or one with a \"=\" that is not coded";
	part = p.is_over ? span_of(NULL, 0) : next_part(&p);
	if (!is_attribute(part, 'r') || !is_nonce(value_of(part)))
		return "no nonce";
	if (value_of(part).len > SCRAM_CLIENT_NONCE_MAX)
		return "a nonce of more than 512 octets";
	buf_put_span(&s->nonce, value_of(part));
	while (!p.is_over && flaw == NULL)
		flaw = extension_flaw(next_part(&p));
	return flaw;
}

/* An empty "a=" is GNU SASL's way to ask for none. */
static bool read_authzid(struct scram *s, struct span part)
{
	if (part.len == 0 || span_eq(part, span_text("a=")))
		return true;
	return is_attribute(part, 'a') && put_name(value_of(part), &s->authzid);
}

/* gs2-header = gs2-cbind-flag "," ["a=" saslname] "," */
enum scram_result scram_first(struct scram *s, struct span message,
			      const struct scram_binding *binding, const char **why)
{
	struct parts p = { message, false };
	struct span flag, authzid;
	enum scram_result r;

	if (!is_text(message))
		return say(why, SCRAM_MALFORMED, "not UTF-8, or a NUL in it");
	flag = next_part(&p);
	authzid = next_part(&p);
	if (p.is_over)
		return say(why, SCRAM_MALFORMED, "no user name and nonce");
	r = judge_flag(flag, binding, why);
	if (r != SCRAM_GOOD)
		return r;
	if (!read_authzid(s, authzid))
		return say(why, SCRAM_MALFORMED, "no authorization identity where one must be");
	*why = read_bare(s, p);
	if (*why)
		return SCRAM_MALFORMED;
	buf_put_span(&s->bound, span_first(message, message.len - p.rest.len));
	if (binding->is_plus)
		buf_put_span(&s->bound, binding->data);
	buf_put_span(&s->message, p.rest);
	return SCRAM_GOOD;
}

void scram_challenge(struct scram *s, struct span salt, unsigned iterations, struct span nonce,
		     struct buf *out)
{
	size_t from = out->len;

	buf_put_span(&s->nonce, nonce);
	buf_put_text(out, "r=");
	buf_put_span(out, buf_span(&s->nonce));
	buf_put_text(out, ",s=");
	base64_encode(salt, out);
	buf_printf(out, ",i=%u", iterations);
	buf_put_char(&s->message, ',');
	buf_put_span(&s->message, span_from(buf_span(out), from));
}

static bool take_proof(struct scram *s, struct span text)
{
	struct buf proof = { 0 };
	bool yes = base64_decode(text, &proof) == 0 && proof.len == sizeof(s->proof);

	if (yes)
		memcpy(s->proof, buf_span(&proof).at, sizeof(s->proof));
	buf_wipe(&proof);
	return yes;
}

static enum scram_result judge_bound(const struct scram *s, struct span text, const char **why)
{
	struct buf bound = { 0 };
	enum scram_result r = SCRAM_GOOD;

	if (base64_decode(text, &bound) < 0)
		r = say(why, SCRAM_MALFORMED, "a channel binding that is no base64");
	else if (!span_eq(buf_span(&bound), buf_span(&s->bound)))
		r = say(why, SCRAM_REFUSED,
			"the channel binding is another one than this connection's");
	buf_fini(&bound);
	return r;
}

/* client-final-message = channel-binding "," nonce ["," extensions] "," proof */
static const char *read_final(struct parts p, struct span *bound, struct span *nonce,
			      struct span *proof)
{
	const char *flaw;

	*bound = next_part(&p);
	if (!is_attribute(*bound, 'c') || p.is_over)
		return "no channel binding";
	*nonce = next_part(&p);
	if (!is_attribute(*nonce, 'r') || p.is_over)
		return "no nonce, or nothing behind it";
	for (;;) {
		*proof = next_part(&p);
		if (p.is_over)
			return is_attribute(*proof, 'p') ? NULL : "no proof at the end";
		flaw = extension_flaw(*proof);
		if (flaw)
			return flaw;
	}
}

enum scram_result scram_final(struct scram *s, struct span message, const char **why)
{
	struct span bound, nonce, proof;
	enum scram_result r;

	if (!is_text(message))
		return say(why, SCRAM_MALFORMED, "not UTF-8, or a NUL in it");
	*why = read_final((struct parts){ message, false }, &bound, &nonce, &proof);
	if (*why)
		return SCRAM_MALFORMED;
	if (!take_proof(s, value_of(proof)))
		return say(why, SCRAM_MALFORMED, "a proof that is not 32 octets in base64");
	r = judge_bound(s, value_of(bound), why);
	if (r != SCRAM_GOOD)
		return r;
	if (!span_eq(value_of(nonce), buf_span(&s->nonce)))
		return say(why, SCRAM_REFUSED, "the nonce is not that of this login");
	buf_put_char(&s->message, ',');
	buf_put_span(&s->message, span_first(message, message.len - proof.len - 1));
	return SCRAM_GOOD;
}

static void hmac_of(const unsigned char key[AUTH_SCRAM_OCTETS], struct span message,
		    unsigned char out[AUTH_SCRAM_OCTETS])
{
	struct hmac_sha256_ctx ctx;

	hmac_sha256_set_key(&ctx, AUTH_SCRAM_OCTETS, key);
	hmac_sha256_update(&ctx, message.len, message.at);
	hmac_sha256_digest(&ctx, AUTH_SCRAM_OCTETS, out);
	mem_wipe(&ctx, sizeof(ctx));
}

/* ClientProof = ClientKey XOR HMAC(StoredKey, AuthMessage), and StoredKey = H(ClientKey). */
bool scram_fits(const struct scram *s, const struct auth_scram *verifier)
{
	unsigned char key[AUTH_SCRAM_OCTETS], stored[AUTH_SCRAM_OCTETS];
	struct sha256_ctx ctx;
	bool fits;

	hmac_of(verifier->stored_key, buf_span(&s->message), key);
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] ^= s->proof[i];
	sha256_init(&ctx);
	sha256_update(&ctx, sizeof(key), key);
	sha256_digest(&ctx, sizeof(stored), stored);
	fits = memeql_sec(stored, verifier->stored_key, sizeof(stored));
	mem_wipe(&ctx, sizeof(ctx));
	mem_wipe(key, sizeof(key));
	return fits;
}

void scram_signature(const struct scram *s, const struct auth_scram *verifier, struct buf *out)
{
	unsigned char signature[AUTH_SCRAM_OCTETS];

	hmac_of(verifier->server_key, buf_span(&s->message), signature);
	buf_put_text(out, "v=");
	base64_encode(span_of(signature, sizeof(signature)), out);
}
