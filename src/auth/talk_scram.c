#include "checker.h"

#include "base/base64.h"
#include "base/mem.h"

#include <sys/random.h>

/* What is awaited. */
enum stage { STAGE_FIRST, STAGE_FINAL, STAGE_CONSENT };

/* What came of all the verifiers of an account. */
struct finding {
	const struct auth_scram *verifier; /* NULL: none fits */
	const char *credential;		   /* the app password's id; NULL: the account's own */
	bool is_expired;
};

static enum auth_verdict verdict_of(struct checker *c, enum scram_result r, const char *why)
{
	checker_say(c, "SCRAM: %s", why);
	return r == SCRAM_REFUSED ? AUTH_WRONG : AUTH_MALFORMED;
}

static enum auth_verdict cannot(struct checker *c, const char *why)
{
	checker_say(c, "%s", why);
	return AUTH_UNAVAILABLE;
}

static bool put_nonce(struct buf *out)
{
	unsigned char nonce[SCRAM_NONCE_OCTETS];

	if (getrandom(nonce, sizeof(nonce), 0) != sizeof(nonce))
		return false;
	base64_encode(span_of(nonce, sizeof(nonce)), out);
	return true;
}

static enum auth_verdict put_challenge(struct checker *c, struct conversation *v)
{
	unsigned char salt[AUTH_SCRAM_OCTETS];
	struct buf nonce = { 0 };
	enum auth_verdict verdict = AUTH_CONTINUE;

	if (!auth_users_salt(c->users, buf_span(&v->account), salt))
		verdict = cannot(c, "the users file has no verifiers for SCRAM: give each user a "
				    "password again by posternctl user passwd");
	else if (!put_nonce(&nonce))
		verdict = cannot(c, "the kernel gave no random octets");
	else
		scram_challenge(&v->scram, span_of(salt, sizeof(salt)), AUTH_SCRAM_ITERATIONS,
				buf_span(&nonce), &c->challenge);
	v->stage = STAGE_FINAL;
	buf_fini(&nonce);
	return verdict;
}

static enum auth_verdict hear_first(struct checker *c, struct conversation *v,
				    const struct span *response)
{
	struct scram_binding binding = {
		.is_plus = v->mech->needs_binding,
		.was_offered = v->has_binding,
		.name = buf_span(&v->binding),
		.data = buf_span(&v->binding_data),
	};
	const char *why = NULL;
	enum scram_result r;

	/* No initial response: an empty challenge asks for it (RFC 4954 section 4). */
	if (response == NULL)
		return AUTH_CONTINUE;
	r = scram_first(&v->scram, *response, &binding, &why);
	if (r != SCRAM_GOOD)
		return verdict_of(c, r, why);
	if (!checker_account(c, buf_span(&v->scram.name), &v->account))
		return AUTH_MALFORMED;
	if (!checker_may_act(c, buf_span(&v->scram.authzid), buf_span(&v->account)))
		return AUTH_WRONG;
	return checker_can_ask(c) ? put_challenge(c, v) : AUTH_UNAVAILABLE;
}

/* As many checks for every name, whether it exists, and however many passwords it has: the time tells
 * nothing. No app password of one that is unknown has a verifier, so nothing fits it. */
static struct finding find(struct checker *c, struct conversation *v)
{
	static const struct auth_scram nobodys;
	bool with_apps = c->settings.app_passwords != AUTH_APP_PASSWORDS_NONE;
	struct span account = buf_span(&v->account);
	struct finding found = { 0 };

	for (size_t i = 0; i <= AUTH_APP_PASSWORDS_MAX; i++) {
		const struct auth_app_password *app = NULL;
		const struct auth_scram *verifier = NULL;

		if (i == 0)
			verifier = auth_users_scram(c->users, account);
		else if (with_apps)
			app = auth_users_app_password(c->users, account, i - 1);
		if (app && app->has_scram)
			verifier = &app->scram;
		if (!scram_fits(&v->scram, verifier ? verifier : &nobodys) || verifier == NULL)
			continue;
		found.verifier = verifier;
		found.credential = app ? app->id : NULL;
		found.is_expired = app && checker_is_expired(app);
	}
	return found;
}

static enum auth_verdict explain_wrong(struct checker *c, struct conversation *v)
{
	struct span account = buf_span(&v->account);

	if (checker_is_user(c, account) && auth_users_scram(c->users, account) == NULL)
		checker_say(c,
			    "wrong password, or one without a verifier for SCRAM: posternctl user "
			    "passwd makes it");
	else
		checker_say(c,
			    checker_is_user(c, account) ? "wrong password" : "no such user in %s",
			    c->settings.users_file);
	return AUTH_WRONG;
}

static enum auth_verdict judge(struct checker *c, struct conversation *v)
{
	struct finding found = find(c, v);

	if (found.verifier == NULL)
		return explain_wrong(c, v);
	if (found.is_expired)
		return checker_say_expired(c, found.credential);
	if (found.credential)
		memcpy(v->credential, found.credential,
		       strnlen(found.credential, sizeof(v->credential) - 1));
	else if (c->settings.app_passwords == AUTH_APP_PASSWORDS_REQUIRED)
		return AUTH_APP_REQUIRED;
	scram_signature(&v->scram, found.verifier, &c->challenge);
	v->stage = STAGE_CONSENT;
	return AUTH_CONTINUE;
}

static enum auth_verdict hear_final(struct checker *c, struct conversation *v, struct span response)
{
	const char *why = NULL;
	enum scram_result r = scram_final(&v->scram, response, &why);

	if (r != SCRAM_GOOD)
		return verdict_of(c, r, why);
	return checker_can_ask(c) ? judge(c, v) : AUTH_UNAVAILABLE;
}

/* The client is content with our signature: had it not been, it would have cancelled. */
static enum auth_verdict hear_consent(struct checker *c, struct conversation *v,
				      struct span response)
{
	if (response.len)
		return verdict_of(c, SCRAM_MALFORMED, "something behind the login's last response");
	memcpy(c->credential, v->credential, sizeof(c->credential));
	return AUTH_OK;
}

static enum auth_verdict hear(struct checker *c, struct conversation *v,
			      const struct span *response)
{
	switch ((enum stage)v->stage) {
	case STAGE_FIRST:
		return hear_first(c, v, response);
	case STAGE_FINAL:
		return hear_final(c, v, *response);
	default:
		return hear_consent(c, v, *response);
	}
}

static void fini(struct conversation *v)
{
	scram_fini(&v->scram);
}

const struct talk talk_scram = { .hear = hear, .fini = fini };
