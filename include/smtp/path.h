/* smtp/path.h: the paths of MAIL and RCPT, and the parameters behind them.
 *
 * Shape    spans into the argument; nothing is changed, unquoted or lower-cased
 * Errors   -EINVAL with a reply that says what is wrong
 * Source   RFC 5321 4.1.2 (Path, Mailbox), 4.5.3.1 (sizes); leniency: white space before the path,
 *          and an address without angle brackets, as real clients send them
 */
#pragma once

#include "base/span.h"
#include "smtp/reply.h"

struct smtp_path {
	struct span mailbox; /* local-part@domain, without the angle brackets; empty: "<>" */
	struct span local;   /* as written, quotes included */
	struct span domain;  /* as written, an address literal with its brackets; may be empty only
				for <postmaster> */
	bool has_source_route;
	bool is_utf8; /* holds octets above 127 (well-formed) */
};

enum smtp_path_kind { SMTP_PATH_REVERSE, SMTP_PATH_FORWARD };

/* Takes a path from the front of *in and leaves the parameters (with the space before them).
 * "<>" only for SMTP_PATH_REVERSE. Caps: local part 64, domain 255, path 256 octets. */
int smtp_path_parse(struct span *in, enum smtp_path_kind kind, struct smtp_path *out,
		    struct smtp_reply *why);

/* One ESMTP parameter: keyword (value->at is NULL) or keyword=value (which may be empty), from the front
 * of *in. 1: found; 0: no more; -EINVAL: not a parameter. */
int smtp_param_next(struct span *in, struct span *keyword, struct span *value);

/* xtext (RFC 3461 4), decoded behind *out. -EINVAL when malformed or when it holds a control. */
int smtp_xtext_decode(struct span in, struct buf *out);
void smtp_xtext_encode(struct span in, struct buf *out);
