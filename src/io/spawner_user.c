#include "spawner.h"

#include "base/mem.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

static void find_groups(const char *name, struct spawner_user *out)
{
	int count = 32;

	out->groups = mem_array((size_t)count, sizeof(gid_t));
	while (getgrouplist(name, out->gid, out->groups, &count) < 0)
		out->groups = mem_resize(out->groups, (size_t)count * sizeof(gid_t));
	out->group_count = count;
}

int spawner_user_find(const char *name, struct spawner_user *out, struct fault *fault)
{
	const struct passwd *entry;

	*out = (struct spawner_user){ 0 };
	if (name == NULL)
		return 0;
	errno = 0;
	entry = getpwnam(name);
	if (entry == NULL)
		return fault_set(fault, errno ? -errno : -ENOENT,
				 "there is no user %s to run login workers as; "
				 "`adduser --system --group %s` makes one",
				 name, name);
	out->uid = entry->pw_uid;
	out->gid = entry->pw_gid;
	if (out->uid == geteuid())
		return 0;
	if (geteuid() != 0)
		return fault_set(fault, -EPERM,
				 "login workers cannot run as %s: that takes a start as root",
				 name);
	out->is_change = true;
	find_groups(name, out);
	return 0;
}

int spawner_user_become(const struct spawner_user *user)
{
	if (!user->is_change)
		return 0;
	if (setgroups((size_t)user->group_count, user->groups) != 0 ||
	    setresgid(user->gid, user->gid, user->gid) != 0 ||
	    setresuid(user->uid, user->uid, user->uid) != 0)
		return -errno;
	return user->uid != 0 && setuid(0) == 0 ? -EPERM : 0;
}
