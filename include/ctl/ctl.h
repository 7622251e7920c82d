/* ctl/ctl.h: the control socket of the daemon.
 *
 * Shape    one request a connection: one line of JSON {"verb": "...", ...}, answered by one line of JSON
 *          {"ok": true, ...} or {"ok": false, "error": "..."}; posternctl makes tables of it
 * Thread   the main loop; what it asks of a loop it posts there and gathers
 * Owns     its socket (mode 0600) and connections; answers are made with jansson
 * Errors   a malformed request gets an answer; a request is at most 64 KiB and has 10 s
 *
 * Verbs    status   version, pid, uptime, loops, counters, certificate expiry, smarthosts
 *          queue    list: every message; with "qid": one whole, with each recipient's last reply
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
struct ctl_lane {
	struct loop *loop;
	struct queue *queue;
	struct relay *relay;
};

struct ctl_conf {
	struct loop *loop;
	struct log *log;
	struct counters *counters;
	const char *path;
	const struct ctl_lane *lanes; /* copied */
	size_t lane_count;
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
void ctl_close(struct ctl **ctl);

/* The client's side, blocking: the answer's line (free() it), or NULL and a fault. */
char *ctl_ask(const char *path, const char *request, struct fault *fault);
