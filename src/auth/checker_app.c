#include "checker.h"

#include <errno.h>
#include <time.h>

/* Without the spaces and dashes between its groups. */
enum { APP_PASSWORD_CHARACTERS = 20 };

bool checker_is_expired(const struct auth_app_password *app)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return app->expires_s != 0 && app->expires_s <= now.tv_sec;
}

enum auth_verdict checker_say_expired(struct checker *c, const char *id)
{
	checker_say(c, "app password %s is past its end", id);
	return AUTH_EXPIRED;
}

/* Back ends other than checker_users need no users file. */
static enum auth_verdict without_file(struct checker *c, int code)
{
	return code == -ENOENT && c->backend != &checker_users ? AUTH_WRONG : AUTH_UNAVAILABLE;
}

/* It is random enough to be remembered by the process that faces the network, in a form that tells
 * nothing of it. */
static void let_remember(struct checker *c, const struct auth_app_password *app)
{
	struct timespec now;
	int64_t until_s;

	if (c->settings.cache_seconds == 0 || !auth_users_state(c->users, &c->file_state))
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	until_s = now.tv_sec + (int64_t)c->settings.cache_seconds;
	if (app->expires_s != 0 && app->expires_s < until_s)
		until_s = app->expires_s;
	c->good_until_s = (uint64_t)until_s;
}

enum auth_verdict checker_app_check(struct checker *c, struct span password)
{
	const struct auth_app_password *app;
	struct fault fault = { 0 };

	if (c->settings.app_passwords == AUTH_APP_PASSWORDS_NONE ||
	    c->settings.users_file[0] == '\0')
		return AUTH_WRONG;
	if (checker_file_ready(c, &fault) < 0)
		return without_file(c, fault.code);
	app = auth_users_app_password_fits(c->users, buf_span(&c->account), password);
	if (app == NULL)
		return AUTH_WRONG;
	if (checker_is_expired(app))
		return checker_say_expired(c, app->id);
	memcpy(c->credential, app->id, strnlen(app->id, sizeof(c->credential) - 1));
	let_remember(c, app);
	return AUTH_OK;
}

bool checker_app_looks_like(struct span password)
{
	size_t n = 0;

	for (size_t i = 0; i < password.len; i++) {
		unsigned char at = ascii_lower(password.at[i]);

		if (at == ' ' || at == '-')
			continue;
		if (!(at >= 'a' && at <= 'z') && !(at >= '2' && at <= '9'))
			return false;
		n++;
	}
	return n == APP_PASSWORD_CHARACTERS;
}
