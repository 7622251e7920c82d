#include "sim_rig.h"

#include <errno.h>
#include <stdlib.h>

/* Content that is read, sent on and dropped without ever being committed. */

static int put_part(struct sim_rig *rig, uint64_t id, unsigned part)
{
	rig->part = part;
	return sim_rig_do(rig, SPOOL_CONTENT, id);
}

static void test_each_chunk_can_be_read_once_it_is_written(void **state)
{
	struct sim_rig *rig = *state;

	assert_int_equal(sim_rig_read(rig, 5, 0), -ENOENT);
	for (unsigned part = 0; part < 5; part++) {
		assert_int_equal(put_part(rig, 5, part), 0);
		for (unsigned i = 0; i <= part; i++)
			assert_int_equal(sim_rig_read(rig, 5, i), 0);
		assert_int_equal(sim_rig_read(rig, 5, part + 1), -ENODATA);
	}
	assert_int_equal(counter_get(&rig->counters.spool_syncs), 0);
	assert_int_equal(spool_read_records(rig->spool, 5, &(struct buf){ 0 }, NULL, NULL),
			 -ENOENT);
	rig->part = 5;
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 5), 0);
	for (unsigned i = 0; i <= 5; i++)
		assert_int_equal(sim_rig_read(rig, 5, i), 0);
}

static void test_dropped_is_gone(void **state)
{
	struct sim_rig *rig = *state;

	assert_int_equal(put_part(rig, 5, 0), 0);
	assert_int_equal(sim_rig_do(rig, SPOOL_DROP, 5), 0);
	assert_int_equal(sim_rig_read(rig, 5, 0), -ENOENT);
	assert_int_equal(counter_get(&rig->counters.spool_syncs), 0);
	sim_rig_restart(rig, SIM_CUT_ALL);
	assert_int_equal(rig->found, 0);
	assert_int_equal(rig->damaged, 0);
}

/* Wherever a write or a sync fails: a chunk is right, or an error; "no more" only behind the last. */
static void test_a_failing_disk_never_gives_wrong_octets(void **state)
{
	struct sim_rig *rig = *state;

	for (unsigned skip = 0; skip < 24; skip++) {
		for (enum sim_fault fault = SIM_EIO; fault < SIM_FAULTS; fault++) {
			uint64_t id = 1 + skip * 8 + fault;
			unsigned good = 0;

			sim_rig_fail(rig, fault, skip, 1 + skip % 3);
			while (good < 6 && put_part(rig, id, good) == 0)
				good++;
			sim_rig_do(rig, SPOOL_COMMIT, 100000 + id);
			for (unsigned i = 0; i < 8; i++) {
				int status = sim_rig_read(rig, id, i);

				assert_true(status == 0 || status == -EIO || i >= good);
				assert_true(status != -ENODATA || (i == 6 && good == 6) || i == 7);
			}
			rig->disk.fault_at = 0;
			assert_int_equal(sim_rig_do(rig, SPOOL_DROP, id), 0);
			assert_int_equal(sim_rig_read(rig, id, 0), -ENOENT);
			rig->now_ms += 1000;
			committer_step(rig->spool, rig->now_ms);
		}
	}
	assert_int_equal(rig->disk.broken_rules, 0);
}

static void test_lost_content_is_an_error_not_an_end(void **state)
{
	struct sim_rig *rig = *state;
	struct fault fault = { 0 };

	assert_int_equal(put_part(rig, 5, 0), 0);
	sim_rig_fail(rig, SIM_EIO, 1, 1);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), -EIO);
	assert_int_equal(sim_rig_read(rig, 5, 0), -EIO);
	assert_int_equal(spool_read(rig->spool, 5, 0, &(struct buf){ 0 }, &fault), -EIO);
	assert_string_equal(fault.text, "message 0000000000005: content of it was lost by an "
					"earlier disk error");
	assert_int_equal(sim_rig_read(rig, 5, 1), -EIO);
}

/* While the batch with its commit fails, and before that is told, nobody reads what is cut off. */
static struct sim_rig *watched;
static int seen;
static int (*true_truncate)(void *user, int fd, uint64_t size);

static int read_while_cutting(void *user, int fd, uint64_t size)
{
	int status = true_truncate(user, fd, size);

	seen = sim_rig_read(watched, 5, 0);
	return status;
}

static void test_a_failing_commit_is_not_read_from(void **state)
{
	struct sim_rig *rig = *state;

	assert_int_equal(put_part(rig, 5, 0), 0);
	rig->part = 1;
	watched = rig;
	seen = 1;
	true_truncate = rig->calls.truncate;
	rig->calls.truncate = read_while_cutting;
	sim_rig_fail(rig, SIM_EIO, 1, 1);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 5), -EIO);
	assert_int_equal(seen, -EIO);
	assert_int_equal(sim_rig_read(rig, 5, 0), -ENOENT);
}

/* Reading goes on while the segment that a stream began in is rewritten and removed below it. */
static void test_a_slow_stream_outlives_its_segment(void **state)
{
	struct sim_rig *rig = *state;

	for (unsigned part = 0; part < 3; part++)
		assert_int_equal(put_part(rig, 5, part), 0);
	for (uint64_t id = 100; id < 200; id++) {
		assert_int_equal(put_part(rig, id, 0), 0);
		for (unsigned part = 0; part < 3; part++)
			assert_int_equal(sim_rig_read(rig, 5, part), 0);
		assert_int_equal(sim_rig_do(rig, SPOOL_DROP, id), 0);
		rig->now_ms += 100;
	}
	assert_true(sim_disk_used(&rig->disk) < 600 * 1024);
	rig->part = 3;
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 5), 0);
	sim_rig_restart(rig, SIM_CUT_NONE);
	assert_int_equal(rig->found, 1);
	for (unsigned part = 0; part < 4; part++)
		assert_int_equal(sim_rig_read(rig, 5, part), 0);
}

/* For days: no sync of content, and never more than two segments. */
static void test_what_is_only_handed_on_costs_neither_syncs_nor_room(void **state)
{
	struct sim_rig *rig = *state;
	uint64_t most = 0;

	for (uint64_t id = 1; id <= 3000; id++) {
		for (unsigned part = 0; part < 3; part++)
			assert_int_equal(put_part(rig, id, part), 0);
		assert_int_equal(sim_rig_read(rig, id, 2), 0);
		assert_int_equal(sim_rig_do(rig, SPOOL_DROP, id), 0);
		rig->now_ms += 2000;
		if (sim_disk_used(&rig->disk) > most)
			most = sim_disk_used(&rig->disk);
	}
	/* The segment, the one before it while it goes, and the reserve. */
	assert_true(most < 2 * 80 * 1024 + 256 * 1024);
	/* One where a stream stands across the end of a segment: two in three do. */
	assert_true(counter_get(&rig->counters.spool_syncs) <= 3000 * 3 / 8 * 3 / 4);
	sim_rig_restart(rig, SIM_CUT_SOME);
	assert_int_equal(rig->found, 0);
}

/* Where each is given up before the next begins, not one sync is made. */
static void test_one_at_a_time_costs_no_sync(void **state)
{
	struct sim_rig *rig = *state;

	for (uint64_t id = 1; id <= 100; id++) {
		assert_int_equal(put_part(rig, id, 0), 0);
		assert_int_equal(sim_rig_do(rig, SPOOL_DROP, id), 0);
		rig->now_ms += 2000;
	}
	assert_int_equal(counter_get(&rig->counters.spool_syncs), 0);
	assert_true(sim_disk_used(&rig->disk) < 2 * 80 * 1024 + 256 * 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, sim_rig_setup, sim_rig_teardown)
		T(each_chunk_can_be_read_once_it_is_written),
		T(dropped_is_gone),
		T(a_failing_disk_never_gives_wrong_octets),
		T(lost_content_is_an_error_not_an_end),
		T(a_failing_commit_is_not_read_from),
		T(a_slow_stream_outlives_its_segment),
		T(what_is_only_handed_on_costs_neither_syncs_nor_room),
		T(one_at_a_time_costs_no_sync),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
