#include "privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

bool privileges_are_root(void)
{
	return geteuid() == 0;
}

bool privileges_may_change(const char *user)
{
	return user[0] && strcmp(user, "root") != 0 && privileges_are_root();
}

static const struct passwd *look_up(const char *user, struct fault *fault)
{
	const struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (pw == NULL)
		fault_set(fault, -ENOENT,
			  "there is no user \"%s\" on this machine: make it (systemd-sysusers, or "
			  "adduser --system --group %s) or name another in the configuration",
			  user, user);
	return pw;
}

int privileges_check(const char *user, struct fault *fault)
{
	if (!privileges_may_change(user))
		return 0;
	return look_up(user, fault) ? 0 : -ENOENT;
}

int privileges_drop(const char *user, struct fault *fault)
{
	const struct passwd *pw;

	if (!privileges_may_change(user))
		return 0;
	pw = look_up(user, fault);
	if (pw == NULL)
		return -ENOENT;
	if (initgroups(user, pw->pw_gid) || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid))
		return fault_set(fault, -errno, "cannot become user \"%s\": %s", user,
				 strerror(errno));
	if (setuid(0) == 0)
		return fault_set(fault, -EPERM, "became user \"%s\" but could become root again",
				 user);
	return 0;
}

void privileges_forbid_dumps(void)
{
	const struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
}
