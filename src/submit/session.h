/* submit/session.h: one client session, private to the room.
 *
 * Shape    stream -> engine -> a table of handlers, one per event -> answers, now or later
 * Thread   the loop of its struct submit
 * Owns     its engine, the login and the message under way; the stream until closed()
 *
 * sid      names the session in the log; "(ref SID-N)" in a refusal is the same with a count
 * qid      names a message from its DATA to its delivery or notice
 */
#pragma once

#include "submit/submit.h"

#include "base/id.h"
#include "gate.h"
#include "load.h"
#include "io/stream.h"
#include "smtp/server.h"
#include "withdrawn.h"

/* More unsent output than this and the client's commands wait (a client that never reads). */
enum { SESSION_OUTPUT_MARK = 64 * 1024 };

struct auth_recent;
struct login;
struct message;
struct probe;

struct submit {
	struct submit_conf conf;
	struct list sessions;
	struct timer grace;
	bool is_stopping;
	struct work free_work;
	void (*freed)(void *user);
	void *freed_user;
	unsigned turned_away; /* of the sessions, those that hear only that there is no room */
	struct buf scratch; /* what a chunk of content becomes, or a reply; used within one event */
	struct message *spare; /* for the next messages */
	unsigned spare_count;
	uint64_t salts[32]; /* for Message-IDs; nobody can guess them */
	unsigned salt_count;
	struct withdrawn withdrawn;
	struct auth_recent *recent; /* of conf.settings */
	struct probe *probe;	    /* whether logins can be checked: this loop asks. NULL: not */
	struct load_gauge load;
	struct timer quiet; /* until the overload that this loop saw begin may be over */
	bool saw_overload;
};

struct session {
	struct submit *submit; /* owner */
	struct list_node node;
	struct stream *stream;
	struct smtp_server *engine;
	struct submit_settings *settings;   /* a reference */
	const struct submit_listen *listen; /* of these settings */
	const char *mechanisms;		    /* what is offered once TLS stands */
	struct buf certificate_names;	    /* of the client's certificate, each ended by a NUL */
	char future_until[32];		    /* how far FUTURERELEASE goes, as a date */
	struct gate_address gate_address;
	struct timer deadline;
	enum smtp_server_phase phase;
	int64_t phase_began_ms;
	int64_t login_due_ms; /* of one who is not logged in, from EHLO on */
	uint64_t sid;
	char sid_text[ID_TEXT_MAX];
	char address[48];
	struct buf ehlo;
	char *account;	  /* NULL before login */
	char *credential; /* "": the account's own password; else the app password's id */
	struct login *login;
	struct message *message;
	unsigned accepted; /* messages answered 250 */
	bool has_entered;  /* counted by the gate */
	bool is_known;	   /* to the gate: it has logged in */
	bool is_turned_away;
	bool is_awaiting_proxy; /* its header, before anything else */
	bool is_revoked;	/* ends as soon as no message is under way */
	bool is_implicit;	/* TLS from the first octet */
	bool is_secured;
	bool is_handshaking; /* STARTTLS was answered, TLS does not stand yet */
	bool is_held;	     /* the hand-off has no room: no more events until it has */
	bool is_in_data;     /* within the stream's data() */
	bool has_spoken;     /* since the deadline was set */
	bool is_closing;
	const char *reason; /* why it ended, for the log; a constant */
};

extern const struct stream_ops session_stream_ops;

/* The first words; with a refusal, the last ones too. */
void session_greet(struct session *s, const struct smtp_reply *refusal);
/* Runs events until the engine has none, sends what it says, minds the deadline. After an answer
 * that came late. */
void session_resume(struct session *s);
/* Answers and goes on. */
void session_answer(struct session *s, unsigned ticket, const struct smtp_reply *reply);
/* The same with text made by printf. */
void session_answerf(struct session *s, unsigned ticket, int code, struct smtp_status status,
		     const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Says `reply` and closes. */
void session_shut(struct session *s, const struct smtp_reply *reply, const char *reason);
/* Sends what is due and closes. `reason` is a constant, for the log. */
void session_close(struct session *s, const char *reason);
void session_on_deadline(struct timer *timer);
/* Starts a log line with the session's sid. */
void session_log_start(const struct session *s, struct logline *l, enum log_level level,
		       const char *event);
void session_log_put(const struct session *s, const struct logline *l);

/* login.c */
void login_on_auth(struct session *s, const struct smtp_event *ev);
void login_on_line(struct session *s, const struct smtp_event *ev);
void login_on_cancel(struct session *s, const struct smtp_event *ev);
/* Forgets the login under way, if any; a worker's answer is then thrown away. */
void login_drop(struct session *s);
/* The name last tried, for the log; NULL: none. */
const char *login_last_name(const struct session *s);

/* accept.c */
/* The greeting, or why there is none. */
void session_welcome(struct session *s);
/* The proxy has said whom it speaks for. */
void session_on_proxied(void *user);
/* One of the listener's proxies does not speak the PROXY protocol. */
void session_log_no_proxy(struct session *s, const char *reason);
/* With what TLS is started: the newest certificates, the listener's own way. */
struct tls_server_conf session_tls_conf(const struct session *s);

/* offer.c */
/* What the smarthosts behind can take. */
struct relay_ability session_ability(const struct session *s);
/* The engine, with what this session is offered. */
struct smtp_server *session_engine_new(struct session *s);
/* TLS stands: a client certificate may add a mechanism. */
void session_offer_login(struct session *s);

/* envelope.c */
/* Octets that a message of this session's may have: ours, or what the smarthosts take with what we add. */
uint64_t envelope_size_limit(const struct session *s);
/* What speaks against MAIL or RCPT as it was said; NULL: nothing. The reply is a
 * constant. */
const struct smtp_reply *envelope_judge_mail(const struct session *s, const struct smtp_event *ev,
					     int64_t *release_ms_out);
const struct smtp_reply *envelope_judge_rcpt(const struct session *s, const struct smtp_event *ev);

/* message.c */
void message_on_mail(struct session *s, const struct smtp_event *ev);
void message_on_rcpt(struct session *s, const struct smtp_event *ev);
void message_on_begin(struct session *s, const struct smtp_event *ev);
void message_on_chunk(struct session *s, const struct smtp_event *ev);
void message_on_end(struct session *s, const struct smtp_event *ev);
/* RSET, EHLO, or content that cannot be accepted. */
void message_on_void(struct session *s, const struct smtp_event *ev);
/* Forgets the message under way, if any; one that has come whole goes its way without us. */
void message_drop(struct session *s);
void message_free_spares(struct submit *submit);
/* A message is under way whose end the client waits for. */
bool message_is_whole(const struct session *s);
/* Content octets taken so far. */
uint64_t message_octets(const struct session *s);
