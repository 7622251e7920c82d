/* smtp/server_private.h: what the files of the server engine share.
 *
 *   server.c           life, input by mode, what is forgotten when
 *   server_reply.c     slots: replies in the order of the commands, references, closing
 *   server_verbs.c     the verb table and its dispatcher; verbs without state
 *   server_login.c     AUTH and the lines within it
 *   server_envelope.c  MAIL and RCPT
 *   server_params.c    their parameters
 *   server_data.c      DATA and the content
 */
#pragma once

#include "base/list.h"
#include "smtp/body.h"
#include "line.h"
#include "smtp/server.h"

/* Which function takes the input; steps[] in server.c is indexed by it. */
enum mode {
	MODE_EARLY, /* before the greeting */
	MODE_COMMAND,
	MODE_RESPONSE, /* a line within AUTH */
	MODE_DATA,     /* DATA came, its answer is awaited */
	MODE_BODY,
	MODE_TLS, /* from STARTTLS to the handshake's end */
	MODE_CLOSED,
};

/* What is forgotten: each level with those below it. */
enum level {
	LEVEL_TRANSACTION, /* RSET, the end of a message */
	LEVEL_HELLO,	   /* EHLO, HELO */
	LEVEL_TLS,	   /* "the server MUST discard any knowledge obtained from the client" */
	LEVEL_CONNECTION,
};

struct server_transaction {
	bool is_open;	   /* MAIL was given and not refused */
	unsigned accepted; /* recipients */
	unsigned asked;	   /* RCPT that wait for an answer */
	bool is_too_big;
	struct smtp_body_decoder decoder;
};

struct server_hello {
	bool is_said;
};

struct server_tls {
	bool is_authenticated;
	struct buf failure; /* words of the last refused login; empty: none */
};

struct server_connection {
	unsigned errors, login_failures;
	bool is_tls;
};

struct smtp_server;

/* The place of one reply in the output. */
struct slot {
	struct list_node node;
	unsigned ticket; /* 0: answered from the beginning */
	const char *verb;
	/* What an answer means; not called once the session is closed. */
	void (*settle)(struct smtp_server *srv, const struct smtp_reply *reply);
	bool is_answered;
	int code;
	unsigned ref;
	struct buf octets; /* the reply as it goes out */
	struct buf text;   /* its words, of class 4 and 5 */
};

struct smtp_server {
	struct smtp_server_conf conf;
	char sid[33];
	enum mode mode;
	unsigned last_ticket, last_ref;

	struct server_connection connection;
	struct server_tls tls;
	struct server_hello hello;
	struct server_transaction transaction;

	struct span in; /* of the last feed, not used up */
	struct line line;
	bool is_line_kept;  /* the handler wants to see the line again */
	struct buf decoded; /* of the event in the caller's hands; a secret */

	struct buf output;
	struct list slots;   /* in the order of the commands */
	struct list refused; /* slots put in the output, to be told */
	struct slot *told;   /* its text is in the caller's hands */

	bool is_close_due;
	enum smtp_event_type close_type; /* QUIT or CLOSE */
	int close_code;
	struct buf close_text;
};

/* One verb. The table gives dispatch, 503s, HELP and the EHLO list. */
struct verb {
	const char *name;
	/* True when *ev is an event for the caller. */
	bool (*run)(struct smtp_server *srv, const struct verb *verb, struct span arg,
		    struct smtp_event *ev);
	unsigned flags;
	/* Appends the keywords of EHLO that speak of this verb, one to a line. */
	void (*offer)(const struct smtp_server *srv, struct buf *lines);
};

enum verb_flag {
	VERB_BEFORE_TLS = 1 << 0,
	VERB_BEFORE_HELLO = 1 << 1,
	VERB_BEFORE_LOGIN = 1 << 2,
	VERB_NEEDS_MAIL = 1 << 3,
	VERB_NOT_IN_MAIL = 1 << 4,
	VERB_LAST = 1 << 5, /* last in a group: octets behind it end the session */
	VERB_NO_ARG = 1 << 6,
	VERB_OVERLAPS = 1 << 7, /* need not wait until others of its kind are answered */
	VERB_HIDDEN = 1 << 8,	/* not in HELP */
};

/* server.c */
void server_reset(struct smtp_server *srv, enum level level);
bool server_is_safe(const struct smtp_server *srv);

/* server_reply.c */
/* A place for the answer to *ev, whose type and ticket it sets. */
void server_ask(struct smtp_server *srv, const char *verb, enum smtp_event_type type,
		void (*settle)(struct smtp_server *, const struct smtp_reply *),
		struct smtp_event *ev);
/* A reply of our own. */
void server_say(struct smtp_server *srv, const char *verb, const struct smtp_reply *reply);
void server_say_octets(struct smtp_server *srv, const char *verb, int code, struct span octets);
/* The same, for an error of the client's: one too many and it is a 421. */
void server_refuse(struct smtp_server *srv, const char *verb, const struct smtp_reply *reply);
void server_close(struct smtp_server *srv, enum smtp_event_type type, int code, struct span text);
/* What came behind DATA before 354: 503 and the end. */
void server_close_early(struct smtp_server *srv);
/* What came behind STARTTLS before TLS: the end without a word. */
void server_close_injected(struct smtp_server *srv);
void server_drop_slots(struct smtp_server *srv);
bool server_is_answered(const struct smtp_server *srv);
void slot_free(struct slot **slot);

/* server_verbs.c */
bool server_dispatch(struct smtp_server *srv, struct span line, struct smtp_event *ev);
/* May the line be taken up while others wait for their answers? */
bool server_may_overlap(struct span line);

/* server_login.c */
bool server_run_auth(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
void server_offer_auth(const struct smtp_server *srv, struct buf *lines);
bool server_take_response(struct smtp_server *srv, struct span line, struct smtp_event *ev);
bool server_refuse_response(struct smtp_server *srv, const struct smtp_reply *reply,
			    struct smtp_event *ev);
/* The words of 530 before a login. */
void server_refuse_stranger(struct smtp_server *srv, const char *verb);

/* server_envelope.c */
bool server_run_mail(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
bool server_run_rcpt(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);

/* server_params.c */
void server_offer_mail(const struct smtp_server *srv, struct buf *lines);
/* What stands behind the path, put in the event. NULL, or why it is refused. */
const struct smtp_reply *server_take_mail_params(struct smtp_server *srv, struct smtp_event *ev,
						 struct span in);
const struct smtp_reply *server_take_rcpt_params(struct smtp_server *srv, struct smtp_event *ev,
						 struct span in);

/* server_data.c */
bool server_run_data(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
/* Content from the input. True when *ev is an event. */
bool server_take_body(struct smtp_server *srv, struct smtp_event *ev);
