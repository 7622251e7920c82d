#include "spool/check.h"

#include "space.h"
#include "survey.h"

#include <errno.h>

struct others {
	const struct spool_check *check;
	struct spool_check_totals *totals;
};

static bool is_ours(const char *name)
{
	uint64_t number;

	return strcmp(name, "lock") == 0 || strcmp(name, SPACE_RESERVE_NAME) == 0 ||
	       strncmp(name, SPOOL_ASIDE_PREFIX, strlen(SPOOL_ASIDE_PREFIX)) == 0 ||
	       strncmp(name, SPOOL_GUEST_PREFIX, strlen(SPOOL_GUEST_PREFIX)) == 0 ||
	       segment_name_parse(name, &number);
}

static void note_name(void *arg, const char *name)
{
	struct others *others = arg;

	if (is_ours(name))
		return;
	others->totals->unknown_files++;
	if (others->check->other)
		others->check->other(others->check->user, name);
}

void survey_look_around(const struct spool_check *check, const struct spool_disk *disk,
			struct spool_check_totals *totals)
{
	struct others others = { check, totals };
	int64_t holder = disk->lock_holder ? disk->lock_holder(disk->user, check->dir) : 0;

	totals->is_in_use = holder > 0 || holder == -EBUSY;
	totals->holder_pid = holder > 0 ? holder : 0;
	disk->list(disk->user, check->dir, note_name, &others);
}

int spool_check(const struct spool_check *check, struct spool_check_totals *out,
		struct fault *fault)
{
	struct survey survey = { .check = check, .totals = out };
	struct spool_conf conf = { .dir = check->dir, .disk = check->disk, .is_read_only = true };
	struct spool *s;

	*out = (struct spool_check_totals){ 0 };
	survey_look_around(check, check->disk ? check->disk : &spool_disk_real, out);
	s = survey_run(&survey, &conf, fault);
	if (s)
		survey_tell(&survey);
	survey_fini(&survey);
	if (s == NULL)
		return fault->code;
	spool_close(&s);
	return 0;
}
