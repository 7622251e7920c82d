/* submit/submit.h: client sessions of one loop: the SMTP engine on a stream, with logins and intake.
 *
 * Shape    submit_new per loop -> submit_accept(fd) per client -> submit_free
 * Thread   its loop; struct submit_gate is shared by all loops
 * Owns     the sessions
 * Errors   every refusal is a reply with a reference, and a log line with the same
 */
#pragma once

#include "base/counters.h"
#include "conf/conf.h"
#include "io/log.h"
#include "io/proxy.h"
#include "io/tls.h"
#include "io/worker.h"
#include "queue/queue.h"

struct submit;

/* How many sessions there are, in all and per address; shared, under a lock of its own that is taken
 * when a session starts and ends, never on the way of its octets. */
struct submit_gate;
/* most: sessions at once, whatever limits.sessions says. */
struct submit_gate *submit_gate_new(uint64_t seed, long most);
void submit_gate_free(struct submit_gate **gate);
/* True: new sessions are turned away because more came than can be served, since then (wall clock), and so
 * many so far. On any thread. */
bool submit_is_overloaded(struct submit_gate *gate, int64_t *since_ms_out, uint64_t *refused_out);

/* Whether the login back end answers. Once logins have ended as UNAVAILABLE it is down, and new sessions
 * hear so (421) instead of a greeting, until a question to a worker, asked every few seconds by one loop, is
 * answered well. Shared; but for these its functions are the session's own. */
struct submit_backend;
struct submit_backend *submit_backend_new(void);
void submit_backend_free(struct submit_backend **backend);
/* False: it is down since then (wall clock), and why. On any thread. */
bool submit_backend_is_up(struct submit_backend *backend, int64_t *since_ms_out,
			  struct fault *why_out);

/* A listener with what its section names. */
struct submit_listen {
	const struct conf_listen *conf;
	struct tls_trust *clients; /* whose client certificates are believed; NULL: none */
	/* Who must speak the PROXY protocol; others may not connect. */
	const struct network *proxies;
	size_t proxy_count;
	/* What is offered under TLS, to all and to those with a client certificate. */
	const char *mechanisms, *mechanisms_external;
	unsigned tls_port; /* with TLS from the first octet, for whoever comes to this one; 0: none */
};

/* What a reload replaces as a whole; sessions use the one that was current when they began, except
 * for the TLS identity, which is taken at the handshake. Lives until the last session that uses it. */
struct submit_settings {
	_Atomic unsigned refs;
	const struct conf *conf; /* lives as long */
	struct tls_identity *identity;
	const struct submit_listen *listens;  /* by place in conf->listens */
	struct relay_learned *const *learned; /* of the smarthosts; they outlive all settings */
	size_t learned_count;
	void (*freed)(struct submit_settings *settings); /* after the last unref, on any loop */
};

struct submit_conf {
	struct loop *loop;
	struct log *log;
	struct counters *counters;
	struct queue *queue;
	struct spool *spool;
	struct worker_pool *logins;
	struct submit_backend *backend; /* whether logins can be checked, shared by all loops */
	/* A login succeeded: its credential ("": the account's own password) and the client's address,
	 * for what is remembered of it. On the loop; must not wait. May be NULL. */
	void (*used)(void *user, const char *account, const char *credential, const char *address);
	void *user;
	struct submit_gate *gate;
	struct submit_settings *settings;
	_Atomic uint64_t *next_sid;
};

struct submit *submit_new(const struct submit_conf *conf);
void submit_renew(struct submit *submit, struct submit_settings *settings);
/* Asks whether the login back end answers, so that it is not the first user who finds out. On the loop. */
void submit_probe(struct submit *submit);
/* Takes over the connected socket. listen: of conf.settings at the time; a listener lives as long as the
 * daemon, its settings may be newer: found by name. */
void submit_accept(struct submit *submit, int fd, const char *listener);
/* Ends the sessions of that account (credential NULL: all of them; else those that logged in by it) with
 * 421; one whose message has come whole hears of its fate first. A login that is under way and turns out
 * to be one of them ends as it succeeds. Returns how many sessions there were. */
size_t submit_revoke(struct submit *submit, const char *account, const char *credential);
/* Sessions that wait for a command get 421; those within a message may finish it within grace_ms.
 * Then freed(). */
void submit_free(struct submit *submit, int64_t grace_ms, void (*freed)(void *user), void *user);
