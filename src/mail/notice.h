/* mail/notice.h: what a notice says to a person: the text/plain part of mail/dsn.h.
 *
 * Shape    mail_notice_text() appends UTF-8 lines of about 72 columns with CRLF. The first paragraph
 *          alone says what happened, to whom, what the smarthost said and what to do: many programs
 *          show no more.
 */
#pragma once

#include "mail/dsn.h"

void mail_notice_text(const struct mail_dsn *dsn, struct buf *out);
/* The word of the smarthost: "550 5.1.1 No such user", cleaned and cut; nothing when it said
 * nothing. */
void mail_notice_reply(const struct smtp_reply *reply, bool ascii_only, struct buf *out);
