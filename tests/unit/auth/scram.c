#include "test.h"

#include "scram.h"

#include "base/base64.h"

#include <nettle/hmac.h>
#include <nettle/pbkdf2.h>
#include <stdlib.h>

static const struct scram_binding without = { 0 };

/* As RFC 5802 section 3 makes it. */
static struct auth_scram verifier_of(const char *password, struct span salt, unsigned iterations)
{
	unsigned char salted[32], client[32];
	struct auth_scram v;
	struct hmac_sha256_ctx ctx;
	struct sha256_ctx sha;

	pbkdf2_hmac_sha256(strlen(password), (const uint8_t *)password, iterations, salt.len,
			   salt.at, sizeof(salted), salted);
	hmac_sha256_set_key(&ctx, sizeof(salted), salted);
	hmac_sha256_update(&ctx, 10, (const uint8_t *)"Client Key");
	hmac_sha256_digest(&ctx, sizeof(client), client);
	hmac_sha256_update(&ctx, 10, (const uint8_t *)"Server Key");
	hmac_sha256_digest(&ctx, sizeof(v.server_key), v.server_key);
	sha256_init(&sha);
	sha256_update(&sha, sizeof(client), client);
	sha256_digest(&sha, sizeof(v.stored_key), v.stored_key);
	return v;
}

#define CLIENT_NONCE "rOprNGfwEbeRWgbNEkqO"
#define SERVER_NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define PROOF "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
#define FIRST "n,,n=user,r=" CLIENT_NONCE
#define FINAL "c=biws,r=" CLIENT_NONCE SERVER_NONCE ",p=" PROOF

static void challenge(struct scram *s, struct buf *salt, struct buf *out)
{
	buf_clear(salt);
	assert_int_equal(base64_decode(span_text("W22ZaJ0SNY7soEsUEjb6gQ=="), salt), 0);
	scram_challenge(s, buf_span(salt), 4096, span_text(SERVER_NONCE), out);
}

static void the_vector_of_rfc_7677(void **state)
{
	struct buf salt = { 0 }, out = { 0 };
	struct scram s = { 0 };
	struct auth_scram right, wrong;
	const char *why = NULL;

	(void)state;
	assert_int_equal(scram_first(&s, span_text(FIRST), &without, &why), SCRAM_GOOD);
	assert_span_text(buf_span(&s.name), "user");
	assert_int_equal(s.authzid.len, 0);
	challenge(&s, &salt, &out);
	assert_span_text(buf_span(&out),
			 "r=" CLIENT_NONCE SERVER_NONCE ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
	assert_int_equal(scram_final(&s, span_text(FINAL), &why), SCRAM_GOOD);
	right = verifier_of("pencil", buf_span(&salt), 4096);
	wrong = verifier_of("pencils", buf_span(&salt), 4096);
	assert_false(scram_fits(&s, &wrong));
	assert_true(scram_fits(&s, &right));
	buf_clear(&out);
	scram_signature(&s, &right, &out);
	assert_span_text(buf_span(&out), "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	scram_fini(&s);
	buf_fini(&salt);
	buf_fini(&out);
}

#define S(text)                                                                                    \
	{                                                                                          \
		(const unsigned char *)(text), sizeof(text) - 1                                    \
	}
#define PLUS(n, d) .binding = { .is_plus = true, .was_offered = true, .name = S(n), .data = S(d) }

static char long_nonce[600];

static const struct first {
	const char *what;
	struct span message;
	struct scram_binding binding;
	enum scram_result result;
	const char *name, *authzid, *why;
} firsts[] = {
	{ "plain", S("n,,n=user,r=x"), .name = "user" },
	{ "an authzid", S("n,a=boss,n=user,r=x"), .name = "user", .authzid = "boss" },
	{ "an empty authzid", S("n,a=,n=user,r=x"), .name = "user" },
	{ "coded names", S("n,a=a=2Cb,n=c=3Dd=2C,r=x"), .name = "c=d,", .authzid = "a,b" },
	{ "UTF-8", S("n,,n=bj\xC3\xB6rn,r=x"), .name = "bj\xC3\xB6rn" },
	{ "an address", S("n,,n=user@example.com,r=!+-~"), .name = "user@example.com" },
	{ "extensions", S("n,,n=user,r=x,a=1,Z=\xC3\xB6"), .name = "user" },
	{ "y, nothing offered", S("y,,n=user,r=x"), .name = "user" },
	{ "a binding", S("p=tls-exporter,,n=user,r=x"), PLUS("tls-exporter", "\0\1"),
	  .name = "user" },
	{ "y where -PLUS was offered",
	  S("y,,n=user,r=x"),
	  { .was_offered = true },
	  SCRAM_REFUSED,
	  .why = "somebody may stand between" },
	{ "n where -PLUS was offered",
	  S("n,,n=user,r=x"),
	  { .was_offered = true },
	  .name = "user" },
	{ "a binding of another name", S("p=tls-unique,,n=user,r=x"), PLUS("tls-exporter", "x"),
	  .result = SCRAM_REFUSED, .why = "does not have" },
	{ "the start of its name", S("p=tls-export,,n=user,r=x"), PLUS("tls-exporter", "x"),
	  .result = SCRAM_REFUSED, .why = "does not have" },
	{ "a binding that is absent", S("p=tls-unique,,n=user,r=x"), PLUS("tls-unique", ""),
	  .result = SCRAM_REFUSED, .why = "does not have" },
	{ "a binding without -PLUS",
	  S("p=tls-exporter,,n=user,r=x"),
	  { .name = S("tls-exporter"), .data = S("x") },
	  SCRAM_MALFORMED,
	  .why = "without -PLUS" },
	{ "-PLUS with n", S("n,,n=user,r=x"), PLUS("tls-exporter", "x"), .result = SCRAM_MALFORMED,
	  .why = "without a channel binding" },
	{ "-PLUS with y", S("y,,n=user,r=x"), PLUS("tls-exporter", "x"), .result = SCRAM_MALFORMED,
	  .why = "without a channel binding" },
#define BAD(what, message, why)                                                                    \
	{                                                                                          \
		what, S(message), { 0 }, SCRAM_MALFORMED, NULL, NULL, why                          \
	}
	BAD("nothing", "", "no user name"),
	BAD("a flag alone", "n", "no user name"),
	BAD("no header", "n=user,r=x", "no user name"),
	BAD("half a header", "n,n=user,r=x", "authorization"),
	BAD("another flag", "x,,n=user,r=x", "flag"),
	BAD("a flag in capitals", "N,,n=user,r=x", "flag"),
	BAD("a flag with a value", "n=,,n=user,r=x", "flag"),
	BAD("an empty binding", "p=,,n=user,r=x", "flag"),
	BAD("a binding of odd letters", "p=tls_exporter,,n=user,r=x", "flag"),
	BAD("an authzid with =", "n,a=a=b,n=user,r=x", "authorization"),
	BAD("an empty name", "n,,n=,r=x", "no user name"),
	BAD("no name", "n,,r=x", "no user name"),
	BAD("a name with =", "n,,n=a=b,r=x", "not coded"),
	BAD("a name with = at its end", "n,,n=a=,r=x", "not coded"),
	BAD("a code in small letters", "n,,n=a=2cb,r=x", "not coded"),
	BAD("a NUL", "n,,n=a\0b,r=x", "NUL"),
	BAD("Latin-1", "n,,n=bj\xF6rn,r=x", "UTF-8"),
	BAD("no nonce", "n,,n=user", "no nonce"),
	BAD("an empty nonce", "n,,n=user,r=", "no nonce"),
	BAD("a nonce with a space", "n,,n=user,r=a b", "no nonce"),
	BAD("a nonce with a control", "n,,n=user,r=a\tb", "no nonce"),
	BAD("a nonce beyond ASCII", "n,,n=user,r=\xC3\xB6", "no nonce"),
	BAD("the nonce first", "n,,r=x,n=user", "no user name"),
	BAD("m=", "n,,m=ext,n=user,r=x", "must be understood"),
	BAD("m= behind", "n,,n=user,r=x,m=ext", "must be understood"),
	BAD("an empty extension", "n,,n=user,r=x,", "no attribute"),
	BAD("an extension without value", "n,,n=user,r=x,a=", "no attribute"),
	BAD("an extension that is none", "n,,n=user,r=x,1=y", "no attribute"),
	{ "a nonce too long",
	  { (const unsigned char *)long_nonce, sizeof(long_nonce) },
	  { 0 },
	  SCRAM_MALFORMED,
	  NULL,
	  NULL,
	  "512" },
};

static void first_messages(void **state)
{
	(void)state;
	memset(long_nonce, 'x', sizeof(long_nonce));
	memcpy(long_nonce, "n,,n=user,r=", 12);
	for (size_t i = 0; i < sizeof(firsts) / sizeof(firsts[0]); i++) {
		const struct first *f = &firsts[i];
		struct scram s = { 0 };
		const char *why = "";
		/* Of its own size, so that a read behind it is seen by the sanitizer. */
		unsigned char *copy = malloc(f->message.len ? f->message.len : 1);
		enum scram_result r;

		memcpy(copy, f->message.at, f->message.len);
		r = scram_first(&s, span_of(copy, f->message.len), &f->binding, &why);
		if (r != f->result)
			fail_msg("%s: %d (%s)", f->what, r, why ? why : "");
		if (r == SCRAM_GOOD) {
			assert_span_text(buf_span(&s.name), f->name);
			assert_span_text(buf_span(&s.authzid), f->authzid ? f->authzid : "");
		} else if (!strstr(why, f->why)) {
			fail_msg("%s: \"%s\"", f->what, why);
		}
		free(copy);
		scram_fini(&s);
	}
}

#define NONCES "r=" CLIENT_NONCE SERVER_NONCE

static const struct {
	const char *what;
	struct span message;
	enum scram_result result;
	const char *why;
} finals[] = {
	{ "as it should be", S(FINAL), SCRAM_GOOD, "" },
	{ "with extensions", S("c=biws," NONCES ",a=b,B=c,p=" PROOF), SCRAM_GOOD, "" },
	{ "another header", S("c=eSws," NONCES ",p=" PROOF), SCRAM_REFUSED, "another one" },
	{ "a header and data", S("c=biwseA==," NONCES ",p=" PROOF), SCRAM_REFUSED, "another one" },
	{ "the client's nonce alone", S("c=biws,r=" CLIENT_NONCE ",p=" PROOF), SCRAM_REFUSED,
	  "nonce" },
	{ "another nonce", S("c=biws," NONCES "x,p=" PROOF), SCRAM_REFUSED, "nonce" },
	{ "an empty binding", S("c=," NONCES ",p=" PROOF), SCRAM_MALFORMED, "no channel binding" },
	{ "a binding not in base64", S("c=bi*s," NONCES ",p=" PROOF), SCRAM_MALFORMED,
	  "no base64" },
	{ "no binding", S(NONCES ",p=" PROOF), SCRAM_MALFORMED, "no channel binding" },
	{ "no nonce", S("c=biws,p=" PROOF), SCRAM_MALFORMED, "no nonce" },
	{ "no proof", S("c=biws," NONCES), SCRAM_MALFORMED, "nothing behind it" },
	{ "an empty proof", S("c=biws," NONCES ",p="), SCRAM_MALFORMED, "no proof" },
	{ "a short proof", S("c=biws," NONCES ",p=eA=="), SCRAM_MALFORMED, "32 octets" },
	{ "a long proof", S("c=biws," NONCES ",p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
	  SCRAM_MALFORMED, "32 octets" },
	{ "a proof not in base64", S("c=biws," NONCES ",p=-"), SCRAM_MALFORMED, "32 octets" },
	{ "something behind the proof", S(FINAL ",a=b"), SCRAM_MALFORMED, "no proof at the end" },
	{ "m=", S("c=biws," NONCES ",m=x,p=" PROOF), SCRAM_MALFORMED, "must be understood" },
	{ "a NUL", S("c=biws," NONCES ",a=\0,p=" PROOF), SCRAM_MALFORMED, "NUL" },
	{ "nothing", S(""), SCRAM_MALFORMED, "no channel binding" },
};

static void final_messages(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(finals) / sizeof(finals[0]); i++) {
		struct buf salt = { 0 }, out = { 0 };
		struct scram s = { 0 };
		const char *why = "";
		enum scram_result r;

		assert_int_equal(scram_first(&s, span_text(FIRST), &without, &why), SCRAM_GOOD);
		challenge(&s, &salt, &out);
		r = scram_final(&s, finals[i].message, &why);
		if (r != finals[i].result || (r != SCRAM_GOOD && !strstr(why, finals[i].why)))
			fail_msg("%s: %d (%s)", finals[i].what, r, why ? why : "");
		scram_fini(&s);
		buf_fini(&salt);
		buf_fini(&out);
	}
}

/* The data stand behind the header in what c= is compared with, and in nothing else. */
static void a_binding_is_compared(void **state)
{
	static const struct {
		struct span bound;
		enum scram_result result;
	} cases[] = {
		{ S("p=tls-exporter,,\0\1\2"), SCRAM_GOOD },
		{ S("p=tls-exporter,,\0\1\3"), SCRAM_REFUSED },
		{ S("p=tls-exporter,,\0\1"), SCRAM_REFUSED },
		{ S("p=tls-exporter,,"), SCRAM_REFUSED },
		{ S("p=tls-exporter,,\0\1\2\3"), SCRAM_REFUSED },
		{ S("p=tls-unique,,\0\1\2"), SCRAM_REFUSED },
		{ S("n,,"), SCRAM_REFUSED },
		{ S("\0\1\2"), SCRAM_REFUSED },
	};
	static const struct scram_binding binding = {
		.is_plus = true,
		.was_offered = true,
		.name = S("tls-exporter"),
		.data = S("\0\1\2"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf salt = { 0 }, out = { 0 }, final = { 0 };
		struct scram s = { 0 };
		const char *why;

		assert_int_equal(scram_first(&s,
					     span_text("p=tls-exporter,,n=user,r=" CLIENT_NONCE),
					     &binding, &why),
				 SCRAM_GOOD);
		challenge(&s, &salt, &out);
		buf_put_text(&final, "c=");
		base64_encode(cases[i].bound, &final);
		buf_put_text(&final, "," NONCES ",p=" PROOF);
		assert_int_equal(scram_final(&s, buf_span(&final), &why), cases[i].result);
		scram_fini(&s);
		buf_fini(&salt);
		buf_fini(&out);
		buf_fini(&final);
	}
}

/* Every changed octet of the last message makes the proof another one's, or the message none. */
static void nothing_can_be_changed_on_the_way(void **state)
{
	struct buf salt = { 0 };
	struct auth_scram right;

	(void)state;
	assert_int_equal(base64_decode(span_text("W22ZaJ0SNY7soEsUEjb6gQ=="), &salt), 0);
	right = verifier_of("pencil", buf_span(&salt), 4096);
	for (size_t i = 0; i < sizeof(FINAL) - 1; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			char message[] = FINAL;
			struct scram s = { 0 };
			struct buf out = { 0 };
			const char *why;

			message[i] = (char)(message[i] ^ 1 << bit);
			assert_int_equal(scram_first(&s, span_text(FIRST), &without, &why),
					 SCRAM_GOOD);
			challenge(&s, &salt, &out);
			if (scram_final(&s, span_of(message, sizeof(FINAL) - 1), &why) ==
			    SCRAM_GOOD)
				assert_false(scram_fits(&s, &right));
			scram_fini(&s);
			buf_fini(&out);
		}
	buf_fini(&salt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vector_of_rfc_7677),
		cmocka_unit_test(first_messages),
		cmocka_unit_test(final_messages),
		cmocka_unit_test(a_binding_is_compared),
		cmocka_unit_test(nothing_can_be_changed_on_the_way),
	};

	return cmocka_run_group_tests_name("auth/scram", tests, NULL, NULL);
}
