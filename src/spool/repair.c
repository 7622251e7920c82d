#include "head.h"
#include "reclaim.h"
#include "salvage.h"
#include "spool/check.h"
#include "survey.h"

#include <errno.h>
#include <stdio.h>

struct repair {
	struct survey survey;
	struct salvage salvage;
	struct spool_check_totals *totals;
};

/* Its records in segments that are whole would be reported for as long as these stay. */
static void mark_segments(struct spool *s, struct message *m)
{
	for (uint32_t part = 0; part < m->chunks; part++) {
		struct segment *segment =
			segments_find(&s->segments, message_chunk(m, part)->segment);

		if (segment)
			segment->is_damaged = true;
	}
	if (m->envelope.segment)
		segments_find(&s->segments, m->envelope.segment)->is_damaged = true;
}

static void take_message(struct survey *survey, struct spool *s, struct message *m,
			 const struct spool_check_message *message)
{
	struct repair *r = survey->user;

	mark_segments(s, m);
	salvage_message(&r->salvage, s, m, message);
}

static int move_aside(struct spool *s, const char *name)
{
	struct repair *r = s->conf.user;
	int status = salvage_begin(&r->salvage);

	if (status == 0)
		status = s->disk->move(s->disk->user, s->dir, name, r->salvage.dir);
	r->totals->segments_set_aside += status == 0;
	return status;
}

/* What cannot even be opened may be whole: that is for whoever mends the disk. */
static int check_left_alone(struct repair *r, struct fault *fault)
{
	for (size_t i = 0; i < r->survey.count; i++) {
		const struct fault *why = r->survey.segments[i].left_alone;

		if (why && why->code != -EEXIST && why->code != -ESTALE && why->code != -ERANGE &&
		    why->code != -EBADMSG && why->code != -ENODATA) {
			*fault = *why;
			return why->code;
		}
	}
	return 0;
}

/* Copies, and what came back from a backup: nothing in them is live. */
static int move_left_alone(struct repair *r, struct spool *s, struct fault *fault)
{
	for (size_t i = 0; i < r->survey.count; i++) {
		char name[SEGMENT_NAME_MAX];
		int status;

		if (r->survey.segments[i].left_alone == NULL ||
		    r->survey.segments[i].left_alone->code == -ENODATA)
			continue;
		segment_name(r->survey.segments[i].told.number, name);
		status = move_aside(s, name);
		if (status < 0)
			return fault_set(fault, status, "setting %s/%s aside: %s", s->dir, name,
					 strerror(-status));
	}
	return 0;
}

static bool is_before(struct message *m, uint32_t number)
{
	for (uint32_t part = 0; part < m->chunks; part++)
		if (message_chunk(m, part)->segment <= number)
			return true;
	return m->envelope.segment <= number || (m->note.segment && m->note.segment <= number);
}

/* Every segment up to the last damaged one goes, in their order, for the same reason as always: no settle
 * record may go before what it settles. */
static void plan(struct repair *r, struct spool *s)
{
	uint64_t missing = 0;
	struct message *m;
	size_t at = 0;

	for (size_t i = 0; i < r->survey.count; i++) {
		const struct survey_segment *seen = &r->survey.segments[i];
		struct segment *segment = segments_find(&s->segments, (uint32_t)seen->told.number);

		if (seen->left_alone && seen->left_alone->code == -ENODATA)
			missing = seen->told.number;
		if (segment)
			segment->is_damaged |= seen->told.is_damaged;
	}
	for (size_t i = 0; i < s->segments.count; i++)
		if (s->segments.at[i].is_damaged || s->segments.at[i].number < missing)
			s->rewrite_up_to = s->segments.at[i].number;
	while ((m = index_next(&s->index, &at)) != NULL)
		r->totals->rewritten_messages += is_before(m, s->rewrite_up_to);
}

static int stopped(struct spool *s, struct fault *fault)
{
	char name[SEGMENT_NAME_MAX];

	if (s->reclaim_fault.code) {
		*fault = s->reclaim_fault;
		return fault->code;
	}
	segment_name(s->segments.at[0].number, name);
	return fault_set(fault, -EIO,
			 "%s/%s: live messages in it cannot be read any more, or it belongs to "
			 "another spool",
			 s->dir, name);
}

static int rewrite(struct spool *s, struct fault *fault)
{
	int status;

	if (s->rewrite_up_to == 0)
		return 0;
	s->take_away = move_aside;
	s->is_frozen = s->has_left_alone = false;
	status = spool_start_writing(s, fault);
	if (status < 0)
		return status;
	if (s->head.fd < 0) {
		*fault = s->head.fault;
		return fault->code;
	}
	while (s->segments.at[0].number <= s->rewrite_up_to)
		if (!reclaim_step(s))
			return stopped(s, fault);
	/* The new segment's header says which ones are gone. */
	head_renew(s);
	return 0;
}

static int do_repair(struct repair *r, struct spool *s, struct fault *fault)
{
	int status = check_left_alone(r, fault);

	plan(r, s);
	if (status == 0)
		status = salvage_end(&r->salvage, fault);
	if (status == 0)
		status = move_left_alone(r, s, fault);
	if (status == 0)
		status = rewrite(s, fault);
	return status;
}

int spool_repair(const struct spool_check *check, struct spool_check_totals *out,
		 struct fault *fault)
{
	const struct spool_disk *disk = check->disk ? check->disk : &spool_disk_real;
	struct repair r = { .totals = out };
	struct spool_conf conf = { .dir = check->dir, .disk = disk, .user = &r };
	struct spool *s;
	int status;

	*out = (struct spool_check_totals){ 0 };
	survey_look_around(check, disk, out);
	if (out->is_in_use)
		return fault_set(fault, -EBUSY, "%s is in use by %s %lld", check->dir,
				 out->holder_pid ? "process" : "another process",
				 (long long)out->holder_pid);
	r.survey = (struct survey){
		.check = check, .totals = out, .salvage = take_message, .user = &r
	};
	salvage_init(&r.salvage, check, disk, out);
	s = survey_run(&r.survey, &conf, fault);
	status = s ? do_repair(&r, s, fault) : fault->code;
	if (s)
		survey_tell(&r.survey);
	survey_fini(&r.survey);
	salvage_fini(&r.salvage);
	spool_close(&s);
	return status;
}
