/* mail/part.h: a MIME body part that any path carries.
 *
 * Shape    mail_part_put() appends header, blank line and content
 * Source   RFC 2045 6.7 (quoted-printable), 2.7 (what is 7bit), RFC 3462 3. (rfc822-headers may be
 *          quoted-printable)
 */
#pragma once

#include "base/buf.h"

/* Octets of 7bit data: ASCII without NUL and lone CR or LF, lines of at most 998 octets. */
bool mail_part_is_7bit(struct span content);
/* The same with UTF-8 in place of ASCII. */
bool mail_part_is_utf8(struct span content);
/* content: 7bit as it is, all else quoted-printable. charset: NULL for none; only told where
 * needed. */
void mail_part_put(const char *type, const char *charset, struct span content, struct buf *out);
/* content: 7bit, or UTF-8 where the path takes it; as it is. */
void mail_part_put_plain(const char *type, struct span content, struct buf *out);
