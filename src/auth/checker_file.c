#include "checker.h"

#include <errno.h>

/* A file with a flaw does not lock everybody out while an older table is at hand; one that cannot
 * be read does: who was removed from it must not stay in. */
static int read_file(struct checker *c, struct fault *fault)
{
	struct fault flaw = { 0 };
	int r;

	if (c->users == NULL) {
		c->users = auth_users_load(c->settings.users_file, fault);
		return c->users ? 0 : fault->code;
	}
	r = auth_users_refresh(c->users, &flaw);
	if (r == 0)
		return 0;
	if (r == -EINVAL) {
		checker_say(c, "the users file has a flaw, the one before is in use (%s); ",
			    flaw.text);
		return 0;
	}
	return fault_set(fault, r, "%s", flaw.text);
}

int checker_file_ready(struct checker *c, struct fault *fault)
{
	if (!c->is_file_asked) {
		c->is_file_asked = true;
		c->file = (struct fault){ 0 };
		read_file(c, &c->file);
	}
	return c->file.code ? fault_set(fault, c->file.code, "%s", c->file.text) : 0;
}

bool checker_is_user(const struct checker *c, struct span account)
{
	return auth_users_hash(c->users, account) != NULL ||
	       auth_users_app_password(c->users, account, 0) != NULL;
}

enum auth_verdict checker_admit(struct checker *c, struct span account)
{
	struct fault fault = { 0 };

	if (c->backend != &checker_users)
		return AUTH_OK;
	if (checker_file_ready(c, &fault) < 0) {
		checker_say(c, "%s", fault.text);
		return AUTH_UNAVAILABLE;
	}
	if (checker_is_user(c, account))
		return AUTH_OK;
	checker_say(c, "no such user in %s", c->settings.users_file);
	return AUTH_WRONG;
}
