/* ledger.h: who was told what, and who got what: the invariant.
 *
 * Shape    ledger_letter -> (the client notes what it hears) -> ledger_take at each smarthost ->
 *          ledger_judge at the end
 * Owns     letters and takes, beyond every crash
 *
 * A letter is a message of a client. A take is one smarthost's 250, meant for all recipients of one
 * transaction; whether it came to the process's ears is noted too, for only what did not may come
 * twice. Notices are takes without a letter of a client; they are read here.
 */
#pragma once

#include "base/buf.h"
#include "world.h"

enum { ADDRESSEES_MOST = 20, ADDRESS_MOST = 48, FAILURES_MOST = 8 };

/* What a client was told in the end. */
#define ANSWERS(X)                                                                                 \
	X(NONE)	   /* still talking */                                                             \
	X(UNKNOWN) /* the process died before it answered */                                       \
	X(LEFT)	   /* the client went away before the end of the content */                        \
	X(DROPPED) /* the client went away after it: either fate is fine */                        \
	X(PASSED)                                                                                  \
	X(STORED)                                                                                  \
	X(REFUSED)                                                                                 \
	X(FAILED)

enum answer {
#define X(name) ANSWER_##name,
	ANSWERS(X)
#undef X
};

struct addressee {
	char address[ADDRESS_MOST];
	unsigned notify;
	bool is_refused;			/* the client heard a 5xx to RCPT */
	struct letter *failures[FAILURES_MOST]; /* notices that somebody took */
	unsigned failure_count;
};

struct take {
	uint32_t whom; /* bits of addressees */
	unsigned life;
	int64_t begun_ms, taken_ms;
	int64_t told_ms; /* the reply came to the process's ears; -1: never */
	bool is_garbled; /* the process had reason not to believe it */
	bool is_ghost;	 /* its process was gone already, and could not hear of it */
	const char *smarthost;
};

struct letter {
	unsigned number, life;
	int about; /* a notice: the number of the letter that it speaks of; -1: not known */
	uint64_t qid;
	bool is_hybrid, is_notice, is_spam;
	unsigned form; /* enum smtp_form */
	bool is_utf8, require_tls;
	int64_t release_ms; /* not before, by the wall clock; 0: at once */
	bool is_flushed;    /* an administrator wants it to go now */
	struct buf content;
	char account[16], sender[ADDRESS_MOST];
	struct addressee to[ADDRESSEES_MOST];
	unsigned to_count;
	enum answer answer;
	int64_t begun_ms, finished_ms, answered_ms;
	struct take **takes;
	unsigned take_count;
	bool is_discarded; /* a notice about it could not be delivered, or nobody was to get one */
	int64_t noted_ms;  /* a notice: when the log told of it; -1: never */
	int64_t unwritten_ms; /* since when a note may be missing, as the log said; -1: none is */
	int64_t held_ms;      /* since when it must not move; -1: it may */
	int64_t removing_ms;  /* an administrator asked for it; -1: no */
	int64_t removed_ms;   /* and was told that it is done */
	bool was_active; /* an attempt was under way then: that one may still come to its end */
	unsigned removed_life;
};

void ledger_begin(void);
void ledger_end(void);

struct letter *ledger_letter(void);
/* Letter i, in the order of their coming, notices too; NULL: no more. */
struct letter *ledger_look(unsigned i);
struct letter *ledger_find(uint64_t qid);
/* The message is called so from now on. */
void ledger_name(struct letter *letter, uint64_t qid);

/* A smarthost takes a message: what it came to is checked at once. begun_ms: when MAIL came. */
struct terms;
struct take *ledger_take(const char *smarthost, struct span sender, const char *const *recipients,
			 unsigned count, struct span content, const struct terms *terms,
			 int64_t begun_ms, unsigned life);
/* The wall clock is to be set. */
void ledger_clock_jumps(void);
/* How long the last of those that are to go later has to wait, by the wall clock. */
int64_t ledger_future_ms(void);
/* The letter that the content claims to be; NULL: none that is known. */
struct letter *ledger_claimed(struct span content);
void ledger_told(void *take);
void ledger_log(const char *line);

void ledger_crashed(void);
/* In order; but what the disk refuses is forgotten all the same. */
void ledger_stopped(void);
/* The disk refuses, or does so no more. */
void ledger_trouble(bool is_there);
bool ledger_has_had_trouble(void);

/* After all: nothing may be lost, doubled or half. */
void ledger_judge(void);

struct ledger_sums {
	unsigned long letters, addressees, takes, notices, crashes;
	unsigned long answers[ANSWER_FAILED + 1];
	/* Excused. */
	unsigned long twice_unheard, twice_by_crash, twice_unwritten, notices_twice, removed,
		discarded, unknown_taken, failed_taken, ids_again;
	/* Came in another encoding; was to go later. */
	unsigned long converted, future;
};
extern struct ledger_sums ledger_sums;
