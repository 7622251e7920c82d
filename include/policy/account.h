/* policy/account.h: which account a login name means.
 *
 * Shape    "alice", "alice@example.com" and "EXAMPLE\alice" become "alice" where the configuration
 *          lists the domain; any other name stays as it is
 * Errors   -EINVAL: empty, over 255 octets, a control, not UTF-8, or white space at an end
 */
#pragma once

#include "base/buf.h"

struct policy_account_conf {
	const char *const *domains;    /* "example.com" ...; ASCII case is ignored */
	size_t domain_count;
	const char *const *nt_domains; /* "EXAMPLE" ... */
	size_t nt_domain_count;
	bool ignore_case; /* ASCII letters of the name are made lower case */
};

#define POLICY_ACCOUNT_MAX 255

int policy_account_name(const struct policy_account_conf *conf, struct span login, struct buf *out);
