#include "checker.h"

/* By Cyrus, over sasldb, which has passwords in clear. RFC 2195: challenge, then name and digest. */

enum { DIGEST_CHARACTERS = 32 };
enum stage { STAGE_BEGIN, STAGE_DIGEST };

static enum auth_verdict judge(struct checker *c, int code)
{
	return code == SASL_NOMECH ? checker_no_plugin(c, "CRAM-MD5") : c->backend->judge(c, code);
}

static enum auth_verdict begin(struct checker *c, struct conversation *v)
{
	struct span challenge;
	int code;

	if (!checker_can_ask(c))
		return AUTH_UNAVAILABLE;
	code = cyrus_talk_new(&c->cyrus, &v->conn);
	if (code == SASL_OK)
		code = cyrus_talk_start(&c->cyrus, v->conn, "CRAM-MD5", NULL, &challenge);
	if (code != SASL_CONTINUE)
		return judge(c, code == SASL_OK ? SASL_FAIL : code);
	buf_put_span(&c->challenge, span_first(challenge, AUTH_CHALLENGE_OCTETS_MAX));
	v->stage = STAGE_DIGEST;
	return AUTH_CONTINUE;
}

/* The digest is the password's and the challenge's alone: the name before it can be made canonical.
 * Cyrus compares lower-case letters only. */
static bool put_digest(struct span digest, struct buf *out)
{
	for (size_t i = 0; i < digest.len; i++) {
		unsigned char at = ascii_lower(digest.at[i]);

		if (!ascii_is_digit(at) && !(at >= 'a' && at <= 'f'))
			return false;
		buf_put_char(out, (char)at);
	}
	return true;
}

static bool read_response(struct checker *c, struct conversation *v, struct span response,
			  struct buf *out)
{
	size_t from = response.len > DIGEST_CHARACTERS ? response.len - DIGEST_CHARACTERS : 0;
	struct span name = span_first(response, from ? from - 1 : 0);

	if (from == 0 || response.at[from - 1] != ' ') {
		checker_say(c, "CRAM-MD5: not a name, a space and a digest");
		return false;
	}
	if (!checker_account(c, name, &v->account))
		return false;
	buf_put_span(out, buf_span(&v->account));
	buf_put_char(out, ' ');
	if (put_digest(span_from(response, from), out))
		return true;
	checker_say(c, "CRAM-MD5: a digest that is none");
	return false;
}

static enum auth_verdict ask(struct checker *c, struct conversation *v, struct span response)
{
	struct span account = buf_span(&v->account), nothing;
	int code;

	if (!checker_can_ask(c))
		return AUTH_UNAVAILABLE;
	code = cyrus_talk_step(&c->cyrus, v->conn, response, &nothing);
	if (code == SASL_OK && !cyrus_is_account(&c->cyrus, cyrus_talk_identity(v->conn), account))
		code = SASL_FAIL;
	if (code != SASL_OK)
		return judge(c, code);
	return c->settings.app_passwords == AUTH_APP_PASSWORDS_REQUIRED ? AUTH_APP_REQUIRED
									: AUTH_OK;
}

static enum auth_verdict hear(struct checker *c, struct conversation *v,
			      const struct span *response)
{
	struct buf canonical = { 0 };
	enum auth_verdict verdict = AUTH_MALFORMED;

	if (v->stage == STAGE_BEGIN)
		return begin(c, v);
	if (read_response(c, v, *response, &canonical))
		verdict = ask(c, v, buf_span(&canonical));
	buf_wipe(&canonical);
	return verdict;
}

static void fini(struct conversation *v)
{
	cyrus_talk_free(&v->conn);
}

const struct talk talk_cram = { .hear = hear, .fini = fini };
