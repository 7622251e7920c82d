#include "sim_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static void test_failed_sync_fails_the_batch(void **state)
{
	struct sim_rig *rig = *state;
	struct spool_write w;

	assert_int_equal(sim_rig_do(rig, SPOOL_CONTENT, 5), 0);
	sim_rig_fail(rig, SIM_EIO, 1, 1);
	assert_int_equal(sim_rig_put(rig, &w, SPOOL_COMMIT, 1), -EIO);
	assert_string_equal(w.fault.text,
			    "syncing sim/seg-0000000000000001.log: Input/output error");
	assert_int_equal(counter_get(&rig->counters.spool_failures), 1);
	assert_true(spool_may_accept(rig->spool, NULL));
	/* Its content stood unsynced in that segment. */
	assert_int_equal(sim_rig_put(rig, &w, SPOOL_COMMIT, 5), -EIO);
	assert_non_null(strstr(w.fault.text, "0000000000005"));
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 2), 0);
	assert_int_equal(rig->disk.broken_rules, 0);
	sim_rig_restart(rig, SIM_CUT_NONE);
	assert_int_equal(rig->found, 1);
}

static void test_synced_content_survives_a_failed_sync(void **state)
{
	struct sim_rig *rig = *state;

	assert_int_equal(sim_rig_do(rig, SPOOL_CONTENT, 5), 0);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), 0);
	sim_rig_fail(rig, SIM_EIO, 1, 1);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 2), -EIO);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 5), 0);
	sim_rig_restart(rig, SIM_CUT_NONE);
	assert_int_equal(rig->found, 2);
}

static void test_chunk_after_a_lost_chunk_is_refused(void **state)
{
	struct sim_rig *rig = *state;

	sim_rig_fail(rig, SIM_ENOSPC, 0, 1);
	assert_int_equal(sim_rig_do(rig, SPOOL_CONTENT, 5), -ENOSPC);
	assert_int_equal(sim_rig_do(rig, SPOOL_CONTENT, 5), -EIO);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 5), -EIO);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 6), 0);
}

static void test_short_writes_are_carried_on(void **state)
{
	struct sim_rig *rig = *state;
	struct buf out = { 0 };

	/* Each call writes some of what it is given. */
	sim_rig_fail(rig, SIM_SHORT, 0, 2);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), 0);
	assert_int_equal(spool_read(rig->spool, 1, 0, &out, NULL), 0);
	assert_int_equal(out.len, 8192);
	buf_fini(&out);
}

static void test_no_segment_can_be_opened(void **state)
{
	struct sim_rig *rig = *state;
	struct fault why = { 0 };

	sim_rig_fail(rig, SIM_EIO, 0, 1000);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), -EIO);
	assert_false(spool_may_accept(rig->spool, &why));
	assert_int_equal(why.code, -EIO);
	assert_non_null(strstr(why.text, "opening the new segment sim/seg-"));
	rig->disk.fault_at = 0;
	/* Not before the pause is over. */
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 2), -EIO);
	rig->now_ms += 1000;
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 3), 0);
	assert_true(spool_may_accept(rig->spool, NULL));
}

static void test_recovers_without_a_write(void **state)
{
	struct sim_rig *rig = *state;

	sim_rig_fail(rig, SIM_EIO, 0, 1000);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), -EIO);
	rig->disk.fault_at = 0;
	rig->now_ms += 1000;
	committer_step(rig->spool, rig->now_ms);
	assert_true(spool_may_accept(rig->spool, NULL));
}

/* Commits until there is no room. Returns how many were taken. */
static unsigned fill_disk(struct sim_rig *rig)
{
	struct spool_write w;
	unsigned n = 0;

	while (sim_rig_put(rig, &w, SPOOL_COMMIT, n + 1) == 0)
		assert_true(++n < 1000);
	assert_int_equal(w.status, -ENOSPC);
	return n;
}

static void test_full_disk_takes_outcomes_and_resumes(void **state)
{
	struct sim_rig *rig = *state;
	struct fault why = { 0 };
	unsigned n;

	rig->disk.capacity = 700 * 1024;
	n = fill_disk(rig);
	assert_true(n > 10);
	assert_false(spool_may_accept(rig->spool, &why));
	assert_int_equal(why.code, -ENOSPC);
	/* Not an octet is free. */
	rig->disk.capacity = sim_disk_used(&rig->disk);
	assert_int_equal(sim_rig_do(rig, SPOOL_NOTE, 1), 0);
	for (unsigned id = 1; id <= n; id++)
		assert_int_equal(sim_rig_do(rig, SPOOL_SETTLE, id), 0);
	for (int i = 0; i < 100; i++)
		committer_step(rig->spool, rig->now_ms += 100);
	assert_true(sim_disk_used(&rig->disk) < 450 * 1024);
	assert_true(spool_may_accept(rig->spool, NULL));
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 5000), 0);
	rig->disk.capacity = 0;
	sim_rig_restart(rig, SIM_CUT_NONE);
	assert_int_equal(rig->found, 1);
}

static void test_low_space_is_noticed_within_a_second(void **state)
{
	struct sim_rig *rig = *state;
	struct fault why = { 0 };

	rig->disk.capacity = sim_disk_used(&rig->disk) + 4000;
	assert_true(spool_may_accept(rig->spool, NULL));
	committer_step(rig->spool, rig->now_ms += 1000);
	assert_false(spool_may_accept(rig->spool, &why));
	assert_string_equal(why.text, "sim: 4000 octets are free, 4096 are kept in reserve");
	rig->disk.capacity = 0;
	committer_step(rig->spool, rig->now_ms += 1000);
	assert_true(spool_may_accept(rig->spool, NULL));
}

static void test_one_sync_for_all_that_wait(void **state)
{
	struct sim_rig *rig = *state;
	static struct spool_write w[3000];
	uint64_t syncs = counter_get(&rig->counters.spool_syncs);
	unsigned before;

	before = sim_rig_done();
	for (unsigned i = 0; i < 3000; i++) {
		w[i] = (struct spool_write){ .kind = SPOOL_COMMIT,
					     .id = i + 1,
					     .content = span_text("abc"),
					     .record = span_text("envelope") };
		spool_put(rig->spool, &w[i]);
	}
	committer_step(rig->spool, rig->now_ms);
	assert_int_equal(sim_rig_done(), before + 3000);
	for (unsigned i = 0; i < 3000; i++)
		assert_int_equal(w[i].status, 0);
	assert_int_equal(counter_get(&rig->counters.spool_syncs), syncs + 1);
}

static void test_lazy_writes_wait_for_company(void **state)
{
	struct sim_rig *rig = *state;
	struct spool_write lazy = { .kind = SPOOL_SETTLE, .id = 1, .is_lazy = true };
	unsigned before;

	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), 0);
	before = sim_rig_done();
	spool_put(rig->spool, &lazy);
	committer_step(rig->spool, rig->now_ms);
	committer_step(rig->spool, rig->now_ms + 49);
	assert_int_equal(sim_rig_done(), before);
	committer_step(rig->spool, rig->now_ms + 50);
	assert_int_equal(sim_rig_done(), before + 1);
	/* With company it goes at once. */
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 2), 0);
	lazy = (struct spool_write){ .kind = SPOOL_SETTLE, .id = 2, .is_lazy = true };
	before = sim_rig_done();
	spool_put(rig->spool, &lazy);
	committer_step(rig->spool, rig->now_ms);
	assert_int_equal(sim_rig_done(), before);
	struct spool_write urgent = { .kind = SPOOL_COMMIT, .id = 3, .record = span_text("E") };
	spool_put(rig->spool, &urgent);
	committer_step(rig->spool, rig->now_ms);
	assert_int_equal(sim_rig_done(), before + 2);
}

static void test_quota_is_no_room(void **state)
{
	struct sim_rig *rig = *state;
	struct fault why = { 0 };

	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 1), 0);
	rig->disk.error = EDQUOT;
	sim_rig_fail(rig, SIM_ERROR, 0, 1);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 2), -EDQUOT);
	assert_false(spool_may_accept(rig->spool, &why));
	assert_int_equal(why.code, -EDQUOT);
	/* The segment stays in use. */
	assert_int_equal(sim_rig_do(rig, SPOOL_SETTLE, 1), 0);
	committer_step(rig->spool, rig->now_ms += 1000);
	assert_true(spool_may_accept(rig->spool, NULL));
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 3), 0);
	sim_rig_restart(rig, SIM_CUT_NONE);
	assert_int_equal(rig->found, 1);
	assert_int_equal(rig->damaged, 0);
}

static void test_read_only_disk_is_refused_at_start(void **state)
{
	struct sim_rig *rig = *state;
	struct fault fault = { 0 };

	spool_close(&rig->spool);
	rig->disk.is_read_only = true;
	assert_int_equal(sim_rig_try_open(rig, &fault), -EROFS);
	assert_string_equal(fault.text,
			    "sim is on a file system that can only be read: mail cannot "
			    "be kept there");
	rig->disk.is_read_only = false;
	sim_rig_open(rig);
}

/* As after "errors=remount-ro": nothing is taken, what is there is delivered, and outcomes are written later. */
static void test_disk_that_turns_read_only_and_back(void **state)
{
	struct sim_rig *rig = *state;
	struct fault why = { 0 };

	for (unsigned id = 1; id <= 3; id++)
		assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, id), 0);
	assert_int_equal(sim_rig_do(rig, SPOOL_CONTENT, 4), 0);
	rig->disk.is_read_only = true;
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 5), -EROFS);
	assert_false(spool_may_accept(rig->spool, &why));
	assert_int_equal(why.code, -EROFS);
	assert_non_null(strstr(why.text, "Read-only file system"));
	assert_int_equal(sim_rig_read(rig, 1, 0), 0);
	assert_int_equal(sim_rig_read(rig, 4, 0), -EIO);
	assert_int_equal(sim_rig_do(rig, SPOOL_SETTLE, 1), -EROFS);
	assert_int_equal(sim_rig_read(rig, 1, 0), -ENOENT);
	assert_int_equal(sim_rig_do(rig, SPOOL_NOTE, 2), -EROFS);
	for (int i = 0; i < 10; i++)
		committer_step(rig->spool, rig->now_ms += 1000);
	assert_false(spool_may_accept(rig->spool, NULL));

	rig->disk.is_read_only = false;
	for (int i = 0; i < 3; i++)
		committer_step(rig->spool, rig->now_ms += 1000);
	assert_true(spool_may_accept(rig->spool, NULL));
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 6), 0);
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 4), -EIO);
	sim_rig_restart(rig, SIM_CUT_NONE);
	assert_int_equal(rig->found, 3);
	for (unsigned id = 2; id <= 3; id++)
		assert_int_equal(sim_rig_read(rig, id, 0), 0);
	assert_int_equal(sim_rig_read(rig, 1, 0), -ENOENT);
	assert_int_equal(sim_rig_read(rig, 6, 0), 0);
}

/* Without a descriptor for the next segment, the one there is goes on beyond its size. */
static void test_no_descriptors(void **state)
{
	struct sim_rig *rig = *state;
	struct fault fault = { 0 };

	rig->disk.fd_limit = 1;
	for (unsigned id = 1; id <= 30; id++)
		assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, id), 0);
	assert_true(spool_may_accept(rig->spool, NULL));
	assert_true(sim_disk_file(&rig->disk, "sim", "seg-0000000000000001.log").len > 200 * 1024);
	assert_int_equal(spool_read(rig->spool, 1, 0, &(struct buf){ 0 }, &fault), -EIO);
	assert_non_null(strstr(fault.text, "Too many open files"));
	rig->disk.fd_limit = 0;
	rig->now_ms += 2000;
	assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, 31), 0);
	/* Numbers of attempts that failed are not used again. */
	assert_int_equal(sim_disk_file(&rig->disk, "sim", "seg-0000000000000002.log").len, 0);
	assert_true(sim_disk_file(&rig->disk, "sim", "seg-0000000000000003.log").len > 0);
	spool_close(&rig->spool);
	/* A start that cannot read everything would deliver some of it: it is refused. */
	rig->disk.error = EMFILE;
	sim_rig_fail(rig, SIM_ERROR, 3, 1);
	assert_int_equal(sim_rig_try_open(rig, &fault), -EMFILE);
	rig->disk.fault_at = 0;
	sim_rig_open(rig);
	assert_int_equal(rig->found, 31);
}

/* Where files may not grow so long, one batch is refused, and segments are shorter from then on. */
static void test_short_files_only(void **state)
{
	struct sim_rig *rig = *state;
	unsigned stored = 0;

	rig->disk.file_limit = 40 * 1024;
	for (unsigned id = 1; id <= 30; id++) {
		uint64_t before = counter_get(&rig->counters.spool_failures);

		if (sim_rig_do(rig, SPOOL_CONTENT, id) == 0)
			assert_int_equal(sim_rig_read(rig, id, 0), 0);
		assert_int_equal(sim_rig_do(rig, SPOOL_DROP, id), 0);
		stored += sim_rig_do(rig, SPOOL_COMMIT, 100 + id) == 0;
		assert_true(id < 10 || counter_get(&rig->counters.spool_failures) == before);
		rig->now_ms += 1000;
	}
	assert_in_range(stored, 28, 30);
	assert_int_equal(rig->disk.broken_rules, 0);
	sim_rig_restart(rig, SIM_CUT_NONE);
	assert_int_equal(rig->found, stored);
	assert_int_equal(rig->damaged, 0);
}

/* The clock of new ids goes to and fro, over restarts too: each is greater than all before. */
static int64_t wall;

static int64_t wall_ms(void)
{
	return wall;
}

static void test_clock_that_jumps(void **state)
{
	static const int64_t times[] = { 1000, 4000000000000, 5, -1, 0, 3000, 16000000000000, 7 };
	struct sim_rig *rig = *state;
	uint64_t last = 0;

	rig->conf.wall_ms = wall_ms;
	sim_rig_restart(rig, SIM_CUT_ALL);
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		wall = times[i];
		for (int n = 0; n < 3; n++) {
			uint64_t id = spool_new_id(rig->spool);

			assert_true(id > last);
			last = id;
			assert_int_equal(sim_rig_do(rig, SPOOL_COMMIT, id), 0);
			assert_int_equal(sim_rig_do(rig, SPOOL_SETTLE, id), 0);
		}
		rig->now_ms += 500;
		sim_rig_restart(rig, SIM_CUT_ALL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_##name, sim_rig_setup, sim_rig_teardown)
		T(failed_sync_fails_the_batch),
		T(synced_content_survives_a_failed_sync),
		T(chunk_after_a_lost_chunk_is_refused),
		T(short_writes_are_carried_on),
		T(no_segment_can_be_opened),
		T(recovers_without_a_write),
		T(full_disk_takes_outcomes_and_resumes),
		T(low_space_is_noticed_within_a_second),
		T(one_sync_for_all_that_wait),
		T(lazy_writes_wait_for_company),
		T(quota_is_no_room),
		T(read_only_disk_is_refused_at_start),
		T(disk_that_turns_read_only_and_back),
		T(no_descriptors),
		T(short_files_only),
		T(clock_that_jumps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
