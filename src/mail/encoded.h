/* mail/encoded.h: words of any text within a header field.
 *
 * Shape    mail_encoded_put() adds `open`, the text and `close` to a field that is being folded: as it
 *          is where that is ASCII, as encoded words otherwise. Text that looks like an encoded word
 *          is encoded too, since readers would decode it
 * Source   RFC 2047 2., 5.
 */
#pragma once

#include "fold.h"

/* Of 75 (RFC 2047 2.), so that there is room in a folded line for what stands around a word. */
enum { MAIL_ENCODED_MOST = 66 };

enum mail_encoded_place {
	MAIL_ENCODED_TEXT,    /* an unstructured field */
	MAIL_ENCODED_COMMENT, /* between parentheses */
	MAIL_ENCODED_PHRASE,  /* a display name: between quotes where it is ASCII */
};

/* text: in one line, well-formed UTF-8, as mail_text_clean() leaves it. Nothing happens when it is
 * empty. */
void mail_encoded_put(struct mail_fold *f, enum mail_encoded_place place, struct span text);

/* Appends one encoded word of at most `most` octets, or with one character, and returns how many octets
 * of text it holds. Text that is not UTF-8 is taken octet by octet; charset then says so. */
size_t mail_encoded_word(const char *charset, struct span text, size_t most, struct buf *out);
