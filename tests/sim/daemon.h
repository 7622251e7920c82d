/* daemon.h: the process that is simulated: spool, lanes, and on each loop a relay and a queue.
 *
 * Shape    daemon_begin (settings of this schedule) -> daemon_start -> daemon_stop or daemon_crash ->
 *          daemon_start ... -> daemon_end
 * Owns     everything that ends with a process
 *
 * The committer has no thread here: it does one step whenever the spool was given something, a while
 * later, and once a second while it has something to mend.
 */
#pragma once

#include "disk.h"
#include "queue/handoff.h"
#include "smarthost.h"

enum { SHARDS_MOST = 2 };

struct daemon {
	/* settings */
	unsigned shards;
	struct queue_conf queue;
	int64_t patience_ms, memory_octets, idle_ms;
	uint64_t segment_octets;
	bool is_hybrid;

	struct sim_disk disk;
	unsigned life;
	bool is_up, is_stopping;
	struct spool *spool;
	struct loop *loops[SHARDS_MOST];
	struct queue *queues[SHARDS_MOST];
};

extern struct daemon the_daemon;

void daemon_begin(void);
void daemon_end(void);
/* False: the spool could not be opened, or the power went meanwhile. */
bool daemon_start(void);
/* What is not in stable storage may be lost, unless it is a kill. */
void daemon_crash(enum sim_end end);
/* In order; stopped() once nothing is left, which is checked. */
void daemon_stop(void (*stopped)(void));
/* After each event: the committer hears of what was put. */
void daemon_look(void);
size_t daemon_length(void);
/* Some relay has a job. */
bool daemon_is_sending(void);
/* How many messages the spool still has; the daemon is down. -1: it cannot be opened. */
long daemon_spool_count(void);

/* login.c */
struct relay_login_ops login_ops(void);
void logins_crash(void);
size_t logins_left(void);

/* disk_calls.c: sim_disk_calls(), whose memory is the world's. */
struct spool_disk disk_calls(struct sim_disk *disk);
