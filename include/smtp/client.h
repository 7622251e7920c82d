/* smtp/client.h: the client side of a session with a smarthost as a pure engine.
 *
 * Shape    feed(octets) -> next(event)...; commands are put in by the functions below;
 *          output() is what to send. Two cursors, sent and answered: what the peer offers with
 *          PIPELINING goes out in one go.
 * Thread   one at a time; no I/O, no clock, no log
 * Owns     its output and copies of what it is told. Spans in an event live until the next call.
 * Errors   what is no SMTP reply, a reply that no command in whole sent asked for, or octets behind
 *          the 220 of STARTTLS: event LOST, and nothing more is ever sent. Once the engine is lost
 *          or ending, calls that belong to an earlier state have no effect
 * Source   RFC 5321, 2920, 3207, 4954, 1870, 6152, 3030, 3461, 6531, 8689, 9422
 *
 * A message: an RCPT event for each recipient's reply (accepted ones too) as the replies come,
 * then, unless the connection is lost first, exactly one RESULT. It decides the recipients that
 * RCPT events accepted, and those without an RCPT event: none is sent once MAIL was refused. When
 * no recipient was accepted, RESULT is 554 5.5.1 of our own making and decides nothing. RSET is
 * sent by the engine where a transaction was left half-way; READY follows its 250.
 *
 * Content goes by BDAT where it is binary, and, where the peer offers CHUNKING, when it is large (1 MiB); else
 * by DATA, which troubles fewer peers. The first chunk of a message is one line, and waits alone for its
 * reply: what follows a BDAT that the peer does not know would be commands to it. When it answers 500 to
 * 504, RESULT is 451 4.3.5 of our own making, LOST follows, and the offers say no CHUNKING any more. Of
 * further chunks several may be on their way to a peer that offers PIPELINING; the last one is sent when
 * all others were taken, so nobody has half a message. A refused chunk is the RESULT, the rest of the
 * content is not sent, and READY comes after RSET.
 *
 * 421 in place of a reply is that reply (an RCPT or RESULT event of class 4, or REFUSED), and then
 * LOST. In answer to MAIL it mostly means that the peer had closed the connection already: RESULT
 * with code 421 and is_before_body, to be tried at once on a new connection.
 */
#pragma once

#include "base/buf.h"
#include "smtp/content.h"
#include "smtp/dsn.h"
#include "smtp/reply.h"

#define SMTP_CLIENT_EVENTS(X)                                                                       \
	X(MORE)	     /* all input is used up */                                                     \
	X(START_TLS) /* flush the output, start TLS, then smtp_client_tls_started() */              \
	X(LOGIN)     /* text: mechanisms offered. Call smtp_client_login() or _no_login() */        \
	X(CHALLENGE) /* data: decoded. Call smtp_client_respond() or _cancel() */                   \
	X(READY)     /* a message may begin; comes after set-up, and after each message */          \
	X(REFUSED) /* reply, phrase: set-up failed for a reason the peer gave; the engine QUITs: \
			flush and close. Without a reply (code 0) phrase is the whole reason */  \
	X(RCPT)	   /* index, reply: the verdict on one recipient */                                 \
	X(SEND_BODY) /* 354, or BDAT may be sent: call smtp_client_body() for all of the content, \
			then _body_end(). By BDAT a RESULT may come before that end: then no more */ \
	X(RESULT) /* reply, is_before_body: the verdict on the message (or on MAIL, or on DATA) \
			for every recipient that no RCPT event refused. READY or LOST follows */   \
	X(LOST)	  /* phrase, and reply when one caused it: the connection is of no more use */

enum smtp_client_event_type {
#define X(name) SMTP_CLIENT_##name,
	SMTP_CLIENT_EVENTS(X)
#undef X
};

struct smtp_client_event {
	enum smtp_client_event_type type;
	size_t index; /* RCPT: which recipient */
	/* text: several lines joined by one space, without their enhanced codes, at most 1,000
	 * octets; controls are '?', other octets are as the peer sent them */
	struct smtp_reply reply;
	const char *phrase; /* what we were doing: "waiting for the greeting" ... constant */
	struct span text, data;
	/* RESULT: true when the peer's words came before any content was sent; false after it */
	bool is_before_body;
	bool is_ours; /* RCPT, RESULT: the words are not the peer's, which was not asked */
};

enum smtp_client_tls {
	SMTP_CLIENT_TLS_NONE,	  /* plain text, by explicit setting only */
	SMTP_CLIENT_TLS_STARTTLS, /* required: without it nothing but EHLO and QUIT is sent */
	SMTP_CLIENT_TLS_IMPLICIT, /* the first octet is inside TLS */
};

struct smtp_client_conf {
	const char *ehlo_name; /* copied */
	enum smtp_client_tls tls;
	bool login; /* log in before the first message; required when set */
	/* CHUNKING and BINARYMIME are taken as not offered: this peer does not know what it offers. */
	bool distrusts_chunking;
};

/* What the peer offered in its last EHLO. What cannot be made out there is left out; of a limit that is
 * told twice the smaller counts. */
struct smtp_client_offers {
	bool pipelining, eightbitmime, size, starttls, auth, smtputf8, dsn, chunking, binarymime;
	bool require_tls;
	uint64_t size_octets; /* 0: no limit told */
	/* LIMITS: messages over one connection, recipients of one message, domains of its recipients;
	 * 0: no limit told. */
	unsigned mail_most, rcpt_most, rcpt_domains_most;
	char mechanisms[256];
};

struct smtp_client_message {
	struct span sender; /* without angle brackets; empty: <> */
	const struct span *recipients;
	size_t recipient_count;
	uint64_t size;	    /* of the content; 0: unknown */
	unsigned form;	    /* enum smtp_form of the content, as it will be given to body() */
	bool may_be_8bit;   /* not known yet: BODY=8BITMIME is said where the peer offers it */
	bool is_utf8;	    /* the sender said SMTPUTF8: said again where the peer offers it */
	bool avoids_chunks; /* by BDAT only where nothing else can carry the content */
	bool require_tls;   /* REQUIRETLS is said; 550 5.7.30 where the peer does not offer it */
	enum smtp_ret ret;  /* RFC 3461; only said where the peer offers DSN, like the next two, of
			      which only valid ones are said (smtp/dsn.h) */
	struct span envid;
	const struct smtp_rcpt_params *params; /* as many as recipients; NULL: none has any */
};

struct smtp_client;

struct smtp_client *smtp_client_new(const struct smtp_client_conf *conf);
void smtp_client_free(struct smtp_client **cl);

void smtp_client_feed(struct smtp_client *cl, struct span octets);
enum smtp_client_event_type smtp_client_next(struct smtp_client *cl, struct smtp_client_event *out);

void smtp_client_tls_started(struct smtp_client *cl);
/* AUTH mechanism, with an initial response where `initial` is not NULL. Not base64 yet. */
void smtp_client_login(struct smtp_client *cl, const char *mechanism, const struct span *initial);
void smtp_client_respond(struct smtp_client *cl, struct span response);
void smtp_client_cancel_login(struct smtp_client *cl);
/* No offered mechanism fits: REFUSED follows, with these words. `why` is a constant. */
void smtp_client_no_login(struct smtp_client *cl, const char *why);

/* Only after READY; at least one recipient. Spans are copied at once. What the peer cannot take is
 * refused without asking it: RESULT with 554 5.6.3 (8-bit content without 8BITMIME, binary without
 * BINARYMIME and CHUNKING), 552 5.3.4 (above its SIZE), 553 5.6.7 (a local part beyond ASCII, or an
 * 8-bit header section of a message that is_utf8, without SMTPUTF8), 550 5.7.30 (REQUIRETLS that is
 * not offered, or without TLS) or 553 5.1.3 (a control in an address, a domain that is none), and the
 * connection stays READY. SMTPUTF8 is said where the peer offers it and the sender said it or an
 * address is beyond ASCII; a domain beyond ASCII is sent in A-labels where MAIL does not say SMTPUTF8.
 * Recipients beyond the peer's RCPTMAX or RCPTDOMAINMAX get an RCPT event of 452 4.5.3 with is_ours:
 * they need a transaction of their own. Long lines are sent as they are. */
void smtp_client_message(struct smtp_client *cl, const struct smtp_client_message *message);

/* The same in steps, for a message whose recipients become known one by one. mail() begins the
 * transaction, with the recipients that message has so far, also none; each recipient() adds one;
 * the index of RCPT events counts them all in that order; content() says that there are no more and
 * what is known of the content now, and sends DATA; SEND_BODY, RESULT and so on follow as for
 * smtp_client_message(), which is mail() and content() in one. Each goes out at once where the peer
 * offers PIPELINING, and in its turn otherwise.
 *
 * MAIL refused: RESULT with is_before_body comes at once and speaks for the recipients that might
 * still be added; READY follows once what is due was answered. That no recipient was accepted is
 * told only after content().
 *
 * What the peer cannot take is told when it is known. By mail(): as by smtp_client_message(). By
 * recipient(): 553 in an RCPT event, in its turn among the replies to the others. By content():
 * RESULT of 552 5.3.4, 554 5.6.3 or 553 5.6.7, at once, also for recipients whose replies are still
 * due. What the peer could have taken had MAIL said so is to be sent again as a whole: a recipient
 * with a local part beyond ASCII gets an RCPT event of 450 4.6.7; 8-bit content after mail() without
 * may_be_8bit, and binary content after mail() with another form, a RESULT of 450 4.6.3.
 *
 * While all is answered and content() was not called, nothing is awaited from the peer: what it
 * says then, also 421, is LOST without a RESULT. After a RESULT, or LOST, recipient(), content()
 * and reset() have no effect. Each may lead to events: call next() after it. */
void smtp_client_mail(struct smtp_client *cl, const struct smtp_client_message *message);
void smtp_client_recipient(struct smtp_client *cl, struct span mailbox,
			   const struct smtp_rcpt_params *params);
void smtp_client_content(struct smtp_client *cl, uint64_t size, unsigned form);
/* Before content(): the transaction is given up. RSET once what is due was answered, then READY; no
 * RCPT event and no RESULT come any more, not even one that waits to be taken by next(). */
void smtp_client_reset(struct smtp_client *cl);

/* Content with CRLF line ends (binary: anything), in parts; stuffed into the output, or put in chunks.
 * Only after SEND_BODY. wants_body(): false while more content would only pile up here until the peer
 * has answered for its chunks; look again after next(). */
bool smtp_client_wants_body(const struct smtp_client *cl);
void smtp_client_body(struct smtp_client *cl, struct span content);
void smtp_client_body_end(struct smtp_client *cl);
/* As body(), but long runs of octets that go out as they stand are not copied: takes octets from the front
 * of *content; the span that is returned, which may be empty, is to be sent at once, behind output() as it
 * is then. Call again until *content is empty; more content waits until it wants_body(). */
struct span smtp_client_pass(struct smtp_client *cl, struct span *content);
/* QUIT; only while READY. Octets that come later are ignored. */
void smtp_client_quit(struct smtp_client *cl);

/* What is to be sent; sent() says that the transport has a copy: call it at once, because a reply
 * to a command that was not sent ends the connection. */
struct span smtp_client_output(const struct smtp_client *cl);
void smtp_client_sent(struct smtp_client *cl, size_t octets);

const struct smtp_client_offers *smtp_client_offers(const struct smtp_client *cl);

/* What is awaited now: which deadline applies and how a failure is told. From one table indexed by
 * the state; RFC 5321 4.5.3.2 gives the defaults. */
struct smtp_client_wait {
	const char *phrase; /* "waiting for the reply to MAIL" */
	unsigned seconds;   /* 0: nothing is awaited: READY, or "waiting for more recipients" */
};
struct smtp_client_wait smtp_client_waits(const struct smtp_client *cl);
/* The connection ended or the deadline passed: LOST follows (once). True when the content's end (the
 * dot, or the last chunk) had been sent and its reply was awaited: the message may have been taken. */
bool smtp_client_lost(struct smtp_client *cl);
/* Something of the content of the last message went by BDAT; also once the engine is lost. */
bool smtp_client_sent_chunks(const struct smtp_client *cl);
