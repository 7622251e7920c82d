/* submit/words.h: what a client hears of a smarthost's answers, and of a port that is not for it.
 *
 * Shape    pure; the reply's text lives in `text`
 */
#pragma once

#include "queue/handoff.h"

/* RCPT: the smarthost's own yes or no; reply NULL: our yes. */
struct smtp_reply words_for_recipient(const struct smtp_reply *reply);
/* The end: its refusal word for word, or where the message is now. */
struct smtp_reply words_for_end(const struct handoff_end *end, const char *qid, struct buf *text);
/* A login that was right, but not on this listener. tls_port: of struct submit_listen. `text` is empty. */
struct smtp_reply words_for_other_users(unsigned tls_port, struct buf *text);
