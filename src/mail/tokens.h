/* mail/tokens.h: fields of comments, quoted strings, tokens and addresses, written anew.
 *
 * Source   RFC 5322 3.2 (tokens), 3.4 (addresses); RFC 6531, 6532
 */
#pragma once

#include "words.h"

/* value: unfolded. */
void mail_tokens_put(struct mail_words *w, struct span value);
/* False: see mail_field_write(). */
bool mail_addresses_put(struct mail_words *w, struct span value);
/* Without its quotes and backslashes; octets without either stay. */
void mail_unquote(struct span in, struct buf *out);
