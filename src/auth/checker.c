#include "checker.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const struct checker_backend *const backends[] = {
	[AUTH_BACKEND_USERS] = &checker_users,
	[AUTH_BACKEND_SASLAUTHD] = &checker_saslauthd,
	[AUTH_BACKEND_SASLDB] = &checker_sasldb,
};

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

/* No more code of Cyrus's than the configured mechanisms need. */
static void choose_plugins(struct checker *c)
{
	const struct settings *s = &c->settings;
	size_t n = 0;

	c->plugins[n++] = "libplain.so";
	c->plugins[n++] = "liblogin.so";
	if (c->backend->plugin)
		c->plugins[n++] = c->backend->plugin;
	if (settings_allow(s, "CRAM-MD5") && s->backend == AUTH_BACKEND_SASLDB)
		c->plugins[n++] = "libcrammd5.so";
	if (settings_allow(s, "GSSAPI"))
		c->plugins[n++] = "libgssapiv2.so";
	c->plugins[n] = NULL;
}

/* Kerberos takes these from the environment. A replayed ticket comes to nothing without the key that
 * is inside (the second half of GSSAPI proves that the client has it), so no file of those seen is
 * kept, which would have to be writable. */
static void set_kerberos(const struct checker *c)
{
	if (c->settings.keytab[0])
		setenv("KRB5_KTNAME", c->settings.keytab, 1);
	setenv("KRB5RCACHENAME", "none:", 1);
}

static bool is_same_account(void *checker, struct span requested, struct span identity)
{
	struct checker *c = checker;
	struct buf account = { 0 };
	bool yes = policy_account_name(&c->settings.account, identity, &account) == 0 &&
		   checker_may_act(c, requested, buf_span(&account));

	buf_fini(&account);
	return yes;
}

void checker_start(struct checker *c, const struct auth_hello *hello)
{
	*c = (struct checker){ .backend = backends[hello->backend] };
	settings_init(&c->settings, hello);
	c->cache = cache_new(c->settings.cache_seconds);
	conversations_init(&c->conversations);
	choose_plugins(c);
	set_kerberos(c);
	c->cyrus_conf = (struct cyrus_conf){
		.hostname = or_null(c->settings.hostname),
		.realm = hello->backend == AUTH_BACKEND_USERS ? NULL : or_null(c->settings.realm),
		.mechanisms = c->settings.mechanisms,
		.pwcheck_method = c->backend->pwcheck_method,
		.auxprop_plugin = c->backend->auxprop_plugin,
		.sasldb_path = or_null(c->settings.sasldb_file),
		.plugins = c->plugins,
		.may_act_as = is_same_account,
		.check = c->backend->check,
		.user = c,
	};
	c->cyrus_started = cyrus_start(&c->cyrus, &c->cyrus_conf);
}

void checker_stop(struct checker *c)
{
	conversations_fini(&c->conversations);
	cyrus_stop(&c->cyrus);
	auth_users_free(&c->users);
	cache_free(&c->cache);
	buf_fini(&c->account);
	buf_fini(&c->file_state);
	buf_wipe(&c->challenge);
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
	int64_t now_ms = checker_now_ms();
	int64_t a = cache_expire(c->cache, now_ms);
	int64_t b = conversations_expire(&c->conversations, now_ms);

	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
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

const char *checker_mech_flaw(const struct checker *c, const struct auth_mech *mech)
{
	if (mech == NULL || !settings_allow(&c->settings, mech->name))
		return "a mechanism that is not allowed";
	return auth_mech_flaw(span_text(mech->name), c->settings.backend);
}

bool checker_has_cyrus(struct checker *c)
{
	if (c->cyrus_started == SASL_OK)
		return true;
	checker_say(c, "Cyrus SASL did not start: %s",
		    sasl_errstring(c->cyrus_started, NULL, NULL));
	return false;
}

static bool is_ready(struct checker *c, int (*ready)(struct checker *, struct fault *))
{
	struct fault fault = { 0 };

	if (!checker_has_cyrus(c))
		return false;
	if (ready(c, &fault) == 0)
		return true;
	checker_say(c, "%s", fault.text);
	return false;
}

bool checker_can_ask(struct checker *c)
{
	return is_ready(c, c->backend->ready);
}

enum auth_verdict checker_no_plugin(struct checker *c, const char *mechanism)
{
	checker_say(c,
		    "Cyrus SASL has no plug-in for %s; Debian's are in libsasl2-modules, that for "
		    "sasldb in libsasl2-modules-db, that for GSSAPI in libsasl2-modules-gssapi-mit "
		    "(%s)",
		    mechanism, cyrus_words(&c->cyrus));
	return AUTH_UNAVAILABLE;
}

bool checker_account(struct checker *c, struct span name, struct buf *out)
{
	buf_clear(out);
	if (policy_account_name(&c->settings.account, name, out) == 0)
		return true;
	checker_say(c,
		    "the name is empty, too long, not UTF-8, or has a control character or white "
		    "space at an end");
	return false;
}

bool checker_may_act(struct checker *c, struct span authzid, struct span account)
{
	struct buf as = { 0 };
	bool yes =
		authzid.len == 0 || (policy_account_name(&c->settings.account, authzid, &as) == 0 &&
				     span_eq(buf_span(&as), account));

	buf_fini(&as);
	if (!yes)
		checker_say(c, "asked to act as another account");
	return yes;
}

static enum auth_verdict check_whole(struct checker *c, const struct auth_request *request)
{
	const struct auth_mech *mech = auth_mech_find(request->mechanism);
	const char *flaw = checker_mech_flaw(c, mech);

	if (flaw == NULL && mech->kind != AUTH_MECH_WHOLE)
		flaw = "a mechanism that needs a conversation";
	if (flaw) {
		checker_say(c, "%s", flaw);
		return AUTH_MALFORMED;
	}
	return mech->needs_certificate ? checker_external(c, request)
				       : checker_password(c, mech, request);
}

static enum auth_verdict check(struct checker *c, const struct auth_request *request)
{
	if (request->conversation)
		return conversation_hear(c, request);
	/* Responses to no mechanism are no question about the back end. */
	if (request->mechanism.len || request->response_count)
		return check_whole(c, request);
	/* Where only app passwords are good, who can log in at all does so without it. */
	if (c->settings.app_passwords == AUTH_APP_PASSWORDS_REQUIRED &&
	    c->backend != &checker_users)
		return AUTH_OK;
	return is_ready(c, c->backend->probe ? c->backend->probe : c->backend->ready)
		       ? AUTH_OK
		       : AUTH_UNAVAILABLE;
}

void checker_check(struct checker *c, const struct auth_request *request,
		   struct auth_answer *answer)
{
	buf_clear(&c->account);
	buf_wipe(&c->challenge);
	memset(c->credential, 0, sizeof(c->credential));
	c->good_until_s = 0;
	buf_clear(&c->file_state);
	c->detail[0] = '\0';
	c->is_file_asked = false;
	*answer = (struct auth_answer){ .verdict = check(c, request) };
	answer->account = buf_span(&c->account);
	answer->detail = span_text(c->detail);
	if (answer->verdict == AUTH_CONTINUE)
		answer->challenge = buf_span(&c->challenge);
	if (answer->verdict != AUTH_OK)
		return;
	answer->credential = span_text(c->credential);
	answer->good_until_s = c->good_until_s;
	answer->file_state = buf_span(&c->file_state);
}
