/* smtp/client_private.h: what the parts of the client engine share.
 *
 * client.c           octets in, events out, the table of states
 * client_hello.c     greeting, EHLO, STARTTLS
 * client_login.c     AUTH
 * client_offers.c    what EHLO tells
 * client_message.c   one message: what the user says of it, as commands
 * client_judge.c     what the peer cannot take
 * client_envelope.c  MAIL, RCPT and DATA: what is sent when, and what their replies mean
 * client_content.c   the content and its end by DATA, RSET
 * client_chunks.c    the content by BDAT
 * client_limits.c    recipients beyond what one transaction may have
 */
#pragma once

#include "base/list.h"
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
	X(AUTH, "logging in", 300, client_on_auth)                                                 \
	X(CHALLENGE, "answering the challenge of a login", 120, NULL)                              \
	X(CANCEL, "ending a login", 120, client_on_cancel)                                         \
	X(READY, "waiting for the next message", 0, NULL)                                          \
	X(MAIL, "waiting for the reply to MAIL", 300, client_on_mail)                              \
	X(RCPT, "waiting for the reply to RCPT", 300, client_on_rcpt)                              \
	X(OPEN, "waiting for more recipients", 0, NULL)                                            \
	X(DATA, "waiting for the reply to DATA", 120, client_on_data)                              \
	X(BODY, "sending the message", 180, NULL)                                                  \
	X(DOT, "waiting for the reply to the end of the message", 600, client_on_dot)              \
	X(CHUNKS, "sending the message", 180, client_on_chunk)                                     \
	X(CHUNK, "waiting for the reply to a part of the message", 300, client_on_chunk)           \
	X(LAST, "waiting for the reply to the end of the message", 600, client_on_last)            \
	X(DRAIN, "ending a message that was refused", 300, client_on_drain)                        \
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

/* MAIL, RCPT or DATA; CHUNKS stands for content that goes by BDAT, and is no command itself. */
struct client_command {
	struct list_node node;
	enum client_state state;      /* in which its reply is awaited */
	size_t index;		      /* RCPT: which recipient */
	const struct smtp_reply *own; /* RCPT: never sent, this is the reply; a constant */
	uint64_t end;		      /* once sent: its end in all octets of the connection */
	size_t octets;
	char line[];
};

/* The commands of a transaction as they are added, and two cursors that walk them: the first of
 * those that wait is the next to be sent, the first of those due the next to be answered. */
struct client_envelope {
	struct list waiting, due;
	size_t replies_due, recipients_due; /* from the peer: of all commands, of RCPT */
	size_t recipients, accepted;
	bool is_begun;	 /* mail() was called */
	bool is_whole;	 /* content() was called: no more recipients */
	bool has_result; /* the RESULT is out; what replies are still due tell nothing */
	bool is_utf8;	 /* the message is */
	bool avoids_chunks;
	bool needs_reset;			/* the peer may be within a transaction */
	bool says_8bit, says_binary, says_utf8; /* MAIL does */
	unsigned asked;				/* RCPT commands */
	struct buf domains; /* of these: each once, lower case, ended by NUL; only where limited */
	unsigned domain_count;
};

/* Chunks whose replies may be due at once, where the peer offers PIPELINING. */
#define CHUNKS_DUE_MOST 8

/* Content that goes by BDAT. */
struct client_chunks {
	struct buf held; /* content that is in no chunk yet */
	uint64_t size;	 /* of the content, as content() told it */
	bool is_binary;	 /* goes as it is; else its line ends are made whole, as for DATA */
	bool is_whole;	 /* body_end() was called */
	bool is_mid_line, is_behind_cr;
	uint64_t ends[CHUNKS_DUE_MOST]; /* in all octets of the connection; a ring */
	unsigned first, count;
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
	struct buf line;    /* of the command that is being put together */
	uint64_t sent;	    /* octets of all output so far */
	uint64_t reply_due; /* a reply before so many octets are sent answers nothing of ours */
	bool is_out_secret; /* `out` holds parts of a login */
	struct smtp_reply_parser parser;
	struct buf text; /* of the reply in the events */
	struct buf challenge;
	struct secret initial; /* of AUTH, when it is too long for the command line */
	struct client_envelope envelope;
	struct smtp_body_encoder body;
	struct client_chunks chunks;
	bool knows_bdat;      /* the peer has taken a chunk of this message */
	bool has_sent_chunks; /* of the last message */
	bool distrusts_chunking;
	struct smtp_client_event events[CLIENT_EVENTS_MOST];
	unsigned event_first, event_count;
};

/* Empty, and ready for the next message: a connection that rests holds no large buffer. */
void client_rest_buf(struct buf *b);

typedef void client_on_reply(struct smtp_client *cl, const struct smtp_reply *reply);

client_on_reply client_on_greeting, client_on_ehlo, client_on_helo, client_on_starttls,
	client_on_auth, client_on_cancel, client_on_mail, client_on_rcpt, client_on_data,
	client_on_dot, client_on_chunk, client_on_last, client_on_drain, client_on_void,
	client_on_rset, client_on_unasked;

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
/* Lost or ending, which the user may not know yet. */
bool client_is_over(const struct smtp_client *cl);
/* Whether a call of the user that belongs to `state` has an effect: not when it is over. */
bool client_may(const struct smtp_client *cl, enum client_state state);

/* Plain octets came behind the 220 to STARTTLS. */
void client_lose_injected(struct smtp_client *cl);
void client_after_hello(struct smtp_client *cl);
void client_begin_login(struct smtp_client *cl);
/* The text of a 250 to EHLO, lines divided by LF; *out is all zero before. */
void client_offers_parse(struct span text, struct smtp_client_offers *out);

void client_envelope_init(struct client_envelope *e);
void client_envelope_fini(struct client_envelope *e);
/* A command at the end, with its CRLF. */
void client_envelope_add(struct client_envelope *e, enum client_state state, struct span line);
/* A recipient that the peer is not asked about. */
void client_envelope_refuse(struct client_envelope *e, const struct smtp_reply *why);
/* After each change of the envelope: sends what may be sent, and awaits what is due. */
void client_go_on(struct smtp_client *cl);
/* True: the recipient whose turn it is was one that we refused; it is told. */
bool client_tell_refused(struct smtp_client *cl);
/* RESULT for what came of MAIL, RCPT and DATA, before any content; of our own making or not. */
void client_push_early_result(struct smtp_client *cl, const struct smtp_reply *reply, bool is_ours);
/* How the address is said: as it stands, or with its domain in A-labels. NULL: that is appended; else
 * why it cannot be said. */
const struct smtp_reply *client_spell_address(const struct smtp_client_offers *offers,
					      bool may_utf8, struct span address, struct buf *out);
/* NULL: the peer can take it. The reply is a constant. */
const struct smtp_reply *client_judge_message(const struct smtp_client *cl,
					      const struct smtp_client_message *message);
const struct smtp_reply *client_judge_content(const struct smtp_client *cl, uint64_t size,
					      unsigned form);
/* Whether the peer's limits leave room for this recipient in the transaction; then it is counted. */
bool client_limits_take(struct smtp_client *cl, struct span mailbox);
/* RCPT and RESULT events that were not taken yet are not told. */
void client_drop_verdicts(struct smtp_client *cl);
/* No reply to MAIL, RCPT, the end of a message or RSET begins with 3: somebody has lost count, and
 * the connection is lost. */
bool client_is_out_of_step(struct smtp_client *cl, const struct smtp_reply *reply);
void client_send_void(struct smtp_client *cl);
/* All recipients are known to the peer, and the content goes by BDAT. */
void client_chunks_begin(struct smtp_client *cl);
void client_chunks_put(struct smtp_client *cl, struct span content);
void client_chunks_end(struct smtp_client *cl);
/* What was held is of no more use. */
void client_chunks_fini(struct smtp_client *cl);
void client_end_transaction(struct smtp_client *cl);
