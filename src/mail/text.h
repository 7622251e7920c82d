/* mail/text.h: text of others made fit for a header field or a notice.
 *
 * Shape    each appends to a buf
 */
#pragma once

#include "base/buf.h"

/* The octets of the UTF-8 character that s begins with; 0 when it is none, or s is empty. */
size_t mail_text_char(struct span s);
/* At most the first `most` octets (4 at least), cut where a character begins. */
struct span mail_text_first(struct span s, size_t most);
/* Well-formed UTF-8 in one line: controls (C0, DEL, C1) become spaces, runs of spaces one, none at
 * either end; octets that are not UTF-8 become '?'. Cut at a character before `most` octets. */
void mail_text_clean(struct span in, size_t most, struct buf *out);
/* Whether mail_text_clean() would leave it as it is: for ASCII; other text may be said to be unclean. */
bool mail_text_is_clean(struct span in, size_t most);
/* As mail_text_clean(), and each character beyond ASCII becomes '?'. */
void mail_text_ascii(struct span in, size_t most, struct buf *out);
/* Each octet in its place, for what is compared to the octet: controls, octets that are not UTF-8 and,
 * for ASCII, each character beyond it become '?'. Cut at a character before `most` octets. */
void mail_text_exact(struct span in, size_t most, bool ascii_only, struct buf *out);
