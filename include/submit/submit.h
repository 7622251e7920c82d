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

/* What a reload replaces as a whole; sessions use the one that was current when they began, except
 * for the TLS identity, which is taken at the handshake. Lives until the last session that uses it. */
struct submit_settings {
	_Atomic unsigned refs;
	const struct conf *conf; /* lives as long */
	struct tls_identity *identity;
	const char *mechanisms; /* "PLAIN LOGIN", as offered */
	void (*freed)(struct submit_settings *settings); /* after the last unref, on any loop */
};

struct submit_conf {
	struct loop *loop;
	struct log *log;
	struct counters *counters;
	struct queue *queue;
	struct spool *spool;
	struct worker_pool *logins;
	struct submit_gate *gate;
	struct submit_settings *settings;
	_Atomic uint64_t *next_sid;
};

struct submit *submit_new(const struct submit_conf *conf);
void submit_renew(struct submit *submit, struct submit_settings *settings);
/* Takes over the connected socket. */
void submit_accept(struct submit *submit, int fd, const struct conf_listen *listen);
/* Sessions that wait for a command get 421; those within a message may finish it within grace_ms.
 * Then freed(). */
void submit_free(struct submit *submit, int64_t grace_ms, void (*freed)(void *user), void *user);
