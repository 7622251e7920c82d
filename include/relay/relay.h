/* relay/relay.h: the smarthosts of one loop: routes, warm connections, attempts.
 *
 * Shape    relay_send(job) -> job->recipient() for each verdict -> job->done()
 *          open: relay_send(job) -> relay_grow... -> relay_content -> the same; relay_cancel instead
 * Thread   its loop. Every loop has a relay of its own; only connections to a smarthost and its
 *          messages a minute are counted together (struct relay_limit)
 * Owns     connections; a job and everything it points to stay the caller's until done()
 * Errors   each recipient gets exactly one verdict; whatever goes wrong before the smarthost's word
 *          is DEFERRED with a reason for a person
 *
 * No callback of a job, of its source or of the relay runs inside a call of this header; inside a
 * callback of a job every call of this header may be made.
 *
 * Smarthosts are tried in order: one that cannot be reached, does not verify, or offers no usable
 * mechanism is left alone for a growing time and the next one gets the job; a job that none could
 * take is given back untried. What a smarthost answered 4xx is deferred, not offered to the next
 * one, and neither is what its rate or its number of connections holds back: that waits.
 * A smarthost that was left alone is tried again by one connection, when there is a job for it.
 * Jobs wait with their owner rather than here: it sends as many as relay_room() says.
 *
 * What a smarthost does not take as it is, is converted (mail/convert.h) on its way to it: 8-bit and
 * binary content, header fields beyond ASCII (those of a sender who said SMTPUTF8 need SMTPUTF8, others
 * 8BITMIME), domains beyond ASCII. Lines above SMTP_LINE_MOST are converted for each smarthost, for none
 * needs to take them (RFC 5321 4.5.3.1.6), but go as they are where that cannot be done (signed parts),
 * and in binary content to one with BINARYMIME. The
 * source is read twice then, with rewind() in between. Each smarthost gets what it can take. A message
 * that cannot be converted is REFUSED with the reply that says why.
 *
 * A message with REQUIRETLS goes to the first smarthost that verifies (trust, and TLS) and offers it. Where
 * there is none it is REFUSED with 550 5.7.30, unless its sender is empty: a notice goes without.
 *
 * A kept connection that turns out to be dead before its peer said a word about the job is replaced
 * once, in silence. So is one that dies while an open job rests on it, between its recipients and its
 * content: those who have no verdict yet are asked again, accepted() may come a second time for the
 * same index, and a verdict may come for one that was accepted before.
 */
#pragma once

#include "base/counters.h"
#include "base/fault.h"
#include "base/secret.h"
#include "io/dial.h"
#include "io/log.h"
#include "relay/learned.h"
#include "smtp/client.h"

struct relay;
struct relay_job;

/* Shared by the loops, and safe to use from any: how many connections to a smarthost are open, and
 * when the last messages went to it. Within any minute at most `rate` messages are begun; an open job
 * that was cancelled counts for none. */
struct relay_limit;
enum { RELAY_RATE_MOST = 100000 };
/* connections: at least 1. rate: messages a minute, at most RELAY_RATE_MOST; 0: as many as will go. */
struct relay_limit *relay_limit_new(unsigned connections, unsigned rate);
/* A reload changes both at once. */
void relay_limit_set(struct relay_limit *limit, unsigned connections, unsigned rate);
void relay_limit_free(struct relay_limit **limit);

struct relay_smarthost {
	const char *name; /* the configuration's label */
	const char *host;
	int port;
	enum smtp_client_tls tls;
	struct tls_trust *trust; /* NULL: not verified, by explicit setting */
	const char *user;	 /* NULL: no login */
	const char *keytab; /* Kerberos: the login is by GSSAPI, without a password; NULL: none */
	struct span password;
	struct relay_limit *limit;
	struct relay_learned *learned; /* NULL: nobody asks. Lives like limit */
	int64_t idle_ms;	       /* an idle connection is closed after that */
	int64_t connect_ms;	       /* for TCP, each address */
	unsigned messages;	 /* over one connection, no more than its MAILMAX; 0: any number */
	bool distrusts_chunking; /* CHUNKING and BINARYMIME are taken as not offered */
	/* How long it is left alone after the first failure, and after many; it doubles in between. */
	int64_t pause_first_ms, pause_most_ms;
};

/* The client side of a login, given by main so that this room needs not know SASL. All calls on
 * the relay's loop; the answers come later through relay_login_reply(). */
struct relay_login;
struct relay_login_start {
	const struct relay_smarthost *smarthost;
	const char *offered; /* "PLAIN LOGIN" */
	/* Of this connection's TLS (RFC 5929, 9266): "tls-unique" up to TLS 1.2, "tls-exporter" from
	 * 1.3 on, or "tls-server-end-point"; NULL: there is none. */
	const char *binding;
	struct span binding_data;
};
struct relay_login_ops {
	/* Keeps nothing of what it is given beyond its own needs. */
	struct relay_login *(*start)(void *user, const struct relay_login_start *from,
				     void *attempt);
	void (*challenge)(struct relay_login *login, struct span octets);
	/* Whether our side has come to its end. A 235 before that is from a server that has not shown
	 * that it knows the password (SCRAM), and is not believed. */
	bool (*is_complete)(const struct relay_login *login);
	/* Frees; no reply comes any more. */
	void (*end)(struct relay_login **login);
	void *user;
};
/* mechanism: only with the first reply. fault != NULL: no mechanism fits, or the login cannot go on.
 * Comes on the relay's loop, never inside start() or challenge(). */
void relay_login_reply(void *attempt, const char *mechanism, const struct span *response,
		       const struct fault *fault);

struct relay_conf {
	struct loop *loop;
	struct lane *lookups;
	struct log *log;
	struct counters *counters;
	const char *ehlo_name;
	const struct relay_smarthost *smarthosts; /* in order of preference; copied with their
						     strings, trust counted; limits live until
						     freed() of relay_free() */
	size_t smarthost_count;
	struct relay_login_ops login;
	/* relay_room() is more than 0, and was less before, or may have been. Posted, never inside a
	 * call. May be NULL. */
	void (*room)(void *user);
	void *user;
};

enum relay_outcome { RELAY_DELIVERED, RELAY_REFUSED, RELAY_DEFERRED };

struct relay_verdict {
	enum relay_outcome outcome;
	struct smtp_reply
		reply;	       /* code 0: no reply, see reason. Lives for the length of the call */
	const char *smarthost; /* its label; NULL: none could be asked */
	const char *host;      /* its host name, where smarthost is set */
	const char *reason;    /* "smtp.example.net:587: connection refused"; NULL: see reply */
	bool is_untried;       /* DEFERRED, and no smarthost was asked: this was no attempt. With a
				  reply, which is of our own making: it will be asked if the job comes
				  again at once. 452 4.5.3: one recipient too many for its transaction;
				  450: what should have been said with MAIL; 451: its CHUNKING is none */
	bool takes_dsn; /* DELIVERED, to a smarthost that offers DSN: the rest of the way is its to
			    tell of (RFC 3461 5.2.1) */
};

/* Where the content comes from. */
struct relay_source {
	/* 1: *part is the next part, valid until the next call; 0: that was all; -EAGAIN: later,
	 * relay_more() tells; other: the content cannot be read, the attempt is given up. */
	int (*next)(struct relay_source *source, struct span *part);
	/* Back to the start: for another smarthost, or behind the reading that a conversion needs. */
	void (*rewind)(struct relay_source *source);
};

struct relay_job {
	struct list_node node;		    /* private */
	void *attempt;			    /* private */
	uint64_t qid;			    /* for the log */
	struct smtp_client_message message; /* what it points to lives until done() */
	struct relay_source *source;
	/* A client waits: before all others (but each fifth that is taken is one of those), over a
	 * connection that is idle, a new one, or the first that comes free. It waits for no smarthost's
	 * pause and for no rate, but is given back untried; where a pause is over, one such job may wait
	 * for the probe that it sets off. */
	bool is_urgent;
	/* is_urgent: its owner has such a job here already. It waits behind those whose owner has none; but
	 * those that ask for REQUIRETLS wait in the order in which they came. */
	bool is_second;
	/* message.recipients may grow, see relay_grow(), from none at all; the content comes later, see
	 * relay_content(). message.form is what MAIL may say of it already: SMTP_FORM_BINARY where the
	 * client said BINARYMIME. may_be_8bit should be set. Its connection is its own meanwhile; nothing
	 * is timed but the peer. */
	bool is_open;
	/* RCPT was accepted; not a verdict. May be NULL. */
	void (*accepted)(struct relay_job *job, size_t index, const struct smtp_reply *reply);
	void (*recipient)(struct relay_job *job, size_t index, const struct relay_verdict *verdict);
	/* Every recipient has its verdict. The job may be freed here. An open one may end while it is
	 * open: MAIL was refused, or the connection is lost, or there was none. */
	void (*done)(struct relay_job *job);
};

struct relay *relay_new(const struct relay_conf *conf);
/* Closes idle connections at once. Jobs under way finish first when `finish_ms` is above 0, and are
 * deferred when it is over; then freed() is called and the relay is gone. */
void relay_free(struct relay *relay, int64_t finish_ms, void (*freed)(void *user), void *user);
void relay_send(struct relay *relay, struct relay_job *job);
/* The source of a job has more: it said -EAGAIN before. */
void relay_more(struct relay_job *job);
/* An open job: message.recipients, recipient_count and params have grown (the arrays may have
 * moved; what stood there stays as it was). No effect after done(). */
void relay_grow(struct relay_job *job);
/* An open job: there are no more recipients; message.size and form are known, the source may be
 * asked. The job is open no longer. No effect after done(). */
void relay_content(struct relay_job *job);
/* The job is given up: neither recipient() nor done() is called any more; it is the caller's at once.
 * The connection is reset and free for others. For an open job, and for any job that still waits for
 * its connection. False: the job is not open and a connection carries it; everything goes on. */
bool relay_cancel(struct relay_job *job);
/* How many more jobs that are not urgent can be put to use now, some of them by the connections that
 * come free next. 0: each smarthost is left alone, is at its rate, or has what it can carry, or a
 * probe is under way; conf.room() comes when that is over. A job sent beyond that waits, or is given
 * back untried. */
size_t relay_room(struct relay *relay);
/* Opens a connection to each smarthost of which nothing is known yet (`learned`), if one may be opened,
 * to learn what it offers and whether it can be reached at all; it is then an idle one like any other. */
void relay_probe(struct relay *relay);
/* Ends the pauses: each smarthost may be asked at once. */
void relay_hurry(struct relay *relay);
/* New smarthosts after a reload: connections to the old ones are closed once idle. What was learned of
 * one whose host, port or TLS is another now is forgotten. */
void relay_renew(struct relay *relay, const struct relay_smarthost *smarthosts, size_t count,
		 const char *ehlo_name);

struct relay_view {
	const char *name, *host;
	int port;
	unsigned idle, busy;
	int64_t paused_ms;  /* still left alone for so long; 0: in use */
	const char *reason; /* why it is left alone, NULL otherwise */
	unsigned rate;	    /* messages a minute; 0: no limit */
	int64_t rated_ms;   /* until the rate allows the next message; 0: now */
};
/* State of smarthost i on this loop; false: there is none. */
bool relay_look(const struct relay *relay, size_t i, struct relay_view *out);
/* Jobs that wait for a connection, urgent ones too. */
size_t relay_waiting(const struct relay *relay);
