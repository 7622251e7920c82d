/* smtp/server.h: the server side of a submission session as a pure engine.
 *
 * Shape    feed(octets) -> next(event)... -> answer(ticket, reply) at any later time -> output()
 * Thread   one at a time; no I/O, no clock, no log
 * Owns     its output and its line buffer. The octets given to feed() stay the caller's and must
 *          not move until next() says MORE or the caller asks smtp_server_left() how many of them
 *          are unused and feeds those again later. Spans in an event live until the next call of
 *          next() or feed(), and no longer than the octets fed.
 * Units    octets; tickets count commands and are never 0
 * Source   RFC 5321, 2920 (PIPELINING), 3207 (STARTTLS), 4954 (AUTH), 1870 (SIZE), 6152
 *          (8BITMIME), 2034 (ENHANCEDSTATUSCODES), 3030 (CHUNKING, BINARYMIME), 3461 (DSN), 4865
 *          (FUTURERELEASE), 6409 (submission), 6531 (SMTPUTF8), 8689 (REQUIRETLS), 9422 (LIMITS)
 *
 * The engine answers by itself whatever needs no decision: EHLO, HELO, NOOP, RSET, HELP, VRFY, QUIT,
 * and each syntax and sequence error. The caller answers MAIL, RCPT, AUTH, AUTH_LINE, STARTTLS,
 * BODY_BEGIN and BODY_END. Replies go out in the order of the commands, whatever the order of
 * the answers. Several RCPT may wait for answers at once; every other command waits until those
 * before it are answered (next() says WAIT).
 *
 * Every reply of class 4 and 5 is one line; it gets the footer and " (ref SID-N)" at its end, and is
 * reported by an event of type REFUSED, the caller's own answers too, so that one place logs every
 * refusal. One of 421 ends the session, the caller's own too. A refusal of RCPT names the recipient
 * in angle brackets: where the caller's answer does not, the engine puts "<recipient>: " before it.
 * Success at MAIL and BODY_END is said as 250, whatever 2xx the answer has.
 *
 * After CLOSE and QUIT all input is ignored, next() says MORE, open tickets are void and what is
 * answered to them is ignored.
 *
 * BDAT: a message in chunks is BODY_BEGIN, BODY_CHUNKs and BODY_END (or BODY_BAD) like one by DATA.
 * Each chunk but the last is answered by the engine. Of a chunk that is refused the octets are thrown
 * away before the refusal goes out, or, where they would be too many, the session is closed; it ends
 * its transaction (RESET before BODY_BEGIN, BODY_BAD behind it), and the chunks that follow are thrown
 * away and refused. A BDAT whose size cannot be read ends the session: no octet of content is ever
 * taken for a command.
 *
 * After a refused login the 530 that MAIL gets repeats the reason: some clients show only that.
 */
#pragma once

#include "base/buf.h"
#include "smtp/dsn.h"
#include "smtp/path.h"
#include "smtp/reply.h"

/* name, help for the reader of a log */
#define SMTP_EVENTS(X)                                                                             \
	X(MORE)	      /* all input is used up */                                                   \
	X(WAIT)	      /* an answer is awaited, or the output is over its mark: call again later */ \
	X(EHLO)	      /* text: the client's name; is_esmtp. Answered already */                    \
	X(STARTTLS)   /* answer 220 and, once output() is flushed, start TLS; or 4xx/5xx */        \
	X(AUTH)	      /* text: mechanism in upper case; data/has_data: initial response, decoded */\
	X(AUTH_LINE)  /* data: the client's response, decoded. Same ticket rules as AUTH */        \
	X(AUTH_CANCEL)/* the client sent "*", or broken base64: forget the login. Answered */      \
	X(MAIL)	      /* path, mail */                                                             \
	X(RCPT)	      /* path, rcpt */                                                             \
	X(BODY_BEGIN) /* DATA, or the first BDAT, with at least one accepted recipient: answer 354    \
			 (which BDAT's client does not see); 4xx/5xx end the transaction */      \
	X(BODY_CHUNK) /* data: content octets, dots unstuffed, CRLF line ends (unless it is           \
			 BINARYMIME: then as they came). No ticket */        \
	X(BODY_END)   /* the whole content came; has_long_lines, is_dotless: answer 2xx, 4xx or 5xx */ \
	X(BODY_BAD)   /* the content, or one of its chunks, is too big or malformed: drop it all.     \
			 Answered */                                                                \
	X(RESET)      /* RSET, EHLO or a refused first chunk ended an open transaction: forget it. The        \
			 engine answers */                                                          \
	X(REFUSED)    /* ref, code, text: a 4xx or 5xx that has just been put in the output */     \
	X(QUIT)	      /* 221 stands in the output: flush and close */                              \
	X(CLOSE)      /* code, text: a violation; flush the output (which may be empty) and close */

enum smtp_event_type {
#define X(name) SMTP_EVENT_##name,
	SMTP_EVENTS(X)
#undef X
};

enum smtp_body_type { SMTP_BODY_7BIT, SMTP_BODY_8BITMIME, SMTP_BODY_BINARYMIME };

struct smtp_mail_params {
	uint64_t size; /* 0: not given */
	enum smtp_body_type body;
	struct span auth; /* of AUTH=, decoded: a mailbox or "<>"; at == NULL: not given */
	enum smtp_ret ret;
	struct span envid; /* xtext, as sent; empty: not given */
	bool is_utf8;	   /* SMTPUTF8 was said */
	bool require_tls;  /* REQUIRETLS was said */
	/* FUTURERELEASE, at most one of them: seconds from now; seconds since the epoch. 0: not
	 * given. HOLDFOR is within conf.future_s; HOLDUNTIL is the caller's to judge. */
	int64_t hold_for_s, hold_until_s;
};

struct smtp_event {
	enum smtp_event_type type;
	unsigned ticket; /* 0: nothing to answer */
	unsigned ref;	 /* REFUSED: the N of "(ref SID-N)" */
	int code;
	bool is_esmtp, has_data;
	bool has_long_lines; /* BODY_END */
	bool is_dotless;     /* BODY_END: SMTP_FORM_DOTLESS (smtp/content.h) */
	struct span text, data;
	struct smtp_path path;
	struct smtp_mail_params mail;
	struct smtp_rcpt_params rcpt;
	const char *verb; /* REFUSED: the command that was refused; "-" for none */
};

struct smtp_server_conf {
	const char *hostname;	/* in the greeting and in EHLO; must outlive the engine */
	const char *mechanisms; /* "PLAIN LOGIN", as offered; must outlive the engine. "": AUTH is
				   not offered */
	const char *footer; /* in every refusal that has room for it, before its reference: "Help: +49
			       30 1234", at most 150 octets; NULL or "": none; must outlive the engine */
	const char *sid;	/* for references; at most 32 octets, copied */
	uint64_t message_octets;  /* SIZE; 0: no limit */
	unsigned recipients;	  /* a message */
	unsigned errors;	  /* a connection; then 421 and CLOSE */
	unsigned login_failures;  /* a connection; then 421 and CLOSE */
	size_t line_octets;	  /* a command with CRLF; at least 512. 1,400 has room for all
				     parameters at their largest */
	size_t auth_line_octets;  /* a base64 line with CRLF, alone or behind AUTH and a mechanism; RFC
				     4954 4.: 12288 and CRLF */
	size_t output_octets;	  /* next() says WAIT while more output than this is unsent */
	bool refuse_bare_lf;
	bool auth_line; /* "AUTH=PLAIN LOGIN" besides, for clients of before RFC 2554 */
	bool offers_utf8, offers_require_tls;
	uint64_t future_s;	  /* FUTURERELEASE: seconds ahead, at most; 0: not offered */
	const char *future_until; /* and as a date: "2026-11-29T12:00:00Z"; must outlive the engine */
	bool starttls_offered;	/* false with TLS from the first octet */
	bool is_tls;		/* true with TLS from the first octet */
	unsigned tls_port;	/* to tell of where TLS is missing or too early; 0: none */
	/* true: AUTH and MAIL work without TLS. Never set from a configuration; for the tests of
	 * other things. */
	bool allow_plaintext;
};

struct smtp_server;

struct smtp_server *smtp_server_new(const struct smtp_server_conf *conf);
void smtp_server_free(struct smtp_server **srv);

/* Puts the greeting in the output: 220, or, with a reply of class 4 or 5, that one, after which
 * next() says CLOSE. Called once, before anything else: octets that are fed before it are a
 * violation (554 and CLOSE). */
void smtp_server_greet(struct smtp_server *srv, const struct smtp_reply *refusal);

void smtp_server_feed(struct smtp_server *srv, struct span octets);
enum smtp_event_type smtp_server_next(struct smtp_server *srv, struct smtp_event *out);
/* How many octets of the last feed() are not used up. The engine forgets them: from now on they may
 * move, next() says MORE or WAIT, and the caller feeds them again, with more behind them or not. */
size_t smtp_server_left(struct smtp_server *srv);

/* The reply to the event with that ticket; its text is copied. 334 to AUTH and AUTH_LINE carries
 * the challenge as raw octets (the engine encodes it); 235 ends the login with success. A ticket is
 * answered exactly once. */
void smtp_server_answer(struct smtp_server *srv, unsigned ticket, const struct smtp_reply *reply);

/* Octets to send, oldest first; smtp_server_sent() uses them up. */
struct span smtp_server_output(const struct smtp_server *srv);
void smtp_server_sent(struct smtp_server *srv, size_t octets);

/* The handshake after a 220 to STARTTLS is done: everything learned before is forgotten (RFC 3207
 * 4.2). */
void smtp_server_tls_started(struct smtp_server *srv);
/* From the next EHLO on other mechanisms are offered, and taken at once (a certificate came with the
 * handshake); they must outlive the engine. "": none. */
void smtp_server_offer(struct smtp_server *srv, const char *mechanisms);

/* Ends the session from outside: the reply (421...) goes out behind what is due, open tickets are
 * void (must not be answered any more), and next() says REFUSED and CLOSE. */
void smtp_server_shut(struct smtp_server *srv, const struct smtp_reply *reply);

enum smtp_server_phase {
	SMTP_PHASE_GREETING, /* before EHLO */
	SMTP_PHASE_COMMAND,  /* before or between transactions */
	SMTP_PHASE_LOGIN,    /* within AUTH */
	SMTP_PHASE_ENVELOPE, /* after MAIL */
	SMTP_PHASE_BODY,     /* after 354 */
	SMTP_PHASE_ANSWER,   /* all is sent, the client waits for us */
	SMTP_PHASE_CLOSED,
};

/* Which deadline applies now. */
enum smtp_server_phase smtp_server_phase(const struct smtp_server *srv);
bool smtp_server_is_authenticated(const struct smtp_server *srv);
