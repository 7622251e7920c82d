/* model.h: what a spool was told and what it answered, and so what it must still know.
 *
 * Shape    model_open -> model_work... -> model_close, or the power goes -> restart -> model_open, which
 *          checks everything that recovery finds
 * Owns     the messages; their octets follow from their ids and are not kept
 */
#pragma once

#include "disk.h"
#include "spool/log.h"

struct model_message;

struct model {
	struct sim_disk *disk;
	struct spool_disk calls;
	struct spool *spool;
	struct list done; /* posted and not yet run */
	uint64_t random, seed;
	int64_t now_ms;
	struct model_message *messages;
	size_t count;
	size_t lively;	   /* put messages until there are so many */
	size_t max_octets; /* of a content */
	bool has_faults;   /* refusals are to be expected */
	bool was_killed;   /* what is found now may still be volatile */
	bool is_blind;	   /* found and damaged are not looked at */
	bool is_quiet;
	bool gives_up; /* streams are dropped in their middle, too */
	unsigned commits, refusals, found, failures;
};

void model_init(struct model *m, struct sim_disk *disk, uint64_t seed);
void model_fini(struct model *m);
/* False: the spool did not open (that is fine while the power is off). Checks what it found. */
bool model_open(struct model *m);
/* One round: some writes, some steps of the committer, some reads. */
void model_work(struct model *m);
void model_close(struct model *m);
/* The message may be lost, or have an older note, or come back: its records were spoilt. */
void model_hurt(struct model *m, uint64_t id);
