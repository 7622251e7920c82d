/* queue/handoff_inside.h: what the files of a hand-off know of each other.
 *
 * place    one recipient: his answer to the client, and the smarthost's last word on him
 * pass     one job of the relay's: open while the client still speaks (an ask), or with the content
 * turn     what is owed to the user is told from a work of its own, so that no callback runs inside
 *          a call, whatever the relay does inside ours
 *
 * OPEN -> PASSING -> OVER is the good way; PASSING -> COMMITTING -> OVER the other. A pass that still
 * runs when its message is committed goes on: COMMITTING -> ADOPTED -> OVER. One that still runs when
 * the spool did not take the message decides alone: COMMITTING -> ALONE -> OVER.
 */
#pragma once

#include "inside.h"
#include "queue/handoff.h"
#include "stow.h"

#define HANDOFF_STATES(X)                                                                          \
	X(OPEN)	      /* recipients and content come */                                            \
	X(PASSING)    /* all is here; a pass runs, or begins once the content can be read */       \
	X(COMMITTING) /* with a pass or without one */                                             \
	X(ADOPTED)    /* the queue has it, and hears what the pass comes to */                     \
	X(ALONE)      /* the spool has not; the pass must decide */                                \
	X(OVER)

enum handoff_state {
#define X(name) HANDOFF_##name,
	HANDOFF_STATES(X)
#undef X
};

/* What a smarthost, or the relay in its place, said; copied, in one block. */
struct heard {
	enum relay_outcome outcome;
	int code;
	struct smtp_status status;
	bool is_untried, takes_dsn;
	const char *words; /* the reply's, or the reason where code is 0 */
	const char *smarthost, *host;
	char text[];
};

enum place_state { PLACE_WAITING, PLACE_ANSWERED, PLACE_TOLD };

struct place {
	char *address;	   /* and behind it: */
	const char *orcpt; /* NULL: none */
	unsigned notify;
	enum place_state state;
	struct heard *answer; /* till told; NULL: our own yes */
	bool is_out;	      /* refused to the client's face: no part of the message */
	struct heard *heard;  /* the last verdict; NULL: none */
	bool is_stored;	      /* in the envelope that is committed, */
	size_t position;      /* there */
};

/* Nearly every message has no more recipients: what there is of each is part of the object then. */
enum { PASS_FEW = 2, PLACES_FEW = 2 };

struct pass {
	struct relay_job job; /* first */
	struct handoff *handoff;
	struct queued_content content;
	struct span *recipients;
	struct smtp_rcpt_params *params;
	size_t *places; /* which recipient each of them is */
	size_t count, room;
	struct span few_recipients[PASS_FEW];
	struct smtp_rcpt_params few_params[PASS_FEW];
	size_t few_places[PASS_FEW];
	bool is_alive;		 /* a smarthost has said something */
	struct queued_line *ask; /* while it is open: one of those of its account */
};

struct handoff {
	struct handoff_conf conf; /* account, sender, envid: not to be used, see below */
	struct queue *queue;
	enum handoff_state state;
	uint64_t qid;
	const char *account, *sender, *envid; /* in `text` */
	struct place *places;
	size_t place_count, place_room;
	struct place few_places[PLACES_FEW];
	size_t few_answered[PLACES_FEW];
	size_t first_in; /* nobody before is in the message */
	size_t unanswered;
	size_t *answered; /* places in the order of their answers, of which told_count are told */
	size_t answered_count, told_count;
	struct stow *stow;
	int64_t arrived_ms;
	uint64_t header_octets;
	unsigned form;
	struct pass *pass;     /* NULL: none is under way */
	struct queued *queued; /* ADOPTED */
	struct timer timer;    /* patience, or how long a connection is held */
	struct work turn;
	bool is_turn_posted, is_turning;
	bool is_dropped; /* nobody listens */
	bool has_begun;	 /* DATA */
	bool asks_no_more;
	bool is_vain;	       /* a connection was waited for, and did not come */
	bool is_cautious;      /* the pass has not got all of patience yet */
	bool was_passed;       /* the content was offered to the relay */
	bool is_holding;       /* the client lets a connection wait */
	int64_t held_since_ms; /* is_holding */
	int64_t held_ms;       /* in all, before that */
	int commit_status;
	struct fault *commit_fault; /* NULL: it did not fail */
	char text[];
};

/* handoff.c */
/* Tells and judges soon, outside of all calls. */
void handoff_wake(struct handoff *h);
/* What is to go later is asked of nobody now. */
bool handoff_is_hybrid(const struct handoff *h);
/* Frees it if nothing is under way. */
void handoff_release(struct handoff *h);

/* handoff_place.c */
size_t place_add(struct handoff *h, struct span mailbox, const struct smtp_rcpt_params *params);
void place_fini(struct place *p);
struct heard *heard_new(const struct relay_verdict *verdict);
void heard_free(struct heard **heard);
/* As it was, for the length of heard's life. */
struct relay_verdict heard_verdict(const struct heard *heard);
/* Decides what the client is told of that recipient; takes `answer` over. */
void place_answer(struct handoff *h, size_t i, struct heard *answer);
void place_answer_rest(struct handoff *h);
bool place_is_delivered(const struct place *p);
/* The smarthost will not tell the sender that it has it, though he asked for that. */
bool place_needs_notice(const struct handoff *h, const struct place *p);

struct tally {
	size_t in; /* the recipients of the message, */
	size_t delivered, refused;
	size_t noticed;	 /* of the delivered, those of whom the sender is owed a notice */
	size_t judged;	 /* those with a verdict; */
	size_t untried;	 /* of these, whom no smarthost was asked about; */
	size_t answered; /* those who have a smarthost's answer; */
	size_t heard;	 /* those stored whom one was asked about */
};
/* Walks over all: not for each turn. */
struct tally handoff_tally(const struct handoff *h);
/* The first recipient of the message; place_count: there is none. */
size_t handoff_first_in(struct handoff *h);

/* handoff_pass.c */
struct pass *pass_new(struct handoff *h, bool is_open);
void pass_add(struct pass *p, size_t place);
/* With all recipients that are in the message. */
void pass_add_all(struct pass *p);
/* It ends, without a verdict, unless a connection carries it with the content. */
void pass_give_back(struct handoff *h);
/* The content goes out: over the open pass where there is one, else by a new one. */
void pass_send(struct handoff *h);

/* handoff_ask.c */
void ask_recipient(struct handoff *h, size_t i);
/* A pass that was open has ended: asked is what it had. */
void ask_is_over(struct handoff *h, const struct pass *asked);
/* Minds how long the answers, or the content, may take. */
void ask_mind_time(struct handoff *h);
void ask_out_of_time(struct handoff *h);

/* handoff_end.c */
void end_begin(struct handoff *h);
/* The pass is over, or the commit failed: is the message's fate known? */
void end_judge(struct handoff *h);
void end_out_of_time(struct handoff *h);
void end_on_written(void *user);
void end_on_committed(void *user, int status, const struct fault *fault);

/* handoff_tell.c: log lines */
void handoff_tell_delivered(const struct handoff *h, const struct place *p);
/* The smarthost's no, which is the client's answer, if there is still one. */
void handoff_tell_refused(const struct handoff *h, const struct place *p);
void handoff_tell_repeat(const struct handoff *h);
