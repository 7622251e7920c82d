/* relay/pool.h: what the files of this room know of each other.
 *
 * route    one smarthost of this loop: its connections, whether it is left alone, its share of the
 *          limit that all loops have in common
 * conn     one connection: the client engine on a stream; carries one attempt at a time
 * attempt  one job on its way: which recipients have their verdict
 *
 * A route is proven while its last set-up went well, or none was tried yet; one that is not is paused
 * for a time, and then probed by one connection. The route in charge is the first in order that is
 * proven, or that still has connections from better times: jobs go there, and wait for it.
 *
 * A job belongs to no route while it waits: the first connection that is free takes it. Urgent jobs
 * have a line of their own, before the others; so have those that ask for REQUIRETLS, which only some
 * routes may carry.
 */
#pragma once

#include "limit.h"
#include "relay/relay.h"

struct route;
struct conn;
struct mail_survey;

#define CONN_STATES(X)                                                                             \
	X(SETTING_UP) /* from the look-up to the first READY */                                    \
	X(IDLE)	      /* may take a job */                                                         \
	X(BUSY)	      /* carries an attempt, or ends one that was given up */                      \
	X(CLOSING)    /* of no more use; waits for its stream's end */

enum conn_state {
#define X(name) CONN_##name,
	CONN_STATES(X)
#undef X
		CONN_STATE_COUNT
};

enum { ATTEMPT_FEW = 4 };

struct attempt {
	struct relay *relay;
	struct relay_job *job;
	struct conn *conn; /* NULL: waits */
	struct list *line; /* NULL: does not */
	bool *has_verdict; /* `count` of them; room for `room` */
	size_t count;	   /* recipients that we know of */
	size_t open;	   /* of these, without a verdict */
	size_t *asked;	   /* the connection's recipient i is the job's recipient asked[i] */
	size_t asked_count;
	size_t room;
	bool few_verdicts[ATTEMPT_FEW]; /* the two, as long as they are no more */
	size_t few_asked[ATTEMPT_FEW];
	struct mail_survey *survey; /* of the whole content; NULL: not read yet, or not needed */
	bool is_strict;		    /* asks for REQUIRETLS, and may have it somewhere */
	bool is_urgent;
	bool is_probe;		      /* urgent, and waits for a probe */
	bool has_begun;		      /* a connection carried it before */
	bool was_repeated;	      /* a dead connection was found once: not again */
	bool is_telling;	      /* a callback of the job is running */
	bool is_cancelled;	      /* within it */
	struct relay_limit *rated_by; /* whose message it is; NULL: none's yet */
	int64_t rated_ms;
};

struct route {
	struct list_node node; /* in relay->retired */
	struct relay *relay;
	struct relay_smarthost to; /* its strings are ours */
	struct secret password;
	struct list conns[CONN_STATE_COUNT];
	unsigned failures; /* in a row; 0: all is well */
	bool is_hurried;   /* it is asked before its pause is over: that failure is not counted */
	int64_t paused_until_ms;
	char *reason; /* of the last failure; told once */
	bool is_retired;
	bool distrusts_chunking; /* it offers CHUNKING and does not know BDAT */
	int64_t avoids_chunks_until_ms;
	bool has_offers;
	struct smtp_client_offers offers; /* what it offered last */
	bool is_hungry;			  /* counted in the limit */
	int64_t yield_until_ms; /* a place was given up for another loop: it is not taken back at once */
};

struct relay {
	struct relay_conf conf; /* its strings and smarthosts are not looked at after relay_new() */
	char *ehlo_name;
	struct route **routes; /* in order of preference */
	size_t route_count;
	struct list retired;	     /* replaced routes that still have connections */
	struct list urgent, waiting; /* jobs */
	struct list_node
		*first_second; /* urgent ones that let others go first stand from here to the end
					   of their line; NULL: there is none */
	struct list strict;    /* jobs that ask for REQUIRETLS, urgent or not */
	unsigned urgent_taken; /* so many of them in a row */
	struct list over;      /* jobs that have nobody left to ask about */
	struct list due;       /* connections to be turned */
	struct work turn;
	bool is_turn_posted;
	bool is_room_due;    /* there may be more room than before */
	struct timer again;  /* for a place that another loop holds */
	struct timer paused; /* the first pause to end */
	struct timer rated;  /* the next message that the rate allows */
	struct timer finish; /* the end of relay_free()'s patience */
	bool is_ending;
	unsigned deadline_unit_ms; /* what a second of a deadline is */
	void (*freed)(void *user);
	void *freed_user;
};

/* relay.c */
/* Looks soon, not now, at what waits and what is free, and tells the owner of room. */
void relay_wake(struct relay *relay);
/* The same where nothing can have made room. */
void relay_turn_soon(struct relay *relay);
/* For tests: a second of a deadline becomes so many ms. */
void relay_scale_deadlines(struct relay *relay, unsigned unit_ms);

/* serve.c */
/* How long a loop waits before it looks again for a place that other loops hold. */
enum { PLACE_MS = 200 };
/* NULL: none is in it. */
struct attempt *relay_first(const struct list *line);
/* Jobs to connections, connections for jobs; gives back what cannot wait. */
void relay_serve(struct relay *relay);
/* The job that this connection, which comes free, is to carry next, now taken off its line; or NULL. */
struct attempt *relay_take(struct relay *relay, struct conn *conn);
/* The first of the line, taken off it as one of the route's messages. NULL: none, or not now. */
struct attempt *relay_take_from(struct list *line, struct route *route);
/* Gives back all jobs that wait. */
void relay_defer_waiting(struct relay *relay, const char *reason);

/* strict.c */
/* Jobs that ask for REQUIRETLS to those that may carry them; refused where nobody can. */
void relay_serve_strict(struct relay *relay);
/* One of them for this connection, which comes free. */
struct attempt *relay_take_strict(struct relay *relay, struct conn *conn);

/* room.c */
struct route *relay_in_charge(const struct relay *relay);
/* Calls conf.room() where there is some. */
void relay_tell_room(struct relay *relay);
/* Wakes the relay when the next pause is over. */
void relay_watch_pauses(struct relay *relay);
/* Wakes the relay when the route's rate allows the next message. */
void relay_watch_rate(struct relay *relay, const struct route *route);
/* All that wait, and without those that ask for REQUIRETLS. */
size_t relay_jobs(const struct relay *relay);
size_t relay_common_jobs(const struct relay *relay);

/* route.c */
struct route *route_new(struct relay *relay, const struct relay_smarthost *to);
void route_free(struct route **route);
bool route_is_empty(const struct route *route);
/* No new connections; idle ones are closed, and busy ones after their message. */
void route_retire(struct route *route);
bool route_is_paused(const struct route *route);
bool route_is_proven(const struct route *route);
/* Not proven, but its pause is over. */
bool route_may_be_probed(const struct route *route);
bool route_is_being_set_up(const struct route *route);
bool route_is_live(const struct route *route);
struct conn *route_idle(const struct route *route);
void route_close_idle(struct route *route);
/* Takes one of the places that the loops share. False: none is free. */
bool route_take_place(struct route *route);
void route_give_place(struct route *route);
/* Other loops wait for a place that this one holds. */
bool route_is_wanted(const struct route *route);
/* A place is given up for them. */
void route_yield(struct route *route);
void route_set_hungry(struct route *route, bool is_hungry);
/* Counts the attempt as one of its messages. False: the rate is used up. */
bool route_take_message(struct route *route, struct attempt *attempt);
/* How many the rate allows now. */
size_t route_messages(const struct route *route);
/* The pause is over at once. */
void route_hurry(struct route *route);
/* A connection came to READY. */
void route_up(struct route *route);
/* A connection did not. */
void route_down(struct route *route, const char *reason);

/* attempt.c */
void attempt_start(struct relay *relay, struct relay_job *job);
/* Into the line that is its own, or from one to the other. */
void attempt_wait(struct attempt *a, bool is_first);
void attempt_leave_line(struct attempt *a);
/* The job has more recipients than before, or not. */
void attempt_grow(struct attempt *a);
/* The reply to one recipient, as the connection counts them. */
void attempt_hear(struct attempt *a, const struct route *route, size_t place,
		  const struct smtp_reply *reply, bool is_ours);
/* The ends of an attempt: each tells everyone who has no verdict yet, then the job's owner. The
 * attempt is gone, and no connection carries it any more. */
void attempt_decide(struct attempt *a, const struct route *route, const struct smtp_reply *reply,
		    bool is_ours, bool takes_dsn);
/* reply may be NULL. */
void attempt_defer(struct attempt *a, const struct route *route, const struct smtp_reply *reply,
		   const char *reason);
/* One that waits: nobody was asked. */
void attempt_give_back(struct attempt *a, const char *reason);
/* Its job is its owner's again, who hears nothing more. */
void attempt_cancel(struct attempt *a);

/* conn.c */
/* The caller took a place in the limit; the connection gives it back. */
void conn_open(struct route *route);
/* Not a busy one: goodbye, and away. */
void conn_close(struct conn *conn);
/* A busy one: its attempt is deferred for that reason. */
void conn_break(struct conn *conn, const char *reason);
/* Soon, not now, its engine's turn. */
void conn_turn_soon(struct conn *conn);
void conn_turn_due(struct relay *relay);
struct conn *conn_of_node(struct list_node *node);
struct route *conn_route(const struct conn *conn);
/* Its peer may have a job that asks for REQUIRETLS. */
bool conn_may_require_tls(const struct conn *conn);
/* Busy, but with a job that is over: only the peer's word to RSET is due. */
size_t conn_count_ending(const struct route *route);

/* carry.c */
/* An idle connection gets work. */
void conn_carry(struct conn *conn, struct attempt *attempt);
/* The job that it carries has more recipients. */
void conn_grow(struct conn *conn);
/* The job that it carries is open no longer. */
void conn_content(struct conn *conn);
/* The source of its job has more. */
void conn_more(struct conn *conn);
/* The job that it carries, an open one, is its owner's again. */
void conn_drop_job(struct conn *conn);
