/* spool/survey.h: what recovery sees, counted by segment and told on: the common part of check and repair.
 *
 * Shape    survey_run() -> the spool as it was recovered, and what is wrong with it -> survey_tell() ->
 *          survey_fini()
 * Thread   the caller's
 */
#pragma once

#include "spool.h"
#include "spool/check.h"

#define SPOOL_ASIDE_PREFIX "damaged-"

struct survey_segment {
	struct spool_check_segment told;
	struct fault *left_alone;	    /* NULL: it was read */
	uint64_t open_damages, open_octets; /* behind the last whole record so far */
};

struct survey {
	const struct spool_check *check;
	struct spool_check_totals *totals;
	struct recover_watch watch;
	struct survey_segment *segments, now;
	size_t count, cap;
	/* Set by a repair: a message that is not whole, before the index forgets it. */
	void (*salvage)(struct survey *survey, struct spool *s, struct message *m,
			const struct spool_check_message *message);
	void *user;
};

/* Who uses it, and what is none of the spool's files. */
void survey_look_around(const struct spool_check *check, const struct spool_disk *disk,
			struct spool_check_totals *totals);
/* NULL: the spool cannot be recovered at all. */
struct spool *survey_run(struct survey *survey, const struct spool_conf *conf, struct fault *fault);
/* The segments, in their order. */
void survey_tell(struct survey *survey);
void survey_fini(struct survey *survey);
