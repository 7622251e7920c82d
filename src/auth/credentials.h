/* auth/credentials.h (private): what a client's responses say, before Cyrus sees any of it.
 *
 * Owns     nothing: spans into the responses
 * Errors   -EINVAL and a reason for the log
 * Source   RFC 4616; draft-murchison-sasl-login
 */
#pragma once

#include "auth/frame.h"
#include "auth/mech.h"

struct credentials {
	struct span authzid; /* as whom to act; empty: as authcid */
	struct span authcid; /* who logs in */
	struct span password;
};

int credentials_read(const struct auth_mech *mech, const struct auth_request *request,
		     struct credentials *out, const char **reason_out);
