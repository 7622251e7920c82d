#include "checker.h"

#include "credentials.h"

#include "base/mem.h"

#include <stdlib.h>

/* No back end takes a longer one, and Cyrus reports one that is too long as a failure of the back
 * end. */
enum { CHECKER_PASSWORD_MAX = 1024 };

/* Thunderbird sends the password of LOGIN in Latin-1 unless told otherwise. */
static void put_password(struct span password, struct buf *out)
{
	if (span_is_utf8(password)) {
		buf_put_span(out, password);
		return;
	}
	for (size_t i = 0; i < password.len; i++) {
		unsigned char c = password.at[i];

		if (c >= 0x80)
			buf_put_char(out, (char)(0xC0 | c >> 6));
		buf_put_char(out, (char)(c < 0x80 ? c : 0x80 | (c & 0x3F)));
	}
}

static enum auth_verdict ask_cyrus(struct checker *c, const char *mechanism, struct span password)
{
	char *account;
	int code;

	if (!checker_can_ask(c))
		return AUTH_UNAVAILABLE;
	account = mem_text_n(buf_span(&c->account).at, c->account.len);
	code = cyrus_login(&c->cyrus, mechanism, account, password);
	free(account);
	if (code == SASL_OK)
		return AUTH_OK;
	return code == SASL_NOMECH ? checker_no_plugin(c, mechanism) : c->backend->judge(c, code);
}

/* The state is asked for first: what changes during the check is another one. */
static enum auth_verdict ask(struct checker *c, const char *mechanism, struct span password)
{
	struct span account = buf_span(&c->account);
	struct buf state = { 0 };
	enum auth_verdict v;

	if (c->cache == NULL || c->backend->state == NULL || !c->backend->state(c, &state)) {
		v = ask_cyrus(c, mechanism, password);
	} else if (cache_has(c->cache, account, buf_span(&state), password, checker_now_ms())) {
		v = AUTH_OK;
	} else {
		v = ask_cyrus(c, mechanism, password);
		if (v == AUTH_OK)
			cache_keep(c->cache, account, buf_span(&state), password, checker_now_ms());
	}
	buf_fini(&state);
	return v;
}

/* Where only app passwords are good, what looks like one is not shown to the back end: one that was
 * withdrawn, and that a phone goes on trying, would get the account locked there. Other passwords are,
 * for who has the right one is to be told that it is the wrong kind. */
static enum auth_verdict ask_beside_apps(struct checker *c, const char *mechanism,
					 struct span password, bool has_apps)
{
	bool wants_app = c->settings.app_passwords == AUTH_APP_PASSWORDS_REQUIRED;
	enum auth_verdict v = AUTH_WRONG;

	if (wants_app && checker_app_looks_like(password))
		checker_say(c, "no such app password");
	else
		v = ask(c, mechanism, password);
	if (v == AUTH_OK && wants_app)
		return AUTH_APP_REQUIRED;
	if (v != AUTH_WRONG || has_apps)
		return v;
	checker_say(c, ", but it might be an app password: %s", c->file.text);
	return AUTH_UNAVAILABLE;
}

/* An empty password is not left to the back end: to some LDAP servers it is an anonymous bind, which
 * succeeds (RFC 4513 section 5.1.2). */
static enum auth_verdict judge_password(struct checker *c, const char *mechanism,
					struct span password)
{
	enum auth_verdict v = AUTH_WRONG;

	if (password.len == 0) {
		checker_say(c, "the password is empty");
		return AUTH_WRONG;
	}
	if (password.len > CHECKER_PASSWORD_MAX) {
		checker_say(c, "the password is too long");
		return AUTH_WRONG;
	}
	v = checker_app_check(c, password);
	if (v == AUTH_OK || v == AUTH_EXPIRED)
		return v;
	return ask_beside_apps(c, mechanism, password, v == AUTH_WRONG);
}

enum auth_verdict checker_password(struct checker *c, const struct auth_mech *mech,
				   const struct auth_request *request)
{
	struct buf password = { 0 };
	struct credentials who;
	enum auth_verdict v;
	const char *reason;

	if (credentials_read(mech, request, &who, &reason) < 0) {
		checker_say(c, "%s", reason);
		return AUTH_MALFORMED;
	}
	if (!checker_account(c, who.authcid, &c->account))
		return AUTH_MALFORMED;
	if (!checker_may_act(c, who.authzid, buf_span(&c->account)))
		return AUTH_WRONG;
	put_password(span_first(who.password, CHECKER_PASSWORD_MAX + 1), &password);
	v = judge_password(c, mech->name, buf_span(&password));
	buf_wipe(&password);
	return v;
}
