/* queue/notice.h: a notice about a message: a message of ours to its sender.
 *
 * Shape    notice_start -> content is read, the notice is made and committed -> done()
 * Thread   the queue's loop
 * Errors   done(status): the spool did not take it; nothing was sent. A content that cannot be read
 *          makes a notice without it
 * Source   RFC 3461 (who wants which notice), 3464
 *
 * It is committed before its original is settled or noted: a crash between the two costs a second
 * notice, never the only one.
 */
#pragma once

#include "inside.h"

#include "mail/dsn.h"

struct notice_conf {
	struct queued *queued; /* stays until done() */
	enum mail_dsn_action action;
	const bool *places; /* whom it speaks of: as many as the envelope's recipients */
	char *const *hosts; /* who spoke last, by recipient: host names, or NULL */
	bool is_expired, is_by_hand;
	/* status 0: notice is the id of it, now in the queue. Never inside notice_start(). */
	void (*done)(struct queued *q, int status, const struct fault *fault, uint64_t notice);
};

void notice_start(const struct notice_conf *conf);
/* False: the sender is null, or NOTIFY says that nobody wants to hear that. */
bool notice_is_wanted(const struct envelope *e, size_t place, enum mail_dsn_action action);
