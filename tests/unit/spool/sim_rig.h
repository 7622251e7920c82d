/* sim_rig.h: a spool on a simulated disk, stepped by hand. */
#pragma once

#include "test.h"

#include "../../sim/disk.h"
#include "committer.h"

enum { SIM_RIG_CHUNK = 8192 };

struct sim_rig {
	struct sim_disk disk;
	struct spool_disk calls;
	struct spool_conf conf;
	struct spool *spool;
	struct counters counters;
	int64_t now_ms;
	unsigned found, damaged;
	unsigned part;	     /* of the content that is put next */
	struct fault damage; /* told last */
};

/* The setup and teardown of a test: the rig is its state, with an open spool. */
int sim_rig_setup(void **state);
int sim_rig_teardown(void **state);
/* Not 0: it does not open. */
int sim_rig_try_open(struct sim_rig *rig, struct fault *fault);
void sim_rig_open(struct sim_rig *rig);
/* Closes, lets the power go, and opens. */
void sim_rig_restart(struct sim_rig *rig, enum sim_end end);

/* One write and some steps of the committer; it must be answered. CONTENT and COMMIT bring one chunk. Returns
 * its status. */
int sim_rig_put(struct sim_rig *rig, struct spool_write *w, enum spool_write_kind kind,
		uint64_t id);
int sim_rig_do(struct sim_rig *rig, enum spool_write_kind kind, uint64_t id);
/* How many writes were answered, in all. */
unsigned sim_rig_done(void);
/* The status of reading this chunk; its octets must be those that were put. */
int sim_rig_read(struct sim_rig *rig, uint64_t id, unsigned part);
/* After `skip` more calls, `count` of them fail. */
void sim_rig_fail(struct sim_rig *rig, enum sim_fault fault, unsigned long skip,
		  unsigned long count);
