/* ctl/ctl.h: the control socket of the daemon.
 *
 * Shape    one request a connection: one line of JSON {"verb": "...", ...}. The answer is lines of
 *          JSON, most often one; only the last has "ok": {"ok": true, ...} or {"ok": false,
 *          "error": "..."}, with "kind": "usage" | "missing" | "configuration" where it is one of
 *          these, and is given once the log holds what led to it (or after a second, when nobody
 *          reads the log). posternctl makes tables of it
 * Thread   ctl_open and ctl_close on the main thread; each connection has a thread of its own, 32 at
 *          once; what it asks of a loop, the main one too, it posts there and gathers, at most some
 *          5,000 messages a turn
 * Owns     its socket (mode 0600) and connections; answers are made with jansson, in ASCII
 * Errors   a malformed request gets an answer; a request is at most 64 KiB and has 10 s; a line of
 *          the answer waits 10 min for a client that pages; a loop that does not answer within 10 s
 *          makes a refusal that says so
 *
 * Verbs    status   version, pid, started, uptime_s, loops, certificate_expires, messages, held,
 *                   waiting (for a connection), refusing (why no new mail is taken, or null),
 *                   logins_down {since reason} (or null), overload {since refused} (or null),
 *                   counters {}, smarthosts [{name host port
 *                   idle busy paused_ms reason rate rated_ms offers ["8BITMIME" "SIZE 1000"...] (what
 *                   it was learned to offer; null: not known yet)}]
 *          list     "filter": lines {messages [{qid arrived age_s size account sender nrcpt waiting
 *                   attempts stand held next recipient smarthost code status reason}]}, by qid as
 *                   far as each loop has them in that order; then {count}
 *          summary  "by": "reason" | "sender" | "account" | "smarthost" | "domain", "filter":
 *                   groups [{name messages octets oldest age_s}], by reason with stand; name null: all
 *                   others; messages, octets, oldest
 *          show     "qids", 20 at most: messages [{the same, sid envid stand_text ahead last next_s
 *                   warn warn_s expire expire_s warned recipients [{address state code status text
 *                   smarthost}] tries [{first last times recipients code status text smarthost}]
 *                   smarthosts []}], missing [qid]
 *          act      "action": "flush" | "hold" | "release" | "rm" | "bounce" | "reroute" with one of
 *                   "qids" (1,000 at most), "filter", "all": true. Lines {done}, then action, done
 *                   (in stable storage), missing [qid], failed [{qid error}], failed_more, late [qid]
 *                   (in force once the attempt that is under way ends), late_more. A client that
 *                   goes stops it between two portions
 *          export   "qids", one: lines {content: base64}, then {qid octets}
 *          reload   as SIGHUP; the answer says what was wrong
 *          revoke   "account", "credential" (the id of an app password; null: all): ends the sessions
 *                   that logged in so; sessions, how many there were
 *          last-use "account" (null: all): lines {uses [{account credential ("": the account's own
 *                   password) time time_s address}]}, then {count}
 *
 * A filter is described in src/ctl/filter.h.
 */
#pragma once

#include "base/buf.h"
#include "base/counters.h"
#include "base/fault.h"
#include "io/log.h"
#include "io/loop.h"
#include "queue/queue.h"
#include "relay/relay.h"

struct ctl;

/* A successful login: by the account's own password (credential ""), or by an app password. */
struct ctl_use {
	const char *account, *credential, *address;
	int64_t time_s; /* since the epoch */
};

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
	/* As spool_may_accept(). On the threads of connections. */
	bool (*may_accept)(void *user, struct fault *why);
	/* Whether logins can be checked, as submit_backend_is_up(): since when not, and why. On the threads of
	 * connections. */
	bool (*may_login)(void *user, int64_t *since_ms, struct fault *why);
	/* Whether new sessions are turned away, as submit_is_overloaded(). NULL: never. On the threads of
	 * connections. */
	bool (*is_overloaded)(void *user, int64_t *since_ms, uint64_t *refused);
	/* Part `index` of a message's content, as spool_read() gives it: -ENODATA behind the last.
	 * On the threads of connections, several at once. */
	int (*read_content)(void *user, uint64_t qid, unsigned index, struct buf *out,
			    struct fault *fault);
	/* Ends an account's sessions (credential NULL: all; else those that logged in by it); returns how
	 * many. On the threads of connections, where it may wait for the loops. */
	size_t (*revoke)(void *user, const char *account, const char *credential);
	/* Calls each() for the last use of every credential of `account` (NULL: of all accounts) until it
	 * returns false. On the threads of connections; each() may wait. */
	void (*last_use)(void *user, const char *account,
			 bool (*each)(void *to, const struct ctl_use *use), void *to);
	void *user;
};

/* NULL and a fault: the path cannot be bound. A socket file left by a dead daemon is replaced. */
struct ctl *ctl_open(const struct ctl_conf *conf, struct fault *fault);
/* Does not wait for loops. Removes the socket. */
void ctl_close(struct ctl **ctl);

/* The client's side, blocking. */
struct ctl_talk;
/* NULL and a fault: nobody serves the path, or takes the request. */
struct ctl_talk *ctl_talk_open(const char *path, const char *request, struct fault *fault);
/* The next line of the answer; it lives until the next call. */
int ctl_talk_line(struct ctl_talk *talk, struct span *line_out, struct fault *fault);
void ctl_talk_close(struct ctl_talk **talk);
