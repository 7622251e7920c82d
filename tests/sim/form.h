/* form.h: what a letter's content is, what a smarthost was promised, and whether what came is the same.
 *
 * What a smarthost can take comes octet for octet. What it cannot take comes in another encoding: then the
 * fields that are nobody's business to change are there, and the body is the same once decoded.
 */
#pragma once

#include "ledger.h"
#include "smtp/content.h"

/* Of one transaction: what the smarthost offers, and what MAIL said. */
struct terms {
	bool offers_8bit, offers_utf8, offers_binary;
	bool says_8bit, says_binary, says_utf8, says_require_tls;
};

/* A content for that letter, and its form. */
void form_draw(struct letter *l, size_t octets);
void form_check_notice(struct span content, const struct terms *terms);
void form_check(const struct letter *l, struct span content, const struct terms *terms);
