#include "checker.h"

#include "credentials.h"

#include "base/mem.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* No back end takes a longer one, and Cyrus reports one that is too long as a failure of the back
 * end. */
enum { CHECKER_PASSWORD_MAX = 1024 };

static const struct checker_backend *const backends[] = {
	[AUTH_BACKEND_USERS] = &checker_users,
	[AUTH_BACKEND_SASLAUTHD] = &checker_saslauthd,
	[AUTH_BACKEND_SASLDB] = &checker_sasldb,
};

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

void checker_start(struct checker *c, const struct auth_hello *hello)
{
	*c = (struct checker){ .backend = backends[hello->backend] };
	settings_init(&c->settings, hello);
	c->cache = cache_new(c->settings.cache_seconds);
	c->cyrus_conf = (struct cyrus_conf){
		.hostname = or_null(c->settings.hostname),
		.realm = hello->backend == AUTH_BACKEND_USERS ? NULL : or_null(c->settings.realm),
		.mechanisms = c->settings.mechanisms,
		.pwcheck_method = c->backend->pwcheck_method,
		.auxprop_plugin = c->backend->auxprop_plugin,
		.sasldb_path = or_null(c->settings.sasldb_file),
		.plugins = c->backend->plugins,
		.check = c->backend->check,
		.user = c,
	};
	c->cyrus_started = cyrus_start(&c->cyrus, &c->cyrus_conf);
}

void checker_stop(struct checker *c)
{
	cyrus_stop(&c->cyrus);
	auth_users_free(&c->users);
	cache_free(&c->cache);
	buf_fini(&c->account);
	settings_fini(&c->settings);
}

void checker_say(struct checker *c, const char *fmt, ...)
{
	size_t n = strlen(c->detail);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->detail + n, sizeof(c->detail) - n, fmt, ap);
	va_end(ap);
}

int64_t checker_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t checker_expire(struct checker *c)
{
	return cache_expire(c->cache, checker_now_ms());
}

bool checker_is_refusal(int code)
{
	switch (code) {
	case SASL_BADAUTH:
	case SASL_NOUSER:
	case SASL_NOVERIFY:
	case SASL_NOAUTHZ:
	case SASL_PWLOCK:
	case SASL_EXPIRED:
	case SASL_DISABLED:
		return true;
	default:
		return false;
	}
}

/* Thunderbird sends the password of LOGIN in Latin-1 unless told otherwise; all back ends hold
 * UTF-8. */
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

static bool can_ask(struct checker *c)
{
	struct fault fault = { 0 };

	if (c->cyrus_started != SASL_OK)
		checker_say(c, "Cyrus SASL did not start: %s",
			    sasl_errstring(c->cyrus_started, NULL, NULL));
	else if (c->backend->ready(c, &fault) < 0)
		checker_say(c, "%s", fault.text);
	else
		return true;
	return false;
}

static enum auth_verdict ask(struct checker *c, const char *mechanism, struct span password)
{
	char *account;
	int code;

	if (!can_ask(c))
		return AUTH_UNAVAILABLE;
	account = mem_text_n(buf_span(&c->account).at, c->account.len);
	code = cyrus_login(&c->cyrus, mechanism, account, password);
	free(account);
	if (code == SASL_OK)
		return AUTH_OK;
	if (code != SASL_NOMECH)
		return c->backend->judge(c, code);
	checker_say(c,
		    "Cyrus SASL has no plug-in for %s; Debian's are in libsasl2-modules, that for "
		    "sasldb in libsasl2-modules-db (%s)",
		    mechanism, cyrus_words(&c->cyrus));
	return AUTH_UNAVAILABLE;
}

/* An empty password is not left to the back end: to some LDAP servers it is an anonymous bind, which
 * succeeds (RFC 4513 section 5.1.2). */
static enum auth_verdict ask_with(struct checker *c, const char *mechanism, struct span given)
{
	struct buf password = { 0 };
	enum auth_verdict v = AUTH_WRONG;

	put_password(span_first(given, CHECKER_PASSWORD_MAX + 1), &password);
	if (password.len == 0)
		checker_say(c, "the password is empty");
	else if (password.len > CHECKER_PASSWORD_MAX)
		checker_say(c, "the password is too long");
	else
		v = ask(c, mechanism, buf_span(&password));
	buf_wipe(&password);
	return v;
}

static bool is_own_name(struct checker *c, struct span authzid)
{
	struct buf account = { 0 };
	bool yes = policy_account_name(&c->settings.account, authzid, &account) == 0 &&
		   span_eq(buf_span(&account), buf_span(&c->account));

	buf_fini(&account);
	return yes;
}

static enum auth_verdict check(struct checker *c, const struct auth_mech *mech,
			       const struct credentials *who)
{
	if (policy_account_name(&c->settings.account, who->authcid, &c->account) < 0) {
		buf_clear(&c->account);
		checker_say(c, "the name is empty, too long, not UTF-8, or has a control character "
			       "or white space at an end");
		return AUTH_MALFORMED;
	}
	if (who->authzid.len && !is_own_name(c, who->authzid)) {
		checker_say(c, "asked to act as another account");
		return AUTH_WRONG;
	}
	return ask_with(c, mech->name, who->password);
}

void checker_check(struct checker *c, const struct auth_request *request,
		   struct auth_answer *answer)
{
	const struct auth_mech *mech = auth_mech_find(request->mechanism);
	struct credentials who;
	const char *reason = "a mechanism that is not allowed";

	buf_clear(&c->account);
	c->detail[0] = '\0';
	if (mech && settings_allow(&c->settings, mech->name) &&
	    credentials_read(mech, request, &who, &reason) == 0) {
		answer->verdict = check(c, mech, &who);
	} else {
		checker_say(c, "%s", reason);
		answer->verdict = AUTH_MALFORMED;
	}
	answer->account = buf_span(&c->account);
	answer->detail = span_text(c->detail);
}
