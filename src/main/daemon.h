/* main/daemon.h: the wiring of the rooms, from the first descriptor to the last free().
 *
 * Shape    daemon_open(conf, sockets) -> daemon_run() until a signal -> daemon_close()
 * Thread   the main one; each shard (session loop with queue, relay and sessions) has its own
 * Errors   opening: a fault for the terminal; later: log lines
 */
#pragma once

#include "conf/conf.h"
#include "io/worker.h"
#include "sockets.h"

struct daemon;

struct daemon_conf {
	const char *file;	 /* the configuration file, for reloads */
	struct conf *conf;	 /* taken over, also on failure */
	struct sockets *sockets; /* its descriptors are taken */
	struct worker_spawner *spawner;
	unsigned loops;
};

/* SIGHUP ends a process that does not watch for it: held, it waits until the daemon does. Open lets it
 * through, close holds it again. */
void daemon_hold_reloads(bool is_held);
struct daemon *daemon_open(const struct daemon_conf *conf, struct fault *fault);
/* Until SIGTERM or SIGINT, and until what was in flight is finished or parked. The exit code: not
 * EX_OK where the end was not asked for. */
int daemon_run(struct daemon *d);
void daemon_close(struct daemon **daemon);
/* Session loops for this configuration: one for each processor that may be used where it says 0. */
unsigned daemon_loops(const struct conf *conf);
