/* relay/conn.h: one connection, for the files that make it up. */
#pragma once

#include "pool.h"

/* Octets that wait to be sent, above which no more content is asked for. */
enum { CONN_UNSENT_MOST = 64 * 1024 };

struct conn {
	struct list_node node; /* in route->conns[state] */
	enum conn_state state;
	struct relay *relay;
	struct route *route;
	struct dial *dial;     /* until there is a stream, or none */
	struct stream *stream; /* until ops.closed() */
	struct smtp_client *engine;
	struct relay_login *login;
	bool login_due;	   /* the engine waits for relay_login_reply() */
	bool login_begun;  /* AUTH was sent */
	char *login_fault; /* why the login cannot go on, told with the engine's REFUSED */
	struct attempt *attempt;
	struct timer deadline;
	const char *awaited; /* what the deadline is for; NULL: none runs */
	unsigned waited_s;
	bool is_securing; /* the TLS handshake is under way */
	bool is_turning;
	unsigned messages;
	bool has_rested;
	bool is_used; /* the attempt is not the first thing that this connection does */
	int64_t idle_until_ms;
	bool was_answered; /* the peer said a word about the attempt's recipients or its content */
	/* The content on its way. */
	bool is_sending, is_source_dry;
	struct span part;
};

/* conn.c */
/* Takes every event that is there, sends what came of it, and sets the deadline. */
void conn_turn(struct conn *conn);
/* Sends the engine's output. */
void conn_flush(struct conn *conn);
/* Where and what, as a person needs it: "smtp.example.net:587: " + what. */
void conn_reason(const struct conn *conn, struct fault *out, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The connection is of no more use, and why. What it carried is deferred, or goes to another
 * connection when `may_repeat`; a smarthost that was not reached is left alone for a while. */
void conn_fail(struct conn *conn, const struct smtp_reply *reply, const char *reason,
	       bool may_repeat);

/* The engine is ready for a message: the next one, or rest, or goodbye. */
void conn_ready(struct conn *conn);
/* What it carries may go to another connection without a word to anybody: this one was kept from
 * an earlier message and its peer said nothing yet, so it had most likely been closed meanwhile. */
bool conn_may_repeat(const struct conn *conn);

/* event.c */
void conn_take_event(struct conn *conn, const struct smtp_client_event *event);

/* content.c */
/* Content from the source to the engine, as long as there is room. */
void conn_send_content(struct conn *conn);

/* login.c */
void conn_login(struct conn *conn, struct span offered);
void conn_login_challenge(struct conn *conn, struct span octets);
/* True where there is no login. */
bool conn_login_is_complete(const struct conn *conn);
void conn_login_end(struct conn *conn);
