/* rig.h: a spool in a directory of its own, and writes that are waited for. */
#pragma once

#include "test.h"

#include "spool/disk.h"
#include "spool/log.h"

#include <pthread.h>

struct rig {
	char dir[64];
	struct spool *spool;
	struct spool_conf conf;
	struct counters counters;
	/* What recovery told, one line each. */
	struct buf found, damaged;
	unsigned found_count, damaged_count;
	uint64_t last_found;
};

/* Makes the directory; opens nothing. */
void rig_init(struct rig *rig);
/* Closes the spool and removes the directory. */
void rig_fini(struct rig *rig);
/* Forgets what recovery told before. */
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);

/* One write, waited for. Returns its status. */
int rig_write(struct rig *rig, enum spool_write_kind kind, uint64_t id, struct span content,
	      struct span record);
int rig_commit(struct rig *rig, uint64_t id, const char *content, const char *envelope);
int rig_settle(struct rig *rig, uint64_t id);
/* All of a live message's content, or a negative errno. */
int rig_read(struct rig *rig, uint64_t id, struct buf *out);

/* A write that is put now and waited for later. */
struct rig_pending {
	struct spool_write write;
	bool is_done;
};
void rig_put(struct rig *rig, struct rig_pending *p);
int rig_wait(struct rig_pending *p);

/* Files of the spool's directory. */
unsigned rig_count_segments(const struct rig *rig);
/* Lets the committer take step after step until so many are left. */
void rig_await_segments(struct rig *rig, unsigned count);
/* The path of the segment at this place in their order. */
void rig_segment_path(const struct rig *rig, unsigned index, char out[256]);
void rig_slurp(const char *path, struct buf *out);
void rig_spill(const char *path, struct span octets);
