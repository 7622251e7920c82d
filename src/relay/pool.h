/* relay/pool.h: what the files of this room know of each other.
 *
 * route    one smarthost of this loop: its connections, whether it is left alone, its share of the
 *          limit that all loops have in common
 * conn     one connection: the client engine on a stream; carries one attempt at a time
 * attempt  one job on its way: which recipients have their verdict
 *
 * A job belongs to no route while it waits: the first connection that is free takes it.
 */
#pragma once

#include "relay/relay.h"

struct route;
struct conn;

#define CONN_STATES(X)                                                                             \
	X(SETTING_UP) /* from the look-up to the first READY */                                    \
	X(IDLE)	      /* may take a job */                                                         \
	X(BUSY)	      /* carries an attempt */                                                     \
	X(CLOSING)    /* of no more use; waits for its stream's end */

enum conn_state {
#define X(name) CONN_##name,
	CONN_STATES(X)
#undef X
		CONN_STATE_COUNT
};

struct attempt {
	struct relay *relay;
	struct relay_job *job;
	struct conn *conn; /* NULL: waits */
	bool *has_verdict;
	size_t open;	   /* recipients without a verdict */
	bool has_begun;	   /* a connection carried it before */
	bool was_repeated; /* a dead connection was found once: not again */
};

struct route {
	struct list_node node; /* in relay->retired */
	struct relay *relay;
	struct relay_smarthost to; /* its strings are ours */
	struct secret password;
	struct list conns[CONN_STATE_COUNT];
	unsigned failures; /* in a row; 0: all is well */
	int64_t paused_until_ms;
	char *reason; /* of the last failure; told once */
	bool is_retired;
	bool is_hungry;		/* counted in the limit */
	int64_t yield_until_ms; /* a place was given up for another loop: it is not taken back at once */
};

struct relay {
	struct relay_conf conf; /* its strings and smarthosts are not looked at after relay_new() */
	char *ehlo_name;
	struct route **routes; /* in order of preference */
	size_t route_count;
	struct list retired; /* replaced routes that still have connections */
	struct list waiting; /* jobs */
	struct work turn;
	bool is_turn_posted;
	struct timer again;  /* for a place that another loop holds */
	struct timer finish; /* the end of relay_free()'s patience */
	bool is_ending;
	unsigned deadline_unit_ms; /* what a second of a deadline is */
	void (*freed)(void *user);
	void *freed_user;
};

/* relay.c */
/* Looks soon, not now, at what waits and what is free. */
void relay_wake(struct relay *relay);
/* The job that waits longest, now taken off the list, for a connection of that route; or NULL. */
struct attempt *relay_take(struct relay *relay, const struct route *route);
/* For tests: a second of a deadline becomes so many ms. */
void relay_scale_deadlines(struct relay *relay, unsigned unit_ms);

/* route.c */
struct route *route_new(struct relay *relay, const struct relay_smarthost *to);
void route_free(struct route **route);
bool route_is_empty(const struct route *route);
/* No new connections; idle ones are closed, and busy ones after their message. */
void route_retire(struct route *route);
bool route_is_paused(const struct route *route);
bool route_is_proven(const struct route *route);
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
/* A connection came to READY. */
void route_up(struct route *route);
/* A connection did not. */
void route_down(struct route *route, const char *reason);

/* attempt.c */
void attempt_start(struct relay *relay, struct relay_job *job);
/* The reply to one recipient, where it decides. */
void attempt_refuse(struct attempt *a, const struct route *route, size_t index,
		    const struct smtp_reply *reply);
/* The reply to the message: for everyone who has no verdict yet. */
void attempt_decide(struct attempt *a, const struct route *route, const struct smtp_reply *reply);
/* route and reply may be NULL. */
void attempt_defer(struct attempt *a, const struct route *route, const struct smtp_reply *reply,
		   const char *reason);
/* Every recipient has its verdict: tells the job's owner. The attempt is gone. */
void attempt_finish(struct attempt *a);

/* conn.c */
/* The caller took a place in the limit; the connection gives it back. */
void conn_open(struct route *route);
/* An idle connection gets work. */
void conn_carry(struct conn *conn, struct attempt *attempt);
/* Not a busy one: goodbye, and away. */
void conn_close(struct conn *conn);
/* A busy one: its attempt is deferred for that reason. */
void conn_break(struct conn *conn, const char *reason);
/* The source of its attempt has more. */
void conn_more(struct conn *conn);
struct conn *conn_of_node(struct list_node *node);
