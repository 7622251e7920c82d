#include "checker.h"

#include <errno.h>
#include <unistd.h>

/* By Cyrus's plug-in. A principal is alice@REALM, and the realm is treated as a domain: it must be one
 * of login.domains or the login's realm, else it is another account, which the users file may have and
 * no other back end is asked for. Cyrus leaves the realm out where it is this machine's own. */

enum stage { STAGE_BEGIN, STAGE_TALK };

static bool can_read_keytab(struct checker *c)
{
	const char *path = c->settings.keytab;

	if (path[0] == '\0' || access(path, R_OK) == 0)
		return true;
	checker_say(
		c,
		"cannot read the keytab %s: %s; the user that logins run as must be able to, by "
		"owner or group",
		path, strerror(errno));
	return false;
}

/* Before the client's first token is read Cyrus takes our key from the keytab. What fails after that is
 * the token's fault, also where Cyrus calls it a failure of no kind. */
static enum auth_verdict judge_failure(struct checker *c, struct conversation *v, int code)
{
	const char *words = cyrus_words(&c->cyrus);

	if (code == SASL_NOMECH)
		return checker_no_plugin(c, "GSSAPI");
	checker_say(c, "GSSAPI: %s (%s)", sasl_errstring(code, NULL, NULL), words);
	if (code == SASL_BADPROT || code == SASL_BADPARAM)
		return AUTH_MALFORMED;
	if (checker_is_refusal(code) || (code == SASL_FAIL && v->stage != STAGE_BEGIN))
		return AUTH_WRONG;
	checker_say(c, "; the keytab must have the key of smtp/%s",
		    c->settings.hostname[0] ? c->settings.hostname : "this host's name");
	return AUTH_UNAVAILABLE;
}

/* A key of a service is no person's. */
static enum auth_verdict admit(struct checker *c, struct conversation *v)
{
	struct span identity = cyrus_talk_identity(v->conn), account;

	if (!checker_account(c, identity, &v->account))
		return AUTH_WRONG;
	account = buf_span(&v->account);
	if (span_find(account, '/') < account.len) {
		checker_say(c, "GSSAPI: a principal of a service");
		return AUTH_WRONG;
	}
	if (c->backend != &checker_users && span_find(account, '@') < account.len) {
		checker_say(c, "GSSAPI: the principal's realm is none of login.domains");
		return AUTH_WRONG;
	}
	return checker_admit(c, account);
}

static enum auth_verdict judge(struct checker *c, struct conversation *v, int code,
			       struct span challenge)
{
	if (code == SASL_OK)
		return admit(c, v);
	if (code != SASL_CONTINUE)
		return judge_failure(c, v, code);
	if (challenge.len > AUTH_CHALLENGE_OCTETS_MAX) {
		checker_say(c, "GSSAPI: a challenge that is too long");
		return AUTH_UNAVAILABLE;
	}
	buf_put_span(&c->challenge, challenge);
	v->stage = STAGE_TALK;
	return AUTH_CONTINUE;
}

static enum auth_verdict begin(struct checker *c, struct conversation *v, struct span initial)
{
	struct span challenge = { 0 };
	int code;

	if (!checker_has_cyrus(c) || !can_read_keytab(c))
		return AUTH_UNAVAILABLE;
	code = cyrus_talk_new(&c->cyrus, &v->conn);
	if (code == SASL_OK)
		code = cyrus_talk_start(&c->cyrus, v->conn, "GSSAPI", &initial, &challenge);
	return judge(c, v, code, challenge);
}

static enum auth_verdict hear(struct checker *c, struct conversation *v,
			      const struct span *response)
{
	struct span challenge;
	int code;

	/* No initial response: an empty challenge asks for it (RFC 4954 section 4). */
	if (response == NULL)
		return AUTH_CONTINUE;
	if (v->stage == STAGE_BEGIN && response->len == 0) {
		checker_say(c, "GSSAPI: an empty token");
		return AUTH_MALFORMED;
	}
	if (v->stage == STAGE_BEGIN)
		return begin(c, v, *response);
	code = cyrus_talk_step(&c->cyrus, v->conn, *response, &challenge);
	return judge(c, v, code, challenge);
}

static void fini(struct conversation *v)
{
	cyrus_talk_free(&v->conn);
}

const struct talk talk_gssapi = { .hear = hear, .fini = fini };
