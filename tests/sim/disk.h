/* disk.h: a disk that forgets what was not synced, and fails when told to.
 *
 * Shape    give sim_disk_calls(disk) to a spool; sim_disk_restart() is the power coming back
 * Owns     the files, as they are seen and as they are in stable storage
 *
 * Each write stays volatile until its file is synced, each name until its directory is. When the power
 * goes, all, none or any of the volatile writes reach the disk, torn at 512 octets. A failed sync does
 * what Linux does: the octets are still seen, may or may not be stable, and the next sync is silent.
 */
#pragma once

#include "base/span.h"
#include "spool/disk.h"

#include <stdbool.h>

/* SIM_ERROR: with disk->error. */
enum sim_fault { SIM_NO_FAULT, SIM_EIO, SIM_ENOSPC, SIM_SHORT, SIM_FAULTS, SIM_ERROR };
enum sim_end { SIM_KILL, SIM_CUT_ALL, SIM_CUT_NONE, SIM_CUT_SOME, SIM_ENDS };

struct sim_file;
struct sim_handle;

struct sim_disk {
	uint64_t random;
	struct sim_file *files;
	size_t file_count;
	struct sim_handle *handles;
	size_t handle_count;
	bool is_locked;
	uint64_t capacity; /* 0: endless */

	unsigned long calls;
	unsigned long cut_at;		     /* the power goes in this call; 0: never */
	unsigned long fault_at, fault_calls; /* which calls fail, and how many of them */
	enum sim_fault fault;
	int error;	     /* SIM_ERROR: ENOSPC ... */
	bool is_read_only;   /* nothing can be changed: EROFS */
	size_t fd_limit;     /* so many files open at once: EMFILE; 0: endless */
	uint64_t file_limit; /* how long a file may get: EFBIG; 0: endless */
	/* Before each call. May be NULL. */
	void (*at_call)(struct sim_disk *disk);
	void *user;
	bool is_dead;	       /* the power is off: nothing works, nothing changes */
	bool is_lying;	       /* sync does nothing: the checks must notice */
	unsigned broken_rules; /* writes or syncs after a failed sync of the same descriptor */
};

uint64_t sim_random(uint64_t *state);
void sim_disk_init(struct sim_disk *disk, uint64_t seed);
void sim_disk_fini(struct sim_disk *disk);
struct spool_disk sim_disk_calls(struct sim_disk *disk);
void sim_disk_restart(struct sim_disk *disk, enum sim_end end);
uint64_t sim_disk_used(const struct sim_disk *disk);
/* What is seen in a file; len 0: nothing, or there is no such file. Lives until the next call. */
struct span sim_disk_file(struct sim_disk *disk, const char *dir, const char *name);
/* The names in a directory one by one: start with *at = 0; NULL at the end. */
const char *sim_disk_name(const struct sim_disk *disk, const char *dir, size_t *at);
/* The medium gets other octets there, stably and without a word. */
void sim_disk_spoil(struct sim_disk *disk, const char *dir, const char *name, uint64_t offset,
		    struct span octets);
