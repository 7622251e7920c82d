/* io/spawner.h: what the daemon and its spawner process say to each other.
 *
 * One message a packet (SOCK_SEQPACKET), daemon to spawner only. The daemon numbers its workers;
 * the spawner knows which process a number is, so that a kill reaches its own children and nothing
 * else. That a worker could not be started, or died, the daemon sees by its end of the worker's
 * socket.
 */
#pragma once

#include "io/worker.h"

#include <sys/types.h>

enum spawner_verb { SPAWNER_START = 1, SPAWNER_KILL = 2 };

struct spawner_message {
	uint32_t verb;
	uint32_t zero; /* no octet of it is left undefined */
	uint64_t number;
};

struct worker_spawner {
	int fd;
	pid_t pid;
	_Atomic uint64_t last_number;
};

/* What a worker becomes. Looked up before the fork: afterwards nothing is asked of the system. */
struct spawner_user {
	bool is_change;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	int group_count;
};

int spawner_user_find(const char *name, struct spawner_user *out, struct fault *fault);
/* In the worker, before exec: 0, or a negative errno and nothing may be run. */
int spawner_user_become(const struct spawner_user *user);

/* The spawner process. Returns its exit status when the daemon has gone. exe: our own binary. */
int spawner_process_run(int fd, int exe, const char *const *argv, const struct spawner_user *user);

/* Starts a worker that gets `fd`, which stays the caller's; its number, or 0 and errno. */
uint64_t spawner_start_worker(struct worker_spawner *spawner, int fd);
void spawner_kill_worker(struct worker_spawner *spawner, uint64_t number);
