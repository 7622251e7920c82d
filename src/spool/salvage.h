/* spool/salvage.h: what is left of a message that is not whole, where a person can read it.
 *
 * Shape    salvage_message ... -> salvage_end, when all of it is in stable storage
 * Owns     the directory damaged-TIME, made when the first file goes into it
 * Errors   kept until salvage_end()
 */
#pragma once

#include "spool.h"
#include "spool/check.h"

struct salvage {
	const struct spool_check *check;
	const struct spool_disk *disk;
	struct spool_check_totals *totals;
	char *dir;
	bool is_made;
	struct fault fault;
};

void salvage_init(struct salvage *salvage, const struct spool_check *check,
		  const struct spool_disk *disk, struct spool_check_totals *totals);
void salvage_fini(struct salvage *salvage);
/* The directory is there. */
int salvage_begin(struct salvage *salvage);
void salvage_message(struct salvage *salvage, struct spool *s, struct message *m,
		     const struct spool_check_message *message);
int salvage_end(struct salvage *salvage, struct fault *fault);
