/* mail/field.h: a header field made fit for a path that takes less.
 *
 * Shape    mail_field_class(name) once for each field; mail_field_write() for each of its pieces
 * Source   RFC 2047 5. (unstructured text, phrases, comments), RFC 2231 3, 4 (parameters), RFC 5322
 *          2.1.1 (lines), RFC 6857 3.1.8 (an address that cannot be written becomes an empty group)
 *
 * Addresses keep their addr-specs, whose domains become A-labels. One whose local part is beyond ASCII
 * cannot be written: the whole mailbox becomes the name of an empty group, and the caller is told. In
 * fields of any other grammar a word beyond ASCII becomes an encoded word where it stands. What stands
 * in a line with nothing to fold it at is cut, as the last resort.
 */
#pragma once

#include "walk.h"
#include "words.h"

enum mail_field_class {
	MAIL_FIELD_TEXT,
	MAIL_FIELD_TOKENS, /* comments, quotes, tokens */
	MAIL_FIELD_ADDRESSES,
	MAIL_FIELD_PARAMETERS,
	MAIL_FIELD_JUNK, /* no field: '?' for each octet that cannot stay */
};

enum mail_field_class mail_field_class(struct span name);
/* field: as mail/walk.h hands it on, name included. False: it has an address that cannot be written. */
bool mail_field_write(enum mail_field_class kind, enum mail_piece piece, struct span field,
		      bool is_ascii, struct buf *out);
