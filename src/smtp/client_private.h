/* smtp/client_private.h: what the parts of the client engine share.
 *
 * client.c           octets in, events out, the table of states
 * client_hello.c     greeting, EHLO, STARTTLS
 * client_login.c     AUTH
 * client_offers.c    what EHLO tells
 * client_send.c      one message: MAIL, RCPT, DATA, content, RSET
 */
#pragma once

#include "base/secret.h"
#include "smtp/body.h"
#include "smtp/client.h"

/* name, what we are doing, seconds until that is given up (RFC 5321 4.5.3.2), what takes the reply;
 * NULL: none is due, and the first octet of one leads to UNASKED, from where nothing is sent */
#define CLIENT_STATES(X)                                                                           \
	X(GREETING, "waiting for the greeting", 300, client_on_greeting)                           \
	X(EHLO, "waiting for the reply to EHLO", 300, client_on_ehlo)                              \
	X(HELO, "waiting for the reply to HELO", 300, client_on_helo)                              \
	X(STARTTLS, "waiting for the reply to STARTTLS", 120, client_on_starttls)                  \
	X(TLS, "starting TLS", 120, NULL)                                                          \
	X(CHOICE, "choosing how to log in", 120, NULL)                                             \
	X(AUTH, "waiting for the reply to AUTH", 300, client_on_auth)                              \
	X(CHALLENGE, "answering the challenge of a login", 120, NULL)                              \
	X(CANCEL, "ending a login", 120, client_on_cancel)                                         \
	X(READY, "waiting for the next message", 0, NULL)                                          \
	X(MAIL, "waiting for the reply to MAIL", 300, client_on_mail)                              \
	X(RCPT, "waiting for the reply to RCPT", 300, client_on_rcpt)                              \
	X(DATA, "waiting for the reply to DATA", 120, client_on_data)                              \
	X(BODY, "sending the message", 180, NULL)                                                  \
	X(DOT, "waiting for the reply to the end of the message", 600, client_on_dot)              \
	X(VOID, "ending a message that has no recipient", 600, client_on_void)                     \
	X(RSET, "waiting for the reply to RSET", 300, client_on_rset)                              \
	X(UNASKED, "reading a reply that nobody asked for", 5, client_on_unasked)                  \
	X(QUIT, "closing", 5, NULL)                                                                \
	X(LOST, "closed", 0, NULL)

enum client_state {
#define X(name, phrase, seconds, on_reply) CLIENT_##name,
	CLIENT_STATES(X)
#undef X
};

/* RCPT, RESULT, and READY or LOST may come of one reply. */
#define CLIENT_EVENTS_MOST 4

/* The envelope's commands, MAIL RCPT... DATA, as lines, and two cursors that walk them. */
struct client_envelope {
	struct buf lines;
	size_t sent_at, answered_at; /* in octets: what lies between them is awaited */
	size_t sent, answered;	     /* in commands; 0 is MAIL, the last is DATA */
	size_t commands;
	size_t accepted;  /* recipients */
	uint64_t start;	  /* where the lines begin in all octets of the connection */
	bool has_result;  /* the RESULT is out; what replies are still due tell nothing */
	bool needs_reset; /* the peer may be within a transaction */
};

struct smtp_client {
	char *ehlo_name;
	enum smtp_client_tls tls;
	bool wants_login;
	bool is_tls;
	enum client_state state;
	struct smtp_client_offers offers;
	struct buf in; /* not looked at yet */
	struct buf out;
	uint64_t sent;	    /* octets of all output so far */
	uint64_t reply_due; /* a reply before so many octets are sent answers nothing of ours */
	bool is_out_secret; /* `out` holds parts of a login */
	struct smtp_reply_parser parser;
	struct buf text; /* of the reply in the events */
	struct buf challenge;
	struct secret initial; /* of AUTH, when it is too long for the command line */
	struct client_envelope envelope;
	struct smtp_body_encoder body;
	struct smtp_client_event events[CLIENT_EVENTS_MOST];
	unsigned event_first, event_count;
};

typedef void client_on_reply(struct smtp_client *cl, const struct smtp_reply *reply);

client_on_reply client_on_greeting, client_on_ehlo, client_on_helo, client_on_starttls,
	client_on_auth, client_on_cancel, client_on_mail, client_on_rcpt, client_on_data,
	client_on_dot, client_on_void, client_on_rset, client_on_unasked;

struct smtp_client_event *client_push(struct smtp_client *cl, enum smtp_client_event_type type);
struct smtp_client_event *client_push_reply(struct smtp_client *cl,
					    enum smtp_client_event_type type,
					    const struct smtp_reply *reply);
/* A command that is complete in `out` awaits its reply. */
void client_await(struct smtp_client *cl, enum client_state state);
/* Puts a line in the output and awaits its reply. */
void client_command(struct smtp_client *cl, enum client_state state, const char *line);
void client_become_ready(struct smtp_client *cl);
/* Set-up cannot go on. reply may be NULL; phrase NULL: that of the state. */
void client_refuse(struct smtp_client *cl, const struct smtp_reply *reply, const char *phrase);
void client_lose(struct smtp_client *cl, const struct smtp_reply *reply, const char *phrase);
/* Whether a call of the user that belongs to `state` has an effect: not when the connection is lost
 * or ending, which the user may not know yet. */
bool client_may(const struct smtp_client *cl, enum client_state state);

/* Plain octets came behind the 220 to STARTTLS. */
void client_lose_injected(struct smtp_client *cl);
void client_after_hello(struct smtp_client *cl);
void client_begin_login(struct smtp_client *cl);
/* The text of a 250 to EHLO, lines divided by LF; *out is all zero before. */
void client_offers_parse(struct span text, struct smtp_client_offers *out);
