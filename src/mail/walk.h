/* mail/walk.h: the parts of a message, as they pass.
 *
 * Shape    mail_walk_feed(content)... -> mail_walk_end(); what is found comes by calls, in order, and
 *          all that they are given makes up the content again, octet for octet
 * Thread   one at a time; pure
 * Owns     what is not decided yet: a header field, or a line that may be a delimiter
 * Source   RFC 5322 2.2 (fields), RFC 2046 5.1 (multipart), 5.2.1 (message/rfc822)
 *
 * Every entity is a part with a number: the message is 0, the parts of a multipart and the message
 * within a message/rfc822 follow in the order in which they begin. Only CRLF ends a line.
 *
 * A delimiter is a whole line: "--", the boundary of an open multipart, "--" where it closes it, white
 * space. The CRLF in front of it is its own. The innermost multipart that has such a boundary is meant;
 * those within it end, closed or not. Delimiters end header sections too.
 *
 * A header section ends at its blank line. A line in it that is no field and continues none is handed on
 * as such, since readers differ: to some the body begins there. Where it is the first line there is no
 * header section, as all of them see it; but an mbox "From " line may begin a message within another.
 *
 * Opaque parts: what lies in them is handed on as their body.
 */
#pragma once

#include "mail/convert.h"
#include "mime.h"

enum { MAIL_FIELD_MOST = 64 * 1024 };

enum mail_opacity {
	MAIL_OPAQUE_NOT,
	MAIL_OPAQUE_SIGNED,
	MAIL_OPAQUE_PARTIAL,
	MAIL_OPAQUE_BOUNDARY, /* a multipart without a boundary that can be used */
	MAIL_OPAQUE_ENCODED, /* a multipart that says that it is encoded as a whole (RFC 2045 6.4) */
	MAIL_OPAQUE_DEEP,    /* it nests parts deeper than MAIL_NESTING_MOST */
	MAIL_OPAQUE_MANY,    /* all that comes behind MAIL_PARTS_MOST parts */
};

/* What the header section of a part said. */
struct mail_head {
	enum mail_kind kind;
	enum mail_encoding encoding;
	enum mail_opacity opacity;
	bool has_mime_version, has_type, has_encoding;
};

enum mail_piece {
	MAIL_PIECE_WHOLE,
	MAIL_PIECE_FIRST, /* of a field of more than MAIL_FIELD_MOST octets */
	MAIL_PIECE_NEXT,
	MAIL_PIECE_JUNK, /* no field */
};

struct mail_walk_calls {
	/* A part begins, a child of `parent`, which is smaller than its number (0 for the first). */
	void (*begin)(void *user, unsigned part, unsigned parent);
	/* A field with its line ends; name is empty but for WHOLE and FIRST. */
	void (*field)(void *user, enum mail_piece piece, struct span name, struct span field);
	/* Its header section ends, with this blank line; empty where there is none. */
	void (*head)(void *user, const struct mail_head *head, struct span blank);
	/* Octets of the body of `part`, of a multipart those before and behind its parts. */
	void (*body)(void *user, unsigned part, struct span octets);
	/* `part` ends here, as do those within it; NULL is no delimiter: at the content's end. */
	void (*end)(void *user, unsigned part);
	void (*delimiter)(void *user, struct span line);
};

struct mail_walk;

struct mail_walk *mail_walk_new(const struct mail_walk_calls *calls, void *user);
void mail_walk_free(struct mail_walk **walk);
void mail_walk_feed(struct mail_walk *walk, struct span content);
void mail_walk_end(struct mail_walk *walk);
