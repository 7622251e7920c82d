/* queue/inside.h: what the files of this room know of each other.
 *
 * queue    the turn of the loop: what is due, what goes to the relay
 * queued   one message: where it stands, and what it holds
 * line     the messages of one account that are due
 * life     when a message is due, warned of, given up
 * future   those that are to go later
 * try      one attempt: the relay's job and the content on its way
 * hear     verdicts, and what an attempt comes to
 * rest     those who are left of an attempt: the next transaction of it
 * report   the notices that follow from it, then
 * record   what is written down
 * act      orders by hand
 * walk     views
 * recover  what the spool found
 * words    what a peer said, as it is kept
 *
 * A message is settled or noted by a write of its own that outlives it in memory; `pending` counts
 * these, reads on the lane and intakes, so that the queue goes away only after all of them.
 *
 * A million messages may wait: what is needed only while something goes on with one (work) is apart
 * from what is always there, and what has become of it (pack.h) is there once there is something to
 * say.
 */
#pragma once

#include "base/heap.h"
#include "base/map.h"
#include "index.h"
#include "intake.h"
#include "pack.h"
#include "queue/queue.h"

struct queued_try;
struct queued_line;
struct notice_conf;

/* What wakes each of them: PAUSED, LINE, HELD and OWING stand in queue->due, at their expiry at the
 * latest, and the queue's timer follows that; while too many notices are being made, the end of one wakes
 * the queue. LINE besides waits for the relay's room(), for the end of another attempt, or for
 * stalled_until_ms. ACTIVE ends with the relay's done(), which comes for each job that is not taken back,
 * or with that of the hand-off's. REPORTING ends with notice_start()'s done(), which always comes.
 * Orders wait only for the end of ACTIVE, REPORTING and OWING, and each way out of these carries them out
 * or ends them. */
#define QUEUED_STATES(X)                                                                           \
	X(PAUSED)    /* until its next attempt, or its release */                                  \
	X(LINE)	     /* due: in a line */                                                          \
	X(HELD)	     /* by hand */                                                                 \
	X(ACTIVE)    /* an attempt is under way */                                                 \
	X(REPORTING) /* a notice is being made */                                                  \
	X(OWING) /* a notice that could not be stored is due again; after a start also a settle */

enum queued_state {
#define X(name) QUEUED_##name,
	QUEUED_STATES(X)
#undef X
};

/* There while a message is ACTIVE, REPORTING or OWING, and while its content is kept. */
struct queued_work {
	struct envelope envelope; /* its strings are the message's own; not for envelope_fini() */
	struct delivery delivery;
	struct buf memory; /* the content, where it is kept */
	int64_t reserved;  /* of the budget, for memory */
	bool is_kept;	   /* memory holds the content */
	struct queued_try *attempt;
	/* Of the attempt under way, and of what its notices need. */
	int64_t heard_ms; /* the time of its first verdict, by the wall clock; 0: none yet */
	bool was_asked;	  /* a smarthost was asked, or tried for, in this transaction */
	bool *left; /* recipients whom no smarthost was asked about in this attempt, though it was
		       about others: one transaction has no room for all; NULL: all are meant */
	size_t left_count;
	char *left_why;	 /* what the relay said of them */
	bool has_spoken; /* a smarthost said something */
	bool is_news;	 /* somebody's fate was decided, and no note says so yet: it is not lazy */
	bool *delayed;	 /* recipients whose delay is to be told; NULL: none */
	char **hosts;	 /* who spoke last, by recipient */
	bool is_expired; /* those failed because the time ran out, all of them */
	unsigned put_offs;	     /* how often in a row the spool took no notice */
	struct queue_order *closing; /* to give up: done once the settle is written */
	struct list orders;	     /* wait for the end of what is under way */
};

struct queued {
	struct list_node all;  /* in queue->messages */
	struct list_node node; /* LINE: in its line */
	struct heap_node due;  /* PAUSED, LINE, HELD, OWING: in queue->due */
	struct queue *queue;
	struct queued_line *line;
	struct queued_work *work;   /* NULL: nothing goes on with it */
	struct delivery_pack *pack; /* NULL: nothing has become of it, or work has it */
	uint64_t qid, sid, size, header_octets;
	int64_t arrived_ms; /* wall clock */
	int64_t born_ms; /* the same on the loop's clock: a wall clock that jumps expires nothing; or
			    the release */
	int64_t next_at; /* PAUSED: the next attempt, or the release, on the loop's clock */
	uint32_t recipient_count;
	unsigned state : 3; /* enum queued_state */
	unsigned ret : 2;
	unsigned form : 4; /* ENVELOPE_FORMS */
	bool is_utf8 : 1;
	bool require_tls : 1;
	bool is_held : 1;
	bool is_warned : 1;
	bool is_future : 1;    /* its release is to come */
	bool is_recovered : 1; /* and no attempt of it has ended since */
	bool is_removed : 1;   /* by hand: waits only for what is under way */
	bool is_told : 1;      /* that it waits without an attempt */
	unsigned vain : 3;     /* attempts in a row that the relay gave back though it has room */
	char strings[];	       /* envelope_strings of pack.h */
};

/* What a view points to. */
struct queue_sight {
	struct envelope envelope;
	struct delivery delivery;
	enum queue_stand of_lines; /* where a message in line stands */
	int64_t wall_ms;
};

enum { QUEUE_SPARES = 32, QUEUE_SPARE_OCTETS = 128 * 1024 };

struct queue {
	struct queue_conf conf;
	char *hostname, *company;
	struct list messages;
	struct queue_index index; /* by qid */
	struct map lines;	  /* by account */
	struct list turns;	  /* lines with somebody in them */
	size_t in_line;
	struct heap due;
	struct list walks;
	struct pack_scratch scratch; /* of the last view */
	struct buf spare[QUEUE_SPARES];
	unsigned spares;
	struct queue_sight found; /* by queue_find() */
	char *reasons;		  /* of the last view: why no smarthost can be asked */
	struct timer timer;
	struct work turn;
	bool is_turn_posted;
	bool is_stalled; /* the relay gave a job back untried: it is asked again when it has room, or
			    at stalled_until_ms */
	bool is_hurried; /* somebody wants attempts now */
	int64_t stalled_until_ms;
	int64_t born_ms;	/* of the queue, on the loop's clock */
	unsigned active;	/* attempts of our own */
	unsigned reporting;	/* messages whose notices are being made */
	unsigned kept;		/* messages whose content is kept while they stand in line */
	size_t futures;		/* messages whose release is to come */
	int64_t wall_offset_ms; /* of the wall's clock to the loop's, as those stand in the heap */
	struct map notes;	/* by message: its last note that is not in the spool yet */
	struct list unwritten;	/* those that the spool did not take, to be written again */
	struct timer again;	/* for these */
	unsigned again_count;	/* how often in a row that failed */
	unsigned pending;
	uint64_t random;
	bool is_ending;
	void (*freed)(void *user);
	void *freed_user;
};

/* queue.c */
/* Looks soon, not now, at what is due. */
void queue_wake(struct queue *queue);
/* A message that is committed; takes the envelope's strings and the content over. memory NULL: not
 * kept. */
void queue_add(struct queue *queue, struct envelope *envelope, struct buf *memory,
	       int64_t reserved);
/* The same for one whose first attempt is under way, or over, elsewhere: queued_hear() for each
 * verdict, now or as they come, then queued_end_attempt(), which takes the content over and may free
 * the message. Until then there is q->work. */
struct queued *queue_add_active(struct queue *queue, struct envelope *envelope);
void queued_hear(struct queued *q, size_t place, const struct relay_verdict *verdict);
void queued_end_attempt(struct queued *q, struct buf *memory, int64_t reserved);
/* The relay gives everything back: it is left alone until it has room, or for a while. */
void queue_stall(struct queue *queue);
void queue_pend(struct queue *queue);
void queue_unpend(struct queue *queue);
uint64_t queue_random(struct queue *queue);
/* Octets of the budget. False: there are not so many left. */
bool queue_reserve(struct queue *queue, size_t octets);
void queue_release(struct queue *queue, int64_t octets);

/* spare.c */
/* To an empty buf: QUEUE_SPARE_OCTETS of memory, where there are some to spare. */
void queue_lend(struct queue *queue, struct buf *memory);
/* Its content is not needed any more. */
void queue_take_back(struct queue *queue, struct buf *memory);
void queue_spares_fini(struct queue *queue);

/* queued.c */
/* Copies the envelope. It stands nowhere yet. */
struct queued *queued_new(struct queue *queue, const struct envelope *envelope);
/* Takes it out of everything; orders that wait for it hear -ENOENT. */
void queued_free(struct queued **queued);
/* Forgotten by hand while something is under way: nobody finds it any more; queued_free() follows at
 * the end of that. */
void queued_hide(struct queued *q);
/* q->work is there. */
struct queued_work *queued_open(struct queued *q);
/* Moves those that wait for the end of what is under way to *out. */
void queued_take_orders(struct queued *q, struct list *out);
/* Packs up what work has to say, and frees it unless it keeps the content. */
void queued_close(struct queued *q);
void queued_take_content(struct queued *q, struct buf *memory, int64_t reserved);
/* The content stays in the spool only. */
void queued_forget_content(struct queued *q);
/* Nothing of the last attempt is needed any more, neither for a notice nor for those who are left. */
void queued_forget_attempt(struct queued *q);
/* Fills what is known of it; `recipients` has room for all. Nothing of it is for envelope_fini(). */
void queued_envelope(struct queued *q, struct envelope_recipient *recipients, struct envelope *out);
/* What has become of it: lives until the next call of this, or until the message changes. */
struct delivery queued_delivery(struct queued *q);
bool queued_is_final(struct queued *q);
/* Failed because the time ran out, not by a refusal, nor by hand. */
bool queued_ran_out(const struct recipient_status *s);
/* Failed by hand: nobody else gives a final status without a reply. */
bool queued_was_given_up(const struct recipient_status *s);
/* Out of its line and of queue->due: nothing happens to it by itself until it is placed again. */
void queued_lift(struct queued *q, enum queued_state state);
/* Where it belongs: HELD, PAUSED until next_at, or LINE. life_floor: no warning or expiry before. */
void queued_place(struct queued *q, bool is_first, int64_t life_floor);
void queued_owe(struct queued *q, int64_t in_ms);

/* line.c */
struct queued_line *queue_line_ref(struct queue *queue, const char *account);
void queued_line_unref(struct queue *queue, struct queued_line **line);
char *queued_line_account(struct queued_line *line);
/* For a hand-off that asks a smarthost while its client speaks. NULL: as many of that account do on this
 * loop as may at once. is_second: another of that account does. */
struct queued_line *queue_line_ask(struct queue *queue, const char *account, bool *is_second);
void queued_line_end_ask(struct queue *queue, struct queued_line **line);
void queued_line_join(struct queued *q, bool is_first);
void queued_line_leave(struct queued *q);
/* Whose turn it is; the line takes its turn behind the others then. NULL: all are empty. */
struct queued *queue_line_next(struct queue *queue);
/* How many stand before it, or 0 when there are more than `most`. */
size_t queued_line_ahead(const struct queued *q, size_t most);
void queue_lines_fini(struct queue *queue);

/* life.c */
int64_t queued_expires_at(const struct queued *q);
int64_t queued_warns_at(const struct queued *q);
/* The next thing that is due, for the heap. */
int64_t queued_due_at(const struct queued *q, int64_t life_floor);
/* Past its time, whether it had its last attempt or not. */
bool queued_has_expired(const struct queued *q);
/* Something is due for it. */
void queued_come_due(struct queued *q);
/* Whoever waits fails, because the time is over or because somebody says so; then the notice. */
void queued_expire(struct queued *q);
void queued_give_up(struct queued *q);
/* After a reload. */
void queue_rearm(struct queue *queue);

/* future.c */
/* By the wall clock; 0: at once. */
int64_t queued_release_ms(const struct queued *q);
/* A new one, which may have to wait; and one that waits no more, whatever its date says. */
void queued_begin_future(struct queued *q);
void queued_end_future(struct queued *q);
/* next_at and born_ms of one that waits, as the wall clock is now; it may be over. */
void queued_mind_release(struct queued *q);
/* The wall clock may have been set. */
void queue_mind_wall(struct queue *queue);

/* try.c */
void queued_attempt(struct queued *q);
/* The job of an attempt that still waits for its connection comes back: it is over for the relay, and
 * the message is still ACTIVE. False: there is none, or it is being carried. */
bool queued_take_back(struct queued *q);

/* hear.c */
/* The attempt was taken back: none, unless a smarthost was asked before. Orders that waited for its end
 * are carried out. */
void queued_end_taken_back(struct queued *q);
void queued_mark_failed(struct queued *q, size_t place);

/* rest.c */
/* The relay did not ask about that recipient. */
void queued_leave(struct queued *q, size_t place, const char *why);
/* It did. */
void queued_unleave(struct queued *q, size_t place);
/* Whether that recipient is one of the next transaction's. */
bool queued_is_meant(const struct queued *q, size_t place);
/* The attempt has not asked about everybody yet. */
bool queued_has_rest(const struct queued *q);
/* The next transaction: no new attempt, no pause, in turn with all others. */
void queued_go_on(struct queued *q);
/* What came of the last attempt is kept for the next transaction; otherwise it is forgotten. */
void queued_keep_rest(struct queued *q);

/* record.c */
/* What became of it goes to the spool: settled, or noted and placed. It may be gone after. */
void queued_write_down(struct queued *q);
/* Notes it as it is now; order may be NULL. One that is not lazy is written again, until the spool has
 * it or there is a later one of the message; the order is told what came of the first time. */
void queued_note(struct queued *q, bool is_lazy, struct queue_order *order);
/* The spool has its last note. */
bool queued_is_noted(const struct queued *q);
void queued_settle(struct queued *q, bool is_lazy, struct queue_order *order);
void queue_records_init(struct queue *queue);
void queue_records_fini(struct queue *queue);
/* What the spool did not take is written again, now. */
void queue_write_again(struct queue *queue);
/* An uncommitted content is given up. */
void queue_drop_content(struct queue *queue, uint64_t id);

/* report.c */
/* The notices that are due, and then queued_write_down(). */
void queued_report(struct queued *q);
/* Somebody's fate that is not noted yet. */
void queued_note_news(struct queued *q);
/* Somebody's failure or success is still to be told. */
bool queued_owes(const struct delivery *d);

/* recover.c: queue_recover() */

/* act.c */
/* Those that waited for the end of what was under way. */
void queue_act_all(struct queue *queue, uint64_t qid, struct list *orders);
/* Posts done(). status 0, -ENOENT or -ESHUTDOWN. */
void queue_order_end(struct queue *queue, struct queue_order *order, int status);

/* walk.c */
/* Walks that would visit it next visit the one behind it. */
void queue_walks_pass(struct queue *queue, struct list_node *node);
/* State of smarthost i. The relay may be gone before an ending queue is: then there are none. */
bool queue_look_at(const struct queue *queue, size_t i, struct relay_view *out);
/* How the messages in line stand, all of them. */
enum queue_stand queue_stand_of_lines(struct queue *queue);
/* Why no smarthost can be reached, "; " between them. */
void queue_reasons(const struct queue *queue, struct buf *out);

/* words.c */
/* What a peer said, as UTF-8 without controls, of at most 512 octets; '?' stands for the rest. */
char *queued_text(struct span words);

/* tell.c: log lines */
void queue_tell(struct queue *queue, const struct logline *line);
void queued_tell_delivered(struct queued *q, size_t recipient);
void queued_tell_deferred(struct queued *q, size_t recipient, int64_t pause_ms);
void queued_tell_failed(struct queued *q, size_t recipient);
/* "bounced", "warned", "relayed-notice": a notice was put in the queue */
void queued_tell_notice(struct queued *q, const char *event, uint64_t notice);
void queued_tell_discarded(struct queued *q);
void queued_tell_waiting(struct queued *q, const char *reason);
/* Some recipients go with another transaction. */
void queued_tell_left(struct queued *q);
/* It goes later. */
void queued_tell_future(const struct queued *q);
void queue_tell_act(struct queue *queue, const char *event, uint64_t qid);
void queue_tell_settled(struct queue *queue, uint64_t qid);
void queue_tell_trouble(struct queue *queue, const char *event, uint64_t qid,
			const struct fault *fault);
