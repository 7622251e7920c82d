/* policy/account.h: which account a login name means.
 *
 * Shape    "alice", "alice@example.com" and "EXAMPLE\alice" become "alice" where the configuration
 *          lists the domain; any other name stays as it is. What stands before the first backslash
 *          is an NT domain, what stands behind the last "@" a domain; both may be there
 * Errors   -EINVAL: empty, over 255 octets, a control (C0, DEL, C1), not UTF-8, or white space at
 *          an end, before or after a domain is taken away; nothing is appended then
 */
#pragma once

#include "base/buf.h"

struct policy_account_conf {
	const char *const *domains;    /* "example.com" ...; ASCII case is ignored */
	size_t domain_count;
	const char *const *nt_domains; /* "EXAMPLE" ...; likewise */
	size_t nt_domain_count;
	bool ignore_case; /* ASCII letters of the name are made lower case */
};

#define POLICY_ACCOUNT_MAX 255

/* Appends the account's name to *out. */
int policy_account_name(const struct policy_account_conf *conf, struct span login, struct buf *out);
