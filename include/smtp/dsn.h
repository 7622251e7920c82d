/* smtp/dsn.h: the parameters by which a sender says what it wants to hear of a message's fate.
 *
 * Shape    plain values; spans stand as the peer sent them (xtext), at most of the lengths below
 * Source   RFC 3461 4.1 (NOTIFY), 4.2 (ORCPT), 4.3 (RET), 4.4 (ENVID)
 */
#pragma once

#include "base/buf.h"

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

/* The value of ENVID=, of ORCPT= as it may stand in a command: within its length, xtext whose
 * decoded form is printable ASCII; ORCPT with "addr-type;" before it. Empty ones are not valid. */
bool smtp_envid_is_valid(struct span value);
bool smtp_orcpt_is_valid(struct span value);

/* The value of NOTIFY=: "NEVER", or any of SUCCESS, FAILURE and DELAY, each once. -EINVAL. */
int smtp_notify_parse(struct span value, unsigned *out);
/* "SUCCESS,FAILURE": what smtp_notify_parse() takes; notify is not 0. */
void smtp_notify_format(unsigned notify, struct buf *out);
