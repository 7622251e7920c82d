/* mail/encoded.h: words of any text within a header field.
 *
 * Shape    mail_encoded_put() adds `open`, the text and `close` to a field that is being folded: as it
 *          is where that is ASCII, as encoded words otherwise. Text that looks like an encoded word
 *          is encoded too, since readers would decode it
 * Source   RFC 2047 2., 5.
 */
#pragma once

#include "fold.h"

enum mail_encoded_place {
	MAIL_ENCODED_TEXT,    /* an unstructured field */
	MAIL_ENCODED_COMMENT, /* between parentheses */
	MAIL_ENCODED_PHRASE,  /* a display name: between quotes where it is ASCII */
};

/* text: in one line, well-formed UTF-8, as mail_text_clean() leaves it. Nothing happens when it is
 * empty. */
void mail_encoded_put(struct mail_fold *f, enum mail_encoded_place place, struct span text);
