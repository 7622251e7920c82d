/* tests/unit/queue/client.h: a client of a hand-off in the hall of hall.h, led by a script.
 *
 *   r rs   the next recipient; rs: he asks for a notice of success
 *   c L    DATA, content and its end; L: a content that memory does not keep
 *   d      the client goes away
 *   H      from now on chunks wait
 *   >      a connection carries the job that the relay has
 *   +0 -0 ~0    RCPT of its first recipient is accepted, refused, deferred
 *   *0     its first recipient is too many for the transaction
 *   .+ .- .~    the content was sent; accepted, refused, deferred
 *   !+ !- !~    the same, but the job does not end yet
 *   |      it ends: every recipient has his verdict
 *   x      the connection is lost
 *   u      no connection can be had
 *   t      time passes, to the next deadline
 *   k+ k-  the commit under way succeeds, fails
 *   h+ h-  the chunks that wait are written, fail
 *   [ ]    between them all happens in one turn of the loop
 */
#pragma once

#include "hall.h"

struct client_answer {
	bool is_told;
	int code; /* 0: our own yes */
};

struct client {
	struct handoff *handoff; /* NULL: gone */
	size_t recipients;
	struct client_answer answers[HALL_RECIPIENTS_MOST];
	bool asks_success[HALL_RECIPIENTS_MOST];
	bool has_finished, is_dropped, is_done;
	enum handoff_outcome outcome;
	int code, status;
	bool has_host;
	struct span content;
};

extern struct client client;

/* A message begins. */
void client_open(bool is_hybrid);
/* Hybrid, but to go later. */
void client_open_future(int64_t release_ms);
/* Hybrid, with a SIZE. */
void client_open_told(uint64_t size);
void client_recipient(bool asks_success);
/* Everybody has his answer, and somebody is in the message. */
bool client_may_send(void);
bool client_is_in(size_t recipient);
void client_send(size_t octets);
void client_drop(void);
void client_play(const char *script);
