/* tests/unit/queue/house.h: the house around one queue, with a clock that a test moves: loop, relay,
 * spool, notices and log are made here, linked in place of the real ones.
 *
 * Shape    house_start -> house_add, house_run, house_pass... -> house_stop
 * Thread   one; nothing waits for anything
 *
 * Writes are done at once, unless is_spool_slow; jobs of the relay are answered by the test.
 */
#pragma once

#include "inside.h"
#include "notice.h"

enum { HOUSE_MOST = 64 };

struct house_write {
	enum spool_write_kind kind;
	uint64_t id;
	bool is_lazy;
};

struct house_notice {
	uint64_t qid;
	enum mail_dsn_action action;
	char places[32]; /* "0 2" */
	char host[64];	 /* of the first place */
	char text[128];	 /* of its status */
	struct smtp_status status;
	bool is_expired, is_by_hand;
};

struct house_look {
	const char *name, *host, *reason;
	int64_t paused_ms, rated_ms;
};

struct house {
	struct queue *queue;
	struct queue_conf conf;
	struct counters counters;
	int64_t now_ms, wall_ms;
	_Atomic int64_t memory;
	uint64_t last_id;
	unsigned turns; /* posted works that were run */
	/* relay */
	size_t room;
	struct list jobs; /* struct relay_job, in the order in which they came */
	unsigned sent, hurries;
	bool is_carried; /* no job comes back by relay_cancel() */
	bool gives_back; /* each job comes back untried, as soon as the loop turns */
	struct house_look looks[4];
	size_t look_count;
	/* spool */
	int spool_error, note_error; /* of all writes; of notes */
	bool is_spool_slow;
	struct list slow;
	struct house_write writes[HOUSE_MOST];
	size_t write_count; /* the last of them, in a ring */
	struct buf note;    /* the last one written */
	/* notices */
	int notice_error;
	bool is_notice_slow;
	struct house_notice notices[HOUSE_MOST]; /* the last of them, in a ring */
	size_t notice_count;
	struct list slow_notices; /* that wait, where is_notice_slow */
	/* log */
	char log[1 << 16];
	size_t log_octets;
};

extern struct house house;

/* A queue with: first retry after a minute, then five, then fifteen; a warning after four hours; the
 * end after five days; eight attempts at once; a relay with room for all. */
void house_start(void);
void house_stop(void);
/* Runs what was posted until nothing is; fails the test when that has no end. */
void house_run(void);
/* Lets time pass, by both clocks. */
void house_pass(int64_t ms);
/* A message of that account from sender to "a@b c@d", in the queue and not yet looked at. */
uint64_t house_add(const char *account, const char *sender, const char *recipients);
/* The same with notify for all recipients. */
uint64_t house_add_notify(const char *sender, const char *recipients, unsigned notify);
/* One that is not to go before release_ms, by the wall clock. */
uint64_t house_add_future(const char *account, int64_t release_ms);
struct envelope house_envelope(uint64_t qid, const char *account, const char *sender,
			       const char *recipients, unsigned notify);
/* The first job that waits for an answer; fails the test when there is none. */
struct relay_job *house_job(void);
struct relay_job *house_job_of(uint64_t qid);
/* One verdict for all recipients, and the end: "250 ok", "451 4.7.1 later", "550 5.1.1 unknown". */
void house_answer(struct relay_job *job, const char *reply);
/* One verdict for one recipient; then house_end(). */
void house_hear(struct relay_job *job, size_t index, const char *reply);
/* No verdict of a smarthost: one recipient too many for its transaction. */
void house_leave(struct relay_job *job, size_t index);
void house_end(struct relay_job *job);
void house_give_back(struct relay_job *job);
struct queue_view house_view(uint64_t qid);
bool house_has(uint64_t qid);
/* How often the log has a line with both. */
unsigned house_said(const char *event, const char *part);
/* What the spool was given for that id: "note note lazy-settle". Lives until the next call. */
const char *house_written(uint64_t id);
/* What the spool has in its last note. delivery_fini() it. */
struct delivery house_note(void);
/* Ends the queue and begins another one, with no message in it. */
void house_restart(void);
void house_finish_slow(void);
/* All that wait. */
void house_finish_notice(int status);
