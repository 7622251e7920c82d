#include "sim_rig.h"

#include "base/id.h"
#include "record.h"
#include "segments.h"
#include "spool/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ASIDE "sim/damaged-19700101T000000Z"

/* Messages of two chunks and an envelope, some with a note, every third one settled: several segments. */
enum { MESSAGES = 30, EXTENT = 64 + SIM_RIG_CHUNK, RECORD = 64 + 8 };

/* What a check or a repair told, one line each. */
struct told {
	struct buf damages, messages, segments, others;
	struct spool_check_totals totals;
	struct fault fault;
};

static void told_fini(struct told *t)
{
	buf_fini(&t->damages);
	buf_fini(&t->messages);
	buf_fini(&t->segments);
	buf_fini(&t->others);
}

static void note_damage(void *user, const struct spool_check_damage *d)
{
	struct told *t = user;

	buf_printf(&t->damages, "%s %u+%u %s%s %u\n", d->segment + 18, (unsigned)d->offset,
		   (unsigned)d->octets, d->record ? d->record : "?", d->is_tail ? " tail" : "",
		   (unsigned)d->id);
}

static void note_message(void *user, const struct spool_check_message *m)
{
	struct told *t = user;

	buf_printf(&t->messages, "%u %.*s %u/%u %u\n", (unsigned)m->id, (int)m->envelope.len,
		   m->envelope.len ? (const char *)m->envelope.at : "", (unsigned)m->chunks_whole,
		   (unsigned)m->chunks, (unsigned)m->first_missing);
}

static void note_segment(void *user, const struct spool_check_segment *s)
{
	struct told *t = user;

	buf_printf(&t->segments, "%u%s%s ", (unsigned)s->number, s->is_damaged ? "!" : "",
		   s->left_alone ? "-" : "");
}

static void note_other(void *user, const char *name)
{
	struct told *t = user;

	buf_printf(&t->others, "%s ", name);
}

static void describe(void *user, struct span envelope, struct buf *out)
{
	(void)user;
	buf_printf(out, "It says \"%.*s\".\n", (int)envelope.len, (const char *)envelope.at);
}

static int64_t wall_ms(void)
{
	return 0;
}

static int look(struct sim_rig *rig, struct told *t,
		int (*run)(const struct spool_check *, struct spool_check_totals *, struct fault *))
{
	struct spool_check check = {
		.dir = "sim",
		.disk = &rig->calls,
		.damage = note_damage,
		.message = note_message,
		.segment = note_segment,
		.other = note_other,
		.describe = describe,
		.user = t,
		.wall_ms = wall_ms,
	};

	*t = (struct told){ 0 };
	return run(&check, &t->totals, &t->fault);
}

static bool is_settled(unsigned id)
{
	return id % 3 == 0;
}

static void fill(struct sim_rig *rig)
{
	for (unsigned id = 1; id <= MESSAGES; id++) {
		rig->part = 0;
		assert_int_equal(sim_rig_do(rig, SPOOL_CONTENT, id), 0);
		rig->part = 1;
		assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, id), 0);
		if (id % 4 == 0)
			assert_int_equal(sim_rig_do(rig, SPOOL_NOTE, id), 0);
		if (id > 4 && is_settled(id - 4))
			assert_int_equal(sim_rig_do(rig, SPOOL_SETTLE, id - 4), 0);
	}
	for (unsigned id = MESSAGES - 3; id <= MESSAGES; id++)
		if (is_settled(id))
			assert_int_equal(sim_rig_do(rig, SPOOL_SETTLE, id), 0);
	spool_close(&rig->spool);
}

static unsigned segment_count(struct sim_rig *rig, const char *dir, const char *begin)
{
	unsigned count = 0;
	const char *name;
	size_t at = 0;

	while ((name = sim_disk_name(&rig->disk, dir, &at)) != NULL)
		count += strncmp(name, begin, strlen(begin)) == 0;
	return count;
}

/* Opens the spool and wants each live message but the `lost` ones whole. */
static void assert_kept(struct sim_rig *rig, const char *lost)
{
	sim_rig_open(rig);
	for (unsigned id = 1; id <= MESSAGES; id++) {
		char word[16];
		int expected;

		snprintf(word, sizeof(word), " %u ", id);
		expected = is_settled(id) || strstr(lost, word) ? -ENOENT : 0;
		for (unsigned part = 0; part < 2; part++)
			if (sim_rig_read(rig, id, part) != expected)
				fail_msg("message %u: %d expected", id, expected);
	}
	if (rig->damaged)
		fail_msg("%s", rig->damage.text);
	spool_close(&rig->spool);
}

static void spoil(struct sim_rig *rig, unsigned segment, uint64_t offset, size_t octets)
{
	char name[SEGMENT_NAME_MAX];
	struct buf zeros = { 0 };

	segment_name(segment, name);
	memset(buf_room(&zeros, octets), 0, octets);
	buf_grew(&zeros, octets);
	sim_disk_spoil(&rig->disk, "sim", name, offset, buf_span(&zeros));
	buf_fini(&zeros);
}

/* What stands in segment 2 first: found by reading it, so that the cases can name offsets. */
static uint64_t second_record(struct sim_rig *rig, unsigned segment, enum record_type type,
			      struct record *record_out)
{
	char name[SEGMENT_NAME_MAX];
	struct segment_header header;
	uint64_t at = SEGMENT_RECORDS_AT;
	struct span all;

	segment_name(segment, name);
	all = sim_disk_file(&rig->disk, "sim", name);
	assert_int_equal(segment_header_decode(all.at, &header), 0);
	for (;; at += record_extent(record_out->length)) {
		assert_true(at < all.len);
		assert_int_equal(record_decode(all.at + at, header.seal, record_out), 0);
		if (record_out->type == type && !is_settled((unsigned)record_out->id))
			return at;
	}
}

static void test_a_whole_spool(void **state)
{
	struct sim_rig *rig = *state;
	struct told t;

	fill(rig);
	assert_int_equal(look(rig, &t, spool_check), 0);
	assert_true(spool_check_is_clean(&t.totals));
	assert_int_equal(t.totals.messages, 20);
	assert_int_equal(t.totals.damages, 0);
	assert_true(t.totals.segments >= 3);
	assert_false(t.totals.is_in_use);
	told_fini(&t);
	/* Nothing to mend: nothing is touched. */
	assert_int_equal(look(rig, &t, spool_repair), 0);
	assert_string_equal(t.totals.set_aside, "");
	assert_int_equal(t.totals.rewritten_messages, 0);
	assert_int_equal(segment_count(rig, ASIDE, ""), 0);
	told_fini(&t);
	assert_kept(rig, "");
}

struct damage {
	const char *what;
	enum record_type type; /* the first such record of a live message in segment 3 */
	bool in_payload;
	size_t octets;
	bool loses_message, knows_envelope;
	unsigned whole_chunks;
};

static const struct damage damages[] = {
	{ "content", RECORD_CONTENT, true, 8, true, true, 1 },
	{ "header of content", RECORD_CONTENT, false, 8, true, true, 1 },
	{ "envelope", RECORD_ENVELOPE, true, 4, true, false, 2 },
	{ "header of an envelope", RECORD_ENVELOPE, false, 64, true, false, 2 },
	{ "note", RECORD_NOTE, true, 4, false, false, 0 },
	{ "header of a note", RECORD_NOTE, false, 16, false, false, 0 },
};

static void assert_salvaged(struct sim_rig *rig, uint64_t id, const struct damage *d)
{
	char qid[ID_TEXT_MAX], name[32];
	struct buf text = { 0 };

	id_format(id, qid);
	snprintf(name, sizeof(name), "%s.txt", qid);
	buf_put_span(&text, sim_disk_file(&rig->disk, ASIDE, name));
	buf_put_char(&text, '\0');
	assert_non_null(strstr((char *)text.at, qid));
	if (d->knows_envelope)
		assert_non_null(strstr((char *)text.at, "It says \"record\".\n"));
	else
		assert_non_null(strstr((char *)text.at, "envelope cannot be read"));
	snprintf(name, sizeof(name), "%s.content", qid);
	/* A file is named where there is one. */
	assert_int_equal(strstr((char *)text.at, name) != NULL, d->whole_chunks > 0);
	buf_fini(&text);
	assert_int_equal(sim_disk_file(&rig->disk, ASIDE, name).len,
			 d->whole_chunks * SIM_RIG_CHUNK);
}

static void check_damage(struct sim_rig *rig, const struct damage *d)
{
	char lost[32] = "", name[SEGMENT_NAME_MAX];
	struct record record;
	struct told t;
	uint64_t at;

	fill(rig);
	at = second_record(rig, 3, d->type, &record);
	spoil(rig, 3, at + (d->in_payload ? 64 : 0), d->octets);
	if (d->loses_message)
		snprintf(lost, sizeof(lost), " %u ", (unsigned)record.id);

	assert_int_equal(look(rig, &t, spool_check), 0);
	assert_false(spool_check_is_clean(&t.totals));
	assert_int_equal(t.totals.damages, 1);
	assert_int_equal(t.totals.damaged_messages, d->loses_message);
	buf_put_char(&t.segments, '\0');
	assert_non_null(strstr((char *)t.segments.at, "3! "));
	told_fini(&t);

	assert_int_equal(look(rig, &t, spool_repair), 0);
	assert_string_equal(t.totals.set_aside, ASIDE);
	told_fini(&t);
	segment_name(3, name);
	assert_true(sim_disk_file(&rig->disk, ASIDE, name).len > 0);
	assert_int_equal(sim_disk_file(&rig->disk, "sim", name).len, 0);
	if (d->loses_message)
		assert_salvaged(rig, record.id, d);

	assert_int_equal(look(rig, &t, spool_check), 0);
	assert_true(spool_check_is_clean(&t.totals));
	assert_int_equal(t.totals.messages, d->loses_message ? 19 : 20);
	told_fini(&t);
	assert_kept(rig, lost);
}

static void test_damages(void **state)
{
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		print_message("%s\n", damages[i].what);
		check_damage(*state, &damages[i]);
		sim_rig_teardown(state);
		sim_rig_setup(state);
	}
}

/* A damaged settle record may bring its message back; nothing is lost by it. */
static void test_damaged_settle_record(void **state)
{
	struct sim_rig *rig = *state;
	struct told t;

	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), 0);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 2), 0);
	assert_int_equal(sim_rig_do(rig, SPOOL_SETTLE, 1), 0);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 3), 0);
	spool_close(&rig->spool);
	spoil(rig, 1, SEGMENT_RECORDS_AT + 2 * (EXTENT + RECORD), 8);
	assert_int_equal(look(rig, &t, spool_repair), 0);
	assert_int_equal(t.totals.damages, 1);
	assert_int_equal(t.totals.messages, 3);
	told_fini(&t);
	sim_rig_open(rig);
	assert_int_equal(rig->found, 3);
}

/* A whole segment is gone, and with it its messages; the settle records in it bring back what they settled. */
static void test_missing_segment(void **state)
{
	struct sim_rig *rig = *state;
	char name[SEGMENT_NAME_MAX];
	struct told t;

	fill(rig);
	segment_name(3, name);
	rig->calls.unlink(&rig->disk, "sim", name);
	assert_int_equal(look(rig, &t, spool_check), 0);
	assert_int_equal(t.totals.damaged_segments, 1);
	buf_put_char(&t.segments, '\0');
	assert_non_null(strstr((char *)t.segments.at, "2 3!- 4 "));
	told_fini(&t);
	assert_int_equal(look(rig, &t, spool_repair), 0);
	assert_in_range(t.totals.messages, 15, 22);
	told_fini(&t);
	assert_int_equal(look(rig, &t, spool_check), 0);
	assert_true(spool_check_is_clean(&t.totals));
	told_fini(&t);
}

static void test_headers(void **state)
{
	struct sim_rig *rig = *state;
	struct told t;

	fill(rig);
	spoil(rig, 2, 0, 64);
	spoil(rig, 2, SEGMENT_HEADER_AGAIN, 64);
	spoil(rig, 4, 8, 8);
	assert_int_equal(look(rig, &t, spool_check), 0);
	buf_put_char(&t.segments, '\0');
	assert_non_null(strstr((char *)t.segments.at, "2! 3 4! "));
	assert_int_equal(t.totals.damaged_messages, 0);
	told_fini(&t);
	assert_int_equal(look(rig, &t, spool_repair), 0);
	assert_int_equal(t.totals.segments_set_aside, 2);
	told_fini(&t);
	assert_kept(rig, "");
}

static void copy_segment(struct sim_rig *rig, unsigned from, unsigned to)
{
	char name[SEGMENT_NAME_MAX], copy[SEGMENT_NAME_MAX];
	struct buf octets = { 0 };
	struct iovec piece;
	int fd;

	segment_name(from, name);
	segment_name(to, copy);
	buf_put_span(&octets, sim_disk_file(&rig->disk, "sim", name));
	piece = (struct iovec){ octets.at, octets.len };
	fd = rig->calls.open(&rig->disk, "sim", copy, 1);
	assert_true(fd >= 0);
	assert_int_equal(rig->calls.pwritev(&rig->disk, fd, &piece, 1, 0), octets.len);
	rig->calls.close(&rig->disk, fd);
	buf_fini(&octets);
}

/* What was settled since must not come back with it. */
static void test_copy_under_another_name(void **state)
{
	struct sim_rig *rig = *state;
	struct told t;

	fill(rig);
	copy_segment(rig, 2, 0x77);
	sim_rig_open(rig);
	assert_int_equal(rig->found, 20);
	assert_int_equal(rig->damaged, 1);
	assert_non_null(strstr(rig->damage.text, "it is a copy of segment 2; it is left as it is"));
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1000), 0);
	assert_int_equal(sim_rig_do(rig, SPOOL_SETTLE, 1000), 0);
	spool_close(&rig->spool);
	assert_int_equal(look(rig, &t, spool_check), 0);
	buf_put_char(&t.segments, '\0');
	assert_non_null(strstr((char *)t.segments.at, "119!- "));
	told_fini(&t);
	assert_int_equal(look(rig, &t, spool_repair), 0);
	assert_int_equal(t.totals.segments_set_aside, 1);
	assert_int_equal(t.totals.rewritten_messages, 0);
	told_fini(&t);
	assert_kept(rig, "");
}

/* From a backup, under its own name, after it had been given back. */
static void test_segment_that_came_back(void **state)
{
	struct sim_rig *rig = *state;
	struct told t;

	fill(rig);
	copy_segment(rig, 1, 0x1000);
	sim_rig_open(rig);
	for (unsigned id = 1; id <= 12; id++)
		assert_int_equal(sim_rig_do(rig, SPOOL_SETTLE, id), 0);
	sim_rig_restart(rig, SIM_CUT_ALL);
	spool_close(&rig->spool);
	assert_int_equal(segment_count(rig, "sim", "seg-0000000000000001"), 0);
	copy_segment(rig, 0x1000, 1);
	rig->calls.unlink(&rig->disk, "sim", "seg-0000000000001000.log");
	sim_rig_open(rig);
	assert_non_null(strstr(rig->damage.text, "given back long ago"));
	for (unsigned id = 1; id <= 12; id++)
		assert_int_equal(sim_rig_read(rig, id, 0), -ENOENT);
	spool_close(&rig->spool);
	assert_int_equal(look(rig, &t, spool_repair), 0);
	assert_int_equal(t.totals.segments_set_aside, 1);
	told_fini(&t);
}

static void test_in_use(void **state)
{
	struct sim_rig *rig = *state;
	struct told t;

	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), 0);
	assert_int_equal(look(rig, &t, spool_check), 0);
	assert_true(t.totals.is_in_use);
	assert_int_equal(t.totals.messages, 1);
	told_fini(&t);
	assert_int_equal(look(rig, &t, spool_repair), -EBUSY);
	assert_string_equal(t.fault.text, "sim is in use by process 1");
	told_fini(&t);
}

static void test_other_files_are_named(void **state)
{
	struct sim_rig *rig = *state;
	struct told t;

	spool_close(&rig->spool);
	rig->calls.close(&rig->disk, rig->calls.open(&rig->disk, "sim", "seg-2.log", 1));
	assert_int_equal(look(rig, &t, spool_check), 0);
	assert_true(spool_check_is_clean(&t.totals));
	assert_int_equal(t.totals.unknown_files, 1);
	assert_span_text(buf_span(&t.others), "seg-2.log ");
	told_fini(&t);
}

/* A repair that stops half-way has taken nothing away, and can be made again. */
static void test_no_room_to_rewrite(void **state)
{
	struct sim_rig *rig = *state;
	struct record record;
	struct told t;

	fill(rig);
	spoil(rig, 3, second_record(rig, 3, RECORD_NOTE, &record) + 64, 4);
	rig->disk.capacity = sim_disk_used(&rig->disk) + 100;
	assert_int_equal(look(rig, &t, spool_repair), -ENOSPC);
	assert_int_equal(t.totals.segments_set_aside, 0);
	told_fini(&t);
	rig->disk.capacity = 0;
	assert_int_equal(look(rig, &t, spool_repair), 0);
	told_fini(&t);
	assert_kept(rig, "");
}

/* At every call of a repair the power goes, or the disk fails. */
static void test_power_cut_anywhere(void **state)
{
	unsigned long calls = 1;

	for (unsigned long cut = 0; cut <= calls; cut++) {
		for (int is_fault = 0; is_fault < 2; is_fault++) {
			struct sim_rig *rig = *state;
			struct record record;
			char lost[32];
			struct told t;
			int status;

			fill(rig);
			spoil(rig, 3, second_record(rig, 3, RECORD_CONTENT, &record) + 64, 8);
			snprintf(lost, sizeof(lost), " %u ", (unsigned)record.id);
			rig->disk.calls = 0;
			rig->disk.cut_at = is_fault ? 0 : cut;
			rig->disk.fault = SIM_EIO;
			rig->disk.fault_at = is_fault ? cut : 0;
			rig->disk.fault_calls = 1;
			status = look(rig, &t, spool_repair);
			told_fini(&t);
			if (cut == 0)
				calls = rig->disk.calls;
			sim_disk_restart(&rig->disk, (enum sim_end)(1 + cut % 3));
			if (status == 0 && !is_fault)
				assert_int_equal(look(rig, &t, spool_check), 0);
			else
				assert_int_equal(look(rig, &t, spool_repair), 0);
			told_fini(&t);
			assert_kept(rig, lost);
			sim_rig_teardown(state);
			sim_rig_setup(state);
		}
	}
	assert_true(calls > 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, sim_rig_setup, sim_rig_teardown)
		T(a_whole_spool),
		T(damages),
		T(damaged_settle_record),
		T(missing_segment),
		T(headers),
		T(copy_under_another_name),
		T(segment_that_came_back),
		T(in_use),
		T(other_files_are_named),
		T(no_room_to_rewrite),
		T(power_cut_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
