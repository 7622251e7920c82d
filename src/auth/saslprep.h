/* auth/saslprep.h (private): the form of a password that SCRAM counts with, whatever keyboard it was
 * typed on.
 *
 * Source   RFC 5802 section 5.1 and RFC 4013, its mappings and its normalization. What it prohibits is
 *          not looked for: a client that does look never sends it.
 */
#pragma once

#include "base/buf.h"

/* Appends that form; of what is not UTF-8, or would come to nothing, the octets as they are. */
void saslprep(struct span password, struct buf *out);
