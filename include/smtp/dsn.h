/* smtp/dsn.h: the parameters by which a sender says what it wants to hear of a message's fate.
 *
 * Shape    plain values; spans stand as the peer sent them (xtext), at most of the lengths below
 * Source   RFC 3461 4.1 (NOTIFY), 4.2 (ORCPT), 4.3 (RET), 4.4 (ENVID)
 */
#pragma once

#include "base/span.h"

enum { SMTP_ENVID_MOST = 100, SMTP_ORCPT_MOST = 500 };

enum smtp_ret { SMTP_RET_NONE, SMTP_RET_FULL, SMTP_RET_HDRS };

/* Flags. None: not given, which means failures, and delays as we like. NEVER stands alone. */
enum smtp_notify {
	SMTP_NOTIFY_NEVER = 1,
	SMTP_NOTIFY_SUCCESS = 2,
	SMTP_NOTIFY_FAILURE = 4,
	SMTP_NOTIFY_DELAY = 8,
};

struct smtp_rcpt_params {
	unsigned notify;
	struct span orcpt; /* "rfc822;user@example.com", the address as xtext; empty: not given */
};
