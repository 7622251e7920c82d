/* relay/relay.h: the smarthosts of one loop: routes, warm connections, attempts.
 *
 * Shape    relay_send(job) -> job->recipient() for each verdict -> job->done()
 * Thread   its loop. Every loop has a relay of its own; only the count of connections to a smarthost
 *          is shared (struct relay_limit)
 * Owns     connections; a job and everything it points to stay the caller's until done()
 * Errors   each recipient gets exactly one verdict; whatever goes wrong before the smarthost's word
 *          is DEFERRED with a reason for a person
 *
 * Smarthosts are tried in order: one that cannot be reached, does not verify, or offers no usable
 * mechanism is left alone for a growing time and the next one gets the job; a job that none could
 * take is deferred. What a smarthost answered 4xx is deferred, not offered to the next one.
 */
#pragma once

#include "base/counters.h"
#include "base/fault.h"
#include "base/secret.h"
#include "io/dial.h"
#include "io/log.h"
#include "smtp/client.h"

struct relay;
struct relay_job;

/* Shared by the loops: how many connections to a smarthost are open. Start with { .most = n }. */
struct relay_limit {
	_Atomic unsigned open;
	_Atomic unsigned most;	 /* a reload may change it */
	_Atomic unsigned hungry; /* loops that have jobs but no place: others give one back soon */
};

struct relay_smarthost {
	const char *name; /* the configuration's label */
	const char *host;
	int port;
	enum smtp_client_tls tls;
	struct tls_trust *trust; /* NULL: not verified, by explicit setting */
	const char *user;	 /* NULL: no login */
	struct span password;
	struct relay_limit *limit;
	int64_t idle_ms;    /* an idle connection is closed after that */
	int64_t connect_ms; /* for TCP, each address */
	unsigned messages;  /* over one connection; 0: any number */
};

/* The client side of a login, given by main so that this room needs not know SASL. All calls on
 * the relay's loop; the answers come later through relay_login_reply(). */
struct relay_login;
struct relay_login_ops {
	/* offered: "PLAIN LOGIN". Keeps nothing of smarthost beyond its own needs. */
	struct relay_login *(*start)(void *user, const struct relay_smarthost *smarthost,
				     const char *offered, void *attempt);
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
	int64_t pause_first_ms, pause_most_ms; /* how long a failing smarthost is left alone */
};

enum relay_outcome { RELAY_DELIVERED, RELAY_REFUSED, RELAY_DEFERRED };

struct relay_verdict {
	enum relay_outcome outcome;
	struct smtp_reply
		reply;	       /* code 0: no reply, see reason. Lives for the length of the call */
	const char *smarthost; /* its label; NULL: none could be asked */
	const char *host;      /* its host name, where smarthost is set */
	const char *reason;    /* "smtp.example.net:587: connection refused"; NULL: see reply */
};

/* Where the content comes from. */
struct relay_source {
	/* 1: *part is the next part, valid until the next call; 0: that was all; -EAGAIN: later,
	 * relay_more() tells; other: the content cannot be read, the attempt is given up. */
	int (*next)(struct relay_source *source, struct span *part);
	/* Back to the start, for another smarthost. */
	void (*rewind)(struct relay_source *source);
};

struct relay_job {
	struct list_node node;		    /* private */
	struct work work;		    /* private */
	void *attempt;			    /* private */
	unsigned smarthost;		    /* private */
	uint64_t qid;			    /* for the log */
	struct smtp_client_message message; /* what it points to lives until done() */
	struct relay_source *source;
	void (*recipient)(struct relay_job *job, size_t index, const struct relay_verdict *verdict);
	/* Every recipient has its verdict. The job may be freed here. Never inside relay_send(). */
	void (*done)(struct relay_job *job);
};

struct relay *relay_new(const struct relay_conf *conf);
/* Closes idle connections at once. Jobs under way finish first when `finish_ms` is above 0, and are
 * deferred when it is over; then freed() is called and the relay is gone. */
void relay_free(struct relay *relay, int64_t finish_ms, void (*freed)(void *user), void *user);
void relay_send(struct relay *relay, struct relay_job *job);
/* The source of a job has more: it said -EAGAIN before. */
void relay_more(struct relay_job *job);
/* New smarthosts after a reload: connections to the old ones are closed once idle. */
void relay_renew(struct relay *relay, const struct relay_smarthost *smarthosts, size_t count,
		 const char *ehlo_name);

struct relay_view {
	const char *name, *host;
	int port;
	unsigned idle, busy;
	int64_t paused_ms;  /* still left alone for so long; 0: in use */
	const char *reason; /* why it is left alone, NULL otherwise */
};
/* State of smarthost i on this loop; false: there is none. */
bool relay_look(const struct relay *relay, size_t i, struct relay_view *out);
/* Messages that wait for a connection. */
size_t relay_waiting(const struct relay *relay);
