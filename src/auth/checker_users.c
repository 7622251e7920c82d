#include "checker.h"

#include "password.h"

static int check(void *checker, const char *account, struct span password)
{
	struct checker *c = checker;
	struct span name = span_text(account);
	const char *hash = auth_users_hash(c->users, name);
	struct span basis = span_text(hash ? hash : "");
	int64_t now_ms = checker_now_ms();
	int fits;

	if (cache_has(c->cache, name, basis, password, now_ms))
		return SASL_OK;
	fits = password_check(hash, password);
	if (fits < 0)
		return SASL_UNAVAIL;
	if (fits == 0)
		return hash ? SASL_BADAUTH : SASL_NOUSER;
	cache_keep(c->cache, name, basis, password, now_ms);
	return SASL_OK;
}

static enum auth_verdict judge(struct checker *c, int code)
{
	if (code == SASL_NOUSER)
		checker_say(c, "no such user in %s", c->settings.users_file);
	else if (checker_is_refusal(code))
		checker_say(c, "wrong password");
	else if (code == SASL_UNAVAIL)
		checker_say(
			c,
			"crypt(3) could not check the password against %s: no memory (a hash may "
			"take 16 MiB), or the user's hash is damaged",
			c->settings.users_file);
	else
		checker_say(c, "Cyrus SASL: %s (%s)", sasl_errstring(code, NULL, NULL),
			    cyrus_words(&c->cyrus));
	return checker_is_refusal(code) ? AUTH_WRONG : AUTH_UNAVAILABLE;
}

const struct checker_backend checker_users = {
	/* No method of Cyrus's has this name: after our check said no, none is to be asked. */
	.pwcheck_method = "none",    .auxprop_plugin = "none", .check = check,
	.ready = checker_file_ready, .judge = judge,
};
