/* relay/conn.h: one connection, for the files that make it up. */
#pragma once

#include "pool.h"

#include "base/buf.h"

/* Octets that wait to be sent, above which no more content is asked for. */
enum { CONN_UNSENT_MOST = 64 * 1024 };

struct conn {
	struct list_node node; /* in route->conns[state] */
	struct list_node due;  /* in relay->due */
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
	int64_t idle_until_ms;
	bool is_used; /* the attempt is not the first thing that this connection does, or rested on it */
	bool was_answered; /* the peer said a word about the attempt's recipients or its content, since
			      the attempt began, or rested last */
	bool has_chunking;	  /* as it offered it */
	bool was_taken_by_chunks; /* a message over this connection */
	/* Before the content goes: what must be done so that the peer can take it. */
	bool is_fitting;
	bool is_begun;		    /* the peer has heard of the message by steps already */
	struct mail_survey *survey; /* of content that is being read for the first time */
	/* The content on its way. */
	struct mail_convert *convert; /* NULL: as it is */
	struct buf converted;
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
/* One function changes the state, and with it the list that the connection is in. */
void conn_set_state(struct conn *conn, enum conn_state state);
void conn_out_of_time(struct timer *timer);

/* rest.c */
/* The engine is ready for a message: the next one, or rest, or goodbye. */
void conn_ready(struct conn *conn);

/* carry.c */
/* What it carries may go to another connection without a word to anybody: this one was kept from
 * an earlier message, or for a client that let it wait, and its peer said nothing since, so it had
 * most likely been closed meanwhile. */
bool conn_may_repeat(const struct conn *conn);
/* Where the peer has answered all, and the next step is the owner's, the attempt rests. */
void conn_note_rest(struct conn *conn);
/* What it carried ends, or begins again elsewhere. */
void conn_lose_job(struct conn *conn, const struct smtp_reply *reply, const char *reason,
		   bool may_repeat);
/* The verdict on the message of what it carries; ours, or the peer's. */
void conn_decide(struct conn *conn, const struct smtp_reply *reply, bool is_ours);
/* Nothing was said of the message yet: now all at once, with a content of that size and form. */
void conn_ask(struct conn *conn, uint64_t size, unsigned form);

/* event.c */
void conn_take_event(struct conn *conn, const struct smtp_client_event *event);

/* convert.c */
/* What of the forms of that message the peer takes. */
unsigned convert_takes(const struct smtp_client_offers *offers,
		       const struct smtp_client_message *message);
/* The content of what it carries is known: conn_fit() goes on with it, in the connection's turn. */
void conn_fit_soon(struct conn *conn);
/* True: the engine was told something, or another job is carried. False: later, or nothing to do. */
bool conn_fit(struct conn *conn);
void conn_fit_end(struct conn *conn);

/* learn.c */
/* READY: what the peer offers is kept for those who ask. */
void conn_learn(struct conn *conn);
/* What it offers may have turned out to be no true word. */
void conn_unlearn(struct conn *conn);
/* What came of its message; taken: the peer said yes to the content. */
void conn_judge_chunks(struct conn *conn, bool is_taken);

/* content.c */
/* Content from the source to the engine, as long as there is room. */
void conn_send_content(struct conn *conn);

/* login.c */
void conn_login(struct conn *conn, struct span offered);
void conn_login_challenge(struct conn *conn, struct span octets);
/* True where there is no login. */
bool conn_login_is_complete(const struct conn *conn);
void conn_login_end(struct conn *conn);
