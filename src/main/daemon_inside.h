/* main/daemon_inside.h: what the files of the daemon know of each other.
 *
 * daemon         from the first thread to the last free(), and signals
 * daemon_reload  the configuration, read anew
 * daemon_ctl     what the control socket asks for
 */
#pragma once

#include "daemon.h"
#include "last_use_saver.h"
#include "open_ports.h"
#include "settings.h"
#include "shard.h"
#include "watchdog.h"

enum { DAEMON_SIGNALS = 4 };

struct daemon {
	const char *file;
	struct settings *settings; /* the current one */
	struct smarthost_limits *limits;
	struct open_ports *ports;
	struct log *log;
	struct counters counters;
	struct loop *loop;
	struct lane *lookups, *reads, *sasl;
	struct spool *spool;
	struct worker_spawner *spawner;
	struct submit_gate *gate;
	struct submit_backend *backend;
	struct watchdog *watchdog;
	struct last_use *last_use;
	struct last_use_saver *last_use_saver;
	struct ctl *ctl;
	struct shard **shards;
	unsigned shard_count, shards_running;
	unsigned renewals; /* of shards, since reloads, that are under way */
	_Atomic uint64_t next_sid;
	_Atomic int64_t memory;
	int64_t started_ms;
	struct loop_signal *signals[DAEMON_SIGNALS];
	unsigned next_shard; /* for the next recovered message */
	unsigned recovered;
	struct work reload; /* by signal */
	bool is_reload_due;
	bool is_stopping;
	int exit_code;
};

void daemon_log_fault(struct daemon *d, enum log_level level, const char *event,
		      const struct fault *fault);
void daemon_log_event(struct daemon *d, const char *event);
/* As struct ctl_conf wants it, on the main loop. */
int daemon_reload(void *user, struct fault *fault);
/* In a later turn; asked for again before that, it is one. */
void daemon_reload_soon(struct daemon *d);
int daemon_open_ctl(struct daemon *d, struct fault *fault);
