/* queue/handoff.h: one message on its way in: through to the smarthost while the client waits, or to
 * the spool, or to the spool once the smarthost does not take it in time.
 *
 * Shape    handoff_new -> handoff_recipient... -> recipient() for each -> handoff_begin ->
 *          handoff_put(content)... -> handoff_finish -> done()
 * Thread   the queue's loop; no callback runs inside a call of this header
 * Owns     all that it is told, and the content; after done() with STORED the queue does
 * Units    patience in ms, each wait anew
 * Errors   whatever goes wrong with the smarthost is no error but ends in the spool; what goes wrong
 *          with the spool is FAILED
 *
 * Hybrid: the first recipient takes a connection, if one is idle or may be opened, and each
 * recipient is asked of the smarthost at once. Its 2xx and 5xx are the client's; on 4xx, a lost
 * connection, no connection, or when patience ends, the answer is our own yes. A connection is not
 * held for a client that lets it wait (a slow upload): it is given back, and the transaction begins
 * anew after the last octet of content, so that nothing is ever half-sent and a hotel's line holds
 * no connection; neither does one account by many clients that each wait a little, for few of its
 * hand-offs ask at once. Small contents wait in memory under the queue's budget, larger ones in
 * the spool, unsynced. After handoff_finish() the content goes out and the reply to it is awaited
 * for as long as patience lasts; then the message is committed and done() says STORED, while the
 * running attempt goes on as the queue's, so that no second one is made beside it. Recipients may
 * end differently: when somebody is left whom the smarthost did not take and did not refuse before
 * the content, the message is committed for these, and whom it refused after the content gets the
 * sender a notice, unless it refused all with nobody taken: then the refusal is the answer.
 *
 * A smarthost that was waited for in vain is tried once more with the content, for a moment unless it
 * shows that it is there. Those of whom a smarthost has said "later" are for the queue at once when
 * nobody else is left. Whom the content reached is told of in the log here, unless the queue has him.
 *
 * Whom a smarthost did not take into the same transaction as the others (its RCPTMAX) gets our own yes and
 * is for the queue at once; the client does not wait for a second transaction.
 *
 * Not hybrid: nobody is asked; recipients get our own yes, and handoff_finish() commits.
 */
#pragma once

#include "queue/queue.h"

struct handoff;

enum handoff_outcome {
	HANDOFF_PASSED,	 /* the smarthost took it for everyone; reply is its word */
	HANDOFF_STORED,	 /* it is in the spool and in the queue; as safe as PASSED */
	HANDOFF_REFUSED, /* the smarthost refused it for everyone: reply, with a code of class 5 */
	HANDOFF_FAILED, /* the spool could not take it: status and fault; the client may try again */
};

struct handoff_end {
	enum handoff_outcome outcome;
	const struct smtp_reply *reply; /* lives for the length of the call; its text is one line */
	const char *host;		/* of the smarthost that said it; NULL: nobody */
	int status;
	const struct fault *fault;
};

struct handoff_conf {
	struct queue *queue;
	bool is_hybrid;
	int64_t patience_ms;
	uint64_t sid;
	const char *account; /* copied, as are the spans */
	struct span sender;
	enum smtp_ret ret;
	struct span envid;
	uint64_t size_told;	   /* SIZE; 0: not said */
	bool is_utf8, require_tls; /* SMTPUTF8, REQUIRETLS were said */
	bool is_binary;		   /* and BODY=BINARYMIME: a smarthost is asked as for that */
	int64_t release_ms; /* FUTURERELEASE, by the wall clock; 0: at once. With it nobody is asked:
			       the message is stored, and its age counts from then */
	/* The answer to recipient i; reply NULL: our own yes. One of class 5 means that the
	 * recipient is no part of the message. host: who refused; NULL with a yes. */
	void (*recipient)(void *user, size_t index, const struct smtp_reply *reply,
			  const char *host);
	/* handoff_put() said false before: there is room again. */
	void (*room)(void *user);
	/* Once, after handoff_finish(). The handoff is gone. */
	void (*done)(void *user, const struct handoff_end *end);
	void *user;
};

struct handoff *handoff_new(const struct handoff_conf *conf);
uint64_t handoff_qid(const struct handoff *h);
/* Several may wait for their answers at once. params may be NULL. */
void handoff_recipient(struct handoff *h, struct span mailbox,
		       const struct smtp_rcpt_params *params);
/* DATA: every recipient has its answer, and one at least was not refused. */
void handoff_begin(struct handoff *h);
/* Takes all of it; false: read no more from the client until room(); what was read already may still come. */
bool handoff_put(struct handoff *h, struct span content);
void handoff_finish(struct handoff *h, int64_t arrived_ms, uint64_t header_octets, unsigned form);
/* Nobody waits any more: no callback comes. Before handoff_finish() nothing is sent or kept; after it
 * the message goes its way, and unless the smarthost refuses it for everyone it is delivered or
 * stored. */
void handoff_drop(struct handoff **h);
