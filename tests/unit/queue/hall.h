/* tests/unit/queue/hall.h: what stands around a hand-off, where nothing happens by itself: loop, clock,
 * lane, spool, relay and queue are the test's, so that each order of events can be had.
 *
 * Shape    hall_open -> ... -> hall_close; hall_settle() runs what is posted
 * Thread   one; there is one hall
 */
#pragma once

#include "queue/handoff.h"

enum { HALL_RECIPIENTS_MOST = 8 };

struct hall_heard {
	unsigned count;
	bool is_untried;
	enum relay_outcome outcome;
	int code;
};

/* What the queue has got. */
struct hall_queued {
	bool is_there, is_active, is_ended;
	struct envelope envelope;
	struct hall_heard heard[HALL_RECIPIENTS_MOST];
	struct buf memory;
	bool is_kept;
	int64_t reserved;
};

/* What the relay has said of a recipient, whoever heard it; by the first digit of his address. */
struct hall_truth {
	unsigned delivered;
	bool is_judged;
	enum relay_outcome last;
};

/* The job that the relay has, at most one. */
struct hall_job {
	struct relay_job *job; /* NULL: none */
	bool is_carried;       /* by a connection */
	bool has_accepted[HALL_RECIPIENTS_MOST], has_verdict[HALL_RECIPIENTS_MOST];
};

struct hall {
	struct queue *queue;
	struct hall_queued queued;
	struct hall_job relay;
	unsigned jobs, cancels; /* jobs that came to the relay; those taken back */
	bool offers_dsn;
	unsigned asks, asks_most; /* of the account, at once */
	bool is_hasty;		  /* what is posted waits until the test settles */
	struct buf sent;	  /* the content that the last job gave, to its end */
	unsigned contents_sent;
	bool may_have_it; /* a connection was lost that carried the content: never again */
	struct hall_truth truth[HALL_RECIPIENTS_MOST];
	unsigned depth;		    /* within a call of the hand-off's header */
	struct spool_write *commit; /* waits for hall_commit() */
	bool holds_chunks;	    /* they wait for hall_chunks() */
	bool has_failed;	    /* a commit or a chunk */
	unsigned commits, drops, settled_lines, delivered_lines, refused_lines, repeat_lines;
	unsigned pending;
	int64_t budget, left;
};

extern struct hall hall;

void hall_open(void);
/* Checks that all that was taken is given back. */
void hall_close(void);
/* Runs what is posted, and reads of the lane, until there is nothing. */
void hall_settle(void);
/* To the next deadline, which fires. False: there is none. */
bool hall_pass_time(void);
int64_t hall_now_ms(void);
/* So much of it, which is not up to the next deadline. */
void hall_wait(int64_t ms);
uint64_t hall_counted(size_t offset);
#define HALL_COUNTED(name) hall_counted(offsetof(struct counters, name))
/* The commit that waits comes to its end. */
void hall_commit(int status);
/* So do chunks that wait. */
void hall_chunks(int status);
bool hall_has_chunks(void);
/* No new attempts: the daemon stops. */
void hall_stop(void);

/* The relay's side of the job it has. place: index within the job. */
void hall_carry(void);
void hall_accept(size_t place);
void hall_verdict(size_t place, enum relay_outcome outcome, int code);
/* One too many for the transaction. */
void hall_leave(size_t place);
/* The content, and the verdict for all that have none; hall_done() is still to come. */
void hall_judge(enum relay_outcome outcome, int code);
/* Both. */
void hall_end(enum relay_outcome outcome, int code);
/* Every recipient was refused or deferred by name: there is nothing to send. */
void hall_done(void);
/* The connection is lost: no verdict came. */
void hall_lose(void);
/* No connection could be had. */
void hall_refuse_job(void);
