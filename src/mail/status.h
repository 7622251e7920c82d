/* mail/status.h: what a notice says to a program: its delivery-status part.
 *
 * Shape    mail_status_put() appends the fields of message/delivery-status, in ASCII, or of
 *          message/global-delivery-status with `may_be_utf8`, for a path that takes UTF-8
 * Source   RFC 3464 2.2, 2.3; RFC 3461 6.3; RFC 6533 3, 4
 */
#pragma once

#include "mail/dsn.h"

void mail_status_put(const struct mail_dsn *dsn, bool may_be_utf8, struct buf *out);
