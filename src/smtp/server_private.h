/* smtp/server_private.h: what the files of the server engine share.
 *
 *   server.c           life, what is forgotten when
 *   server_input.c     input by mode, events
 *   server_reply.c     slots: replies in the order of the commands
 *   server_words.c     the words of a refusal: the address, footer and reference
 *   server_close.c     how a session ends
 *   server_verbs.c     the verb table and its dispatcher
 *   server_hello.c     EHLO, HELO, STARTTLS
 *   server_simple.c    verbs without state
 *   server_login.c     AUTH and the lines within it
 *   server_envelope.c  MAIL and RCPT
 *   server_params.c    their parameters
 *   server_data.c      DATA and the content's end
 *   server_chunk.c     BDAT
 */
#pragma once

#include "base/list.h"
#include "smtp/body.h"
#include "line.h"
#include "smtp/server.h"

/* Which function takes the input; steps[] in server_input.c is indexed by it. */
enum mode {
	MODE_EARLY, /* before the greeting */
	MODE_COMMAND,
	MODE_RESPONSE, /* a line within AUTH */
	MODE_DATA,     /* DATA came, its answer is awaited */
	MODE_BODY,
	MODE_BDAT,  /* the first BDAT came, its answer is awaited; its octets may stand behind it */
	MODE_CHUNK, /* the octets behind a BDAT, also of one that is refused */
	MODE_TLS,   /* from STARTTLS to the handshake's end */
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
	bool is_utf8;	   /* with SMTPUTF8 */
	bool is_chunked;   /* a BDAT was let in */
	bool is_spoilt;	   /* not open: a chunk was refused, and others may be on their way */
	unsigned accepted; /* recipients */
	unsigned asked;	   /* RCPT that wait for an answer */
	enum smtp_body_type body;
	uint64_t announced; /* by BDAT so far */
	bool is_too_big;
	struct smtp_body_decoder decoder;
};

/* Stands apart from the transaction: what was announced comes, whatever became of it. */
struct server_chunk {
	uint64_t octets, left;
	bool is_last;
	bool is_refused; /* the octets are thrown away, and only then the reply goes out */
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
	enum smtp_event_type type; /* what was asked */
	struct buf address;	   /* named in a refusal; empty: none */
	/* What an answer means; not called once the session is closed. */
	void (*settle)(struct smtp_server *srv, const struct smtp_reply *reply);
	bool is_answered;
	int code;
	unsigned ref;
	struct buf octets; /* the reply as it goes out, where it is not its turn yet */
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
	struct server_chunk chunk;

	struct span in; /* of the last feed, not used up */
	struct line line;
	bool is_line_kept;	    /* the handler wants to see the line again */
	struct buf decoded;	    /* of the event in the caller's hands; a secret */
	struct smtp_reply composed; /* the last of server_compose(), */
	struct buf words;	    /* and its text */

	struct buf output;
	struct slot own;     /* nearly always there is one alone: this one, with its buf kept */
	bool is_own_used;
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
	VERB_ASKS = 1 << 9,	/* is run in any case and calls server_why_not() itself */
};

/* server.c */
void server_reset(struct smtp_server *srv, enum level level);
/* Ends the transaction for a chunk that is refused. */
void server_spoil(struct smtp_server *srv);
bool server_is_safe(const struct smtp_server *srv);

/* server_reply.c */
/* A place for the answer to *ev, whose type and ticket it sets. */
struct slot *server_ask(struct smtp_server *srv, const char *verb, enum smtp_event_type type,
			void (*settle)(struct smtp_server *, const struct smtp_reply *),
			struct smtp_event *ev);
/* A reply of our own. */
void server_say(struct smtp_server *srv, const char *verb, const struct smtp_reply *reply);
void server_say_of(struct smtp_server *srv, const char *verb, struct span address,
		   const struct smtp_reply *reply);
void server_say_octets(struct smtp_server *srv, const char *verb, int code, struct span octets);
/* The same, for an error of the client's: one too many and it is a 421. */
void server_refuse(struct smtp_server *srv, const char *verb, const struct smtp_reply *reply);
void server_refuse_of(struct smtp_server *srv, const char *verb, struct span address,
		      const struct smtp_reply *reply);
/* Moves what is answered, from the oldest on, into the output. */
void server_flush(struct smtp_server *srv);
void server_drop_slots(struct smtp_server *srv);
bool server_is_answered(const struct smtp_server *srv);
void server_slot_free(struct smtp_server *srv, struct slot **slot);

/* server_words.c */
/* A reply whose text is put together; lives until the next one. */
const struct smtp_reply *server_compose(struct smtp_server *srv, int code,
					struct smtp_status status, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* The reply; where conf.tls_port is known, with its text followed by `link` and " SSL/TLS on port 465".
 * Lives as long as server_compose()'s. */
const struct smtp_reply *server_name_tls_port(struct smtp_server *srv,
					      const struct smtp_reply *reply, const char *link);
/* What the reply says of the address, if any, as the text for the log and as the line sent. */
void server_put_refusal(struct smtp_server *srv, const struct smtp_reply *reply,
			struct span address, unsigned ref, struct buf *text, struct buf *line);

/* server_close.c */
void server_close(struct smtp_server *srv, enum smtp_event_type type, int code, struct span text);
/* What came behind DATA before 354: 503 and the end. */
void server_close_early(struct smtp_server *srv);
/* What came behind STARTTLS before TLS: the end without a word. */
void server_close_injected(struct smtp_server *srv);

/* server_verbs.c */
bool server_dispatch(struct smtp_server *srv, struct span line, struct smtp_event *ev);
/* May the line be taken up while others wait for their answers? */
bool server_may_overlap(struct span line);
/* Why the verb cannot be carried out now; NULL: it can. */
const struct smtp_reply *server_why_not(struct smtp_server *srv, const struct verb *verb);
/* The lines of EHLO behind the first. */
void server_put_offers(const struct smtp_server *srv, struct buf *lines);
void server_put_verbs(struct buf *names);

/* server_hello.c */
bool server_run_ehlo(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
bool server_run_helo(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
bool server_run_starttls(struct smtp_server *srv, const struct verb *verb, struct span arg,
			 struct smtp_event *ev);
void server_offer_ehlo(const struct smtp_server *srv, struct buf *lines);
void server_offer_starttls(const struct smtp_server *srv, struct buf *lines);
/* Tells of the transaction's end before the command that ends it is carried out. */
bool server_end_transaction(struct smtp_server *srv, struct smtp_event *ev);

/* server_simple.c */
bool server_run_rset(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
bool server_run_noop(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
bool server_run_quit(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
bool server_run_vrfy(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
bool server_run_help(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
/* Of other servers, or of other times. */
bool server_run_none(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
/* A browser that was tricked into speaking to us. */
bool server_run_http(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);

/* server_login.c */
bool server_run_auth(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
void server_offer_auth(const struct smtp_server *srv, struct buf *lines);
bool server_take_response(struct smtp_server *srv, struct span line, struct smtp_event *ev);
/* Ends the login for a line that is none. */
bool server_refuse_response(struct smtp_server *srv, const struct smtp_reply *reply,
			    struct smtp_event *ev);
/* Refuses AUTH, and has the 530 of a later MAIL repeat why. */
void server_refuse_login(struct smtp_server *srv, const struct smtp_reply *reply);
/* The 530 before a login. */
const struct smtp_reply *server_log_in_first(struct smtp_server *srv);

/* server_envelope.c */
bool server_run_mail(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
bool server_run_rcpt(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
void server_offer_rcpt(const struct smtp_server *srv, struct buf *lines);
/* The address that stands behind "TO:", for the words of a refusal; empty: none that can be said. */
struct span server_named_address(const struct smtp_server *srv, struct span arg);

/* server_params.c */
void server_offer_mail(const struct smtp_server *srv, struct buf *lines);
/* What stands behind the path, put in the event. NULL, or why it is refused. */
const struct smtp_reply *server_take_mail_params(struct smtp_server *srv, struct smtp_event *ev,
						 struct span in);
const struct smtp_reply *server_take_rcpt_params(struct smtp_server *srv, struct smtp_event *ev,
						 struct span in);

/* server_data.c */
extern const struct smtp_reply server_nobody, server_too_big;
bool server_run_data(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
/* Content from the input. True when *ev is an event. */
bool server_take_body(struct smtp_server *srv, struct smtp_event *ev);
/* False once the content is above its limit. */
bool server_has_room(struct smtp_server *srv);
bool server_is_content_bad(const struct smtp_server *srv);
/* BODY_END, or a refusal and BODY_BAD. */
void server_end_content(struct smtp_server *srv, const char *verb, struct smtp_event *ev);

/* server_chunk.c */
bool server_run_bdat(struct smtp_server *srv, const struct verb *verb, struct span arg,
		     struct smtp_event *ev);
void server_offer_bdat(const struct smtp_server *srv, struct buf *lines);
/* Octets of the chunk under way. True when *ev is an event; its end changes the mode. */
bool server_take_chunk(struct smtp_server *srv, struct smtp_event *ev);
