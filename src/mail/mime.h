/* mail/mime.h: what the header fields of an entity say of its body.
 *
 * Shape    each takes a field's value as it stands, folded or not; any octets
 * Source   RFC 2045 5.1 (Content-Type), 6.1 (Content-Transfer-Encoding); RFC 2046 5.1.1 (boundary);
 *          RFC 2231 3, 4 (parameters in pieces, with a character set)
 *
 * Comments and folding are skipped; what has no type and subtype is text/plain (RFC 2045 5.2). A value
 * without quotes ends at white space or ";", whatever else it holds: "boundary=----=_Part_1" is common.
 */
#pragma once

#include "base/buf.h"

/* RFC 2046 5.1.1 wants 70 at most. */
enum { MAIL_BOUNDARY_MOST = 256 };

enum mail_encoding {
	MAIL_ENCODING_NONE, /* not said, which means 7bit */
	MAIL_ENCODING_7BIT,
	MAIL_ENCODING_8BIT,
	MAIL_ENCODING_BINARY,
	MAIL_ENCODING_QUOTED,
	MAIL_ENCODING_BASE64,
	MAIL_ENCODING_OTHER, /* some word that is no encoding, or one of a sender's own */
};

enum mail_kind {
	MAIL_KIND_TEXT,
	MAIL_KIND_OTHER,
	MAIL_KIND_MULTIPART,
	MAIL_KIND_DIGEST,  /* multipart/digest: its parts are messages unless they say otherwise */
	MAIL_KIND_SIGNED,  /* multipart/signed */
	MAIL_KIND_MESSAGE, /* a message with a header section of its own */
	MAIL_KIND_PARTIAL, /* message/partial and message/external-body */
};

enum mail_encoding mail_mime_encoding(struct span value);
/* The boundary, of a multipart only, is put into *boundary; it stays empty where there is none that
 * can be used. */
enum mail_kind mail_mime_type(struct span value, struct buf *boundary);
