/* mail/notice.h: what a notice says to a person: the text/plain part of mail/dsn.h.
 *
 * Shape    mail_notice_text() appends UTF-8 lines of about 72 columns with CRLF. The first paragraph
 *          says what happened, to whom, why and what to do: many programs show no more. Then come
 *          the smarthost's own words, and what to name when asking for help
 *
 * Recipients next to each other whose fate is the same are told of together.
 */
#pragma once

#include "mail/dsn.h"

void mail_notice_text(const struct mail_dsn *dsn, struct buf *out);
/* What the notice as a whole is about: the gravest of its recipients' actions. */
enum mail_dsn_action mail_notice_kind(const struct mail_dsn *dsn);
/* The word of the smarthost in one line: "550 5.1.1 No such user", cleaned and cut; nothing when it
 * said nothing. */
void mail_notice_reply(const struct smtp_reply *reply, struct buf *out);
