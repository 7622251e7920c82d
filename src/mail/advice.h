/* mail/advice.h: what a refusal means in plain words, and what its sender can do.
 *
 * Source   RFC 3463 3., RFC 7372, RFC 7505, and what smarthosts mean by these codes
 */
#pragma once

#include "smtp/reply.h"

struct mail_advice {
	const char *why; /* one sentence */
	const char *what_to_do;
};

/* Of a reply of class 5. */
struct mail_advice mail_advice_for(const struct smtp_reply *reply, struct smtp_status status);
