/* ctl/ctl.h: the control socket of the daemon.
 *
 * Shape    one request a connection: one line of JSON {"verb": "...", ...}, answered by one line of
 *          JSON {"ok": true, ...} or {"ok": false, "error": "..."}; posternctl makes tables of it
 * Thread   ctl_open and ctl_close on the main thread; a thread of its own serves the socket, one
 *          request at a time; what it asks of a loop, the main one too, it posts there and gathers
 * Owns     its socket (mode 0600) and connections; answers are made with jansson, in ASCII
 * Errors   a malformed request gets an answer; a request is at most 64 KiB and has 10 s, as has its
 *          answer; a loop that does not answer within 10 s makes a refusal that says so
 *
 * Verbs    status   version, pid, started, uptime_s, loops, certificate_expires, messages, waiting
 *                   (for a connection), counters {}, smarthosts [{name host port idle busy
 *                   paused_ms reason}]
 *          queue    messages [{qid sender account arrived size nrcpt waiting attempts next active
 *                   reason}] by qid, the first 500 above "after"; "more": there may be others.
 *                   With "qid": message {the same, sid last recipients [{address state code status
 *                   text smarthost}]}
 *          reload   as SIGHUP; the answer says what was wrong
 */
#pragma once

#include "base/counters.h"
#include "base/fault.h"
#include "io/log.h"
#include "io/loop.h"
#include "queue/queue.h"
#include "relay/relay.h"

struct ctl;

/* One session loop, with what lives on it. */
struct ctl_shard {
	struct loop *loop;
	struct queue *queue;
	struct relay *relay;
};

struct ctl_conf {
	struct loop *loop;
	struct log *log;
	struct counters *counters;
	const char *path;
	const struct ctl_shard *shards; /* copied */
	size_t shard_count;
	int64_t started_ms; /* wall clock */
	const char *version;
	/* Seconds since the epoch at which a certificate in use ends first. */
	int64_t (*certificate_expires)(void *user);
	/* 0, or a fault: the old configuration goes on. */
	int (*reload)(void *user, struct fault *fault);
	void *user;
};

/* NULL and a fault: the path cannot be bound. A socket file left by a dead daemon is replaced. */
struct ctl *ctl_open(const struct ctl_conf *conf, struct fault *fault);
/* Does not wait for loops. Removes the socket. */
void ctl_close(struct ctl **ctl);

/* The client's side, blocking: the answer's line (free() it), or NULL and a fault. */
char *ctl_ask(const char *path, const char *request, struct fault *fault);
