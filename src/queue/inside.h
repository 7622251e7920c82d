/* queue/inside.h: what the files of this room know of each other.
 *
 * queued   one message: what is known of it, and when it is due
 * try      one attempt of one message: the relay's job and the content on its way
 *
 * A message is settled or noted by a write of its own that outlives it in memory; `pending` counts
 * these, reads on the lane and intakes, so that the queue goes away only after all of them.
 */
#pragma once

#include "intake.h"
#include "queue/queue.h"

struct queued_try;

#define QUEUED_STATES(X)                                                                           \
	X(WAITING)   /* in queue->due */                                                           \
	X(READY)     /* in queue->ready */                                                         \
	X(ACTIVE)    /* the relay has it */                                                        \
	X(REPORTING) /* a notice is being made */

enum queued_state {
#define X(name) QUEUED_##name,
	QUEUED_STATES(X)
#undef X
};

struct queued {
	struct list_node all;	/* in queue->messages */
	struct list_node ready; /* in queue->ready */
	struct heap_node due;	/* in queue->due */
	struct queue *queue;
	enum queued_state state;
	struct envelope envelope;
	struct delivery delivery;
	int64_t born_ms;   /* on the loop's clock: a change of the wall clock expires nothing */
	struct buf memory; /* the content, where it is kept */
	int64_t reserved;  /* of the budget, for memory */
	bool is_kept;	   /* memory holds the content */
	bool *unreported;  /* recipients that failed since the last notice; NULL: none */
	char **hosts;	   /* who was asked in the last attempt, for the notice */
	bool has_expired;  /* those failed because the time ran out, all of them */
	int64_t pause_ms;  /* until the next attempt, once this one's outcome is written down */
	struct queued_try *attempt;
};

struct queue {
	struct queue_conf conf;
	char *hostname, *company;
	struct list messages, ready;
	struct heap due;
	struct timer timer;
	struct work turn;
	bool is_turn_posted;
	unsigned active;
	unsigned pending;
	uint64_t random;
	bool is_ending;
	void (*freed)(void *user);
	void *freed_user;
};

/* queue.c */
/* Looks soon, not now, at what is ready. */
void queue_wake(struct queue *queue);
/* A message that is committed; takes the envelope's strings and the content over. memory NULL: not
 * kept. */
void queue_add(struct queue *queue, struct envelope *envelope, struct buf *memory,
	       int64_t reserved);
/* The same for one whose first attempt is under way, or over, elsewhere: queued_hear() for each
 * verdict, now or as they come, then queued_end_attempt(), which takes the content over and may free
 * the message. */
struct queued *queue_add_active(struct queue *queue, struct envelope *envelope);
void queued_hear(struct queued *q, size_t place, const struct relay_verdict *verdict);
void queued_end_attempt(struct queued *q, struct buf *memory, int64_t reserved);
void queue_pend(struct queue *queue);
void queue_unpend(struct queue *queue);
uint64_t queue_random(struct queue *queue);
/* Octets of the budget. False: there are not so many left. */
bool queue_reserve(struct queue *queue, size_t octets);
void queue_release(struct queue *queue, int64_t octets);

/* queued.c */
struct queued *queued_new(struct queue *queue, struct envelope *envelope);
/* Takes it out of everything. */
void queued_free(struct queued **queued);
/* The content stays in the spool only. */
void queued_forget_content(struct queued *q);
void queued_set_ready(struct queued *q);
void queued_set_due(struct queued *q, int64_t in_ms);
/* Nothing of the last attempt is needed for a notice any more. */
void queued_forget_attempt(struct queued *q);
bool queued_is_final(const struct queued *q);
bool queued_has_expired(const struct queued *q);
/* Failed because the time ran out, not by a refusal. */
bool queued_ran_out(const struct recipient_status *s);
/* What a peer said, as text without controls, of at most 512 octets. */
char *queued_text(struct span words);

/* try.c */
void queued_attempt(struct queued *q);

/* record.c */
/* What became of it goes to the spool: settled, or noted and due again. It may be gone after. */
void queued_write_down(struct queued *q, bool is_news);
/* An uncommitted content is given up. */
void queue_drop_content(struct queue *queue, uint64_t id);

/* report.c */
/* A notice for those who failed, and then queued_write_down(). */
void queued_report(struct queued *q);

/* tell.c: log lines */
void queue_tell(struct queue *queue, const struct logline *line);
void queued_tell_delivered(const struct queued *q, size_t recipient);
void queued_tell_deferred(const struct queued *q, size_t recipient);
void queued_tell_failed(const struct queued *q, size_t recipient);
void queued_tell_bounced(const struct queued *q, uint64_t notice);
void queued_tell_discarded(const struct queued *q);
void queue_tell_settled(struct queue *queue, uint64_t qid);
void queue_tell_trouble(struct queue *queue, const char *event, uint64_t qid,
			const struct fault *fault);
