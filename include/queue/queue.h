/* queue/queue.h: what is accepted and not yet settled, on one loop.
 *
 * Shape    hand-off / recovery -> a line of its sender's -> attempt -> again later, or settled, or a
 *          notice
 * Thread   its loop: a message lives on the loop of the session that brought it
 * Owns     the messages and their memory; the spool owns what is on disk
 * Units    ms
 * Errors   nothing here loses a message: what cannot be written now (a note, a settle, a notice) is
 *          written as soon as the spool takes it; a crash before that costs at most a duplicate, and
 *          the log says so
 *
 * Messages that are due stand in lines, one for each account, which take turns: ten thousand of one
 * login delay another's by one message. The relay is given as many as it has room for; while no
 * smarthost can be asked they stay in line, and that is no attempt. After a failed attempt a message
 * pauses by the schedule retry_ms (its last entry repeats), each with a jitter of a quarter. Times are
 * of the loop's clock: a wall clock that jumps neither expires nor delays anything.
 *
 * An attempt of a message with more recipients than a smarthost takes at once is made of several
 * transactions, which follow each other without a pause, in turn with other messages. It is counted once,
 * when everybody was asked about; what each came to is noted before the next.
 *
 * Only a release date (RFC 4865) is of the wall clock, being the sender's wish: a message goes once that
 * clock shows it, and when the clock is set to another time, the messages that still wait follow within a
 * minute. What was released stays so. An order to flush sends such a message now; held and released it
 * waits again.
 *
 * Counted from its arrival, or from its release, a message is warned of after warn_ms (a delay notice, once) and given up
 * after expire_ms (a notice of failure), whether it stands in line, pauses, or is held. The last
 * attempt is made at its end; one under way may end first. A message that recovery found has its age by
 * the wall clock, which may be wrong: it is neither warned of nor given up before an attempt of it has
 * failed, or a quarter of that time has passed since the start.
 *
 * A message that waits takes some 270 octets, and 160 more once a smarthost has said something of it.
 */
#pragma once

#include "queue/envelope.h"
#include "relay/relay.h"
#include "spool/log.h"

struct queue;

enum { QUEUE_RETRIES_MOST = 32 };

struct queue_conf {
	struct loop *loop;
	struct lane *reads; /* for spool_read */
	struct log *log; /* NULL: none */
	struct counters *counters;
	struct spool *spool;
	struct relay *relay;
	const char *hostname, *company; /* for notices; outlive the queue */
	int64_t retry_ms[QUEUE_RETRIES_MOST]; /* pause after the first attempt, the second... */
	unsigned retry_count;
	int64_t warn_ms; /* 0: never */
	int64_t expire_ms;
	unsigned active;	  /* messages handed to the relay at once, at most */
	_Atomic int64_t *memory;  /* octets of content that may still be kept, shared by the loops */
	size_t keep_octets;	  /* larger contents are not kept in memory */
};

struct queue *queue_new(const struct queue_conf *conf);
/* A message that recovery found; takes copies. Before or while the loop runs, on its thread. The
 * spool may still be being opened: conf.spool may be NULL until then, and is set by queue_renew()
 * before the loop runs. -EINVAL: the records make no sense, or nobody is to get it; -ENOTSUP: they are of
 * a later version. */
int queue_recover(struct queue *queue, const struct spool_found *found);
/* No new attempts; freed() once none is under way and the spool has taken every outcome, or has not taken
 * it for some seconds. The relay may be freed meanwhile: it gives back what it has, and is not looked at any more. */
void queue_free(struct queue *queue, void (*freed)(void *user), void *user);
/* After a reload. */
void queue_renew(struct queue *queue, const struct queue_conf *conf);
/* The relay has room: what struct relay_conf's room() is for. Not after freed() of queue_free(): the
 * relay may live on. */
void queue_on_room(void *queue);
size_t queue_length(const struct queue *queue);

/* Why a message is still here. name, what a person reads */
#define QUEUE_STANDS(X)                                                                            \
	X(ACTIVE, "active", "being sent now")                                                      \
	X(LINE, "line", "due; waits for its turn")                                                 \
	X(NO_SMARTHOST, "no-smarthost", "due; no smarthost can be reached")                        \
	X(RATE, "rate", "due; the smarthost's rate allows no more messages now")                   \
	X(RETRY, "retry", "pauses after an attempt that failed")                                   \
	X(HELD, "held", "held by hand")                                                            \
	X(FUTURE, "future", "its sender wants it to go later")                                     \
	X(NOTICE, "notice", "its notice is being written")

enum queue_stand {
#define X(name, word, text) QUEUE_STAND_##name,
	QUEUE_STANDS(X)
#undef X
};

const char *queue_stand_word(enum queue_stand stand); /* "no-smarthost" */
const char *queue_stand_text(enum queue_stand stand);

/* One message, for posternctl. Everything lives for the length of the call that it is given to, and
 * from queue_find() until the next call of this header. */
struct queue_view {
	const struct envelope *envelope;
	const struct delivery *delivery;
	enum queue_stand stand;
	int64_t next_ms;   /* wall clock: the next attempt where stand is RETRY, the release where it is
			      FUTURE; else 0 */
	int64_t warn_ms, expire_ms; /* wall clock; warn_ms 0: not any more, or never */
	size_t waiting;	   /* recipients */
	const char *reason; /* stand NO_SMARTHOST: why each of them cannot be asked; else NULL */
	size_t ahead;	   /* queue_find(), stand LINE: messages of the same account before it, where
			      it costs little to tell; else 0 */
};

/* A walk over all messages in the order in which they came to this queue, in portions, so that the
 * loop does other things between them. Messages may come and go meanwhile: those that stay are
 * visited once. */
struct queue_walk {
	struct list_node node; /* private */
	struct queue *queue;   /* private */
	void *next;	       /* private */
};
void queue_walk_init(struct queue_walk *walk, struct queue *queue);
/* Visits at most `most` messages; false: that was the end. each() may call queue_act(): the view it was
 * given is gone then. */
bool queue_walk(struct queue_walk *walk, size_t most,
		void (*each)(void *user, const struct queue_view *view), void *user);
void queue_walk_fini(struct queue_walk *walk);
/* False: not here. Costs no walk. */
bool queue_find(struct queue *queue, uint64_t qid, struct queue_view *out);

enum queue_action {
	QUEUE_FLUSH,   /* due now, whatever its pause or its release. A held one stays held */
	QUEUE_HOLD,    /* no more attempts until released */
	QUEUE_RELEASE, /* and due now, or with its release */
	QUEUE_REMOVE,  /* forgotten: no notice */
	QUEUE_BOUNCE,  /* given up: the sender gets a notice that says so */
	QUEUE_REROUTE, /* as if it had just come: schedule and pauses from the start, the current
			  smarthosts. A held one stays held, and one that waits for its release
			  waits */
};

struct queue_order {
	enum queue_action action;
	/* Once the spool has it in stable storage; -ENOENT: there is no such message (any more);
	 * -ESHUTDOWN: the queue is ending; other: the spool did not take it (a notice, for BOUNCE,
	 * which is then tried again). Posted, never inside queue_act(). The order may be freed here. */
	void (*done)(struct queue_order *order, int status, const struct fault *fault);
	struct work work; /* private */
	struct list_node node; /* private */
	uint64_t qid; /* private */
	int status; /* private */
};

/* Takes effect at once. With an attempt under way: REMOVE, HOLD and BOUNCE end one that still waits for
 * its connection; otherwise REMOVE is recorded at once and the attempt's outcome is then only logged,
 * while HOLD, BOUNCE and the others wait for its end, and so does done(). What is to go at once also ends the pauses of smarthosts that are left alone (relay_hurry()). */
void queue_act(struct queue *queue, uint64_t qid, struct queue_order *order);
