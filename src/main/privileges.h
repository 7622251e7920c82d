/* main/privileges.h: which user the daemon and its helpers run as.
 *
 * Errors   a fault that names the user and what to do
 */
#pragma once

#include "base/fault.h"

#include <stdbool.h>

/* "" and "root" mean no change. -ENOENT: there is no such user. */
int privileges_check(const char *user, struct fault *fault);
/* For good: groups, group and user; makes sure that there is no way back. Nothing happens when not
 * root. Capabilities go with the user id. */
int privileges_drop(const char *user, struct fault *fault);
/* No core file and no ptrace: memory holds passwords and mail. */
void privileges_forbid_dumps(void);
bool privileges_are_root(void);
/* Whether privileges_drop() would do anything. */
bool privileges_may_change(const char *user);
